package route

import (
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// Hash is one thing of a request that endpoints are chosen by.
type Hash struct {
	of       func(Facts) ([]byte, bool)
	terminal bool
	cookie   *made // where it is a cookie that is given to who has none
}

// made is a cookie that this proxy gives.
type made struct {
	name string
	tail string // its attributes
}

func newHashes(policies []*routev3.RouteAction_HashPolicy) (all []Hash, err error) {
	for i, p := range policies {
		h := Hash{terminal: p.GetTerminal()}
		switch s := p.GetPolicySpecifier().(type) {
		case *routev3.RouteAction_HashPolicy_Header_:
			if h.of, err = hashHeader(s.Header); err != nil {
				return nil, fmt.Errorf("field hash_policy[%d].header: %w", i, err)
			}
		case *routev3.RouteAction_HashPolicy_Cookie_:
			if err := h.hashCookie(s.Cookie); err != nil {
				return nil, fmt.Errorf("field hash_policy[%d].cookie: %w", i, err)
			}
		case *routev3.RouteAction_HashPolicy_ConnectionProperties_:
			if !s.ConnectionProperties.GetSourceIp() {
				return nil, fmt.Errorf("field hash_policy[%d].connection_properties.source_ip: must be true", i)
			}
			h.of = func(x Facts) ([]byte, bool) { return []byte(withoutPort(x.Remote())), true }
		case *routev3.RouteAction_HashPolicy_QueryParameter_:
			name := s.QueryParameter.GetName()
			if name == "" {
				return nil, fmt.Errorf("field hash_policy[%d].query_parameter.name: is required", i)
			}
			h.of = func(x Facts) ([]byte, bool) { return Parameter(x.Path(), name) }
		default:
			return nil, fmt.Errorf("field hash_policy[%d]: %T is not supported", i, s)
		}
		all = append(all, h)
	}
	return all, nil
}

func hashHeader(p *routev3.RouteAction_HashPolicy_Header) (func(Facts) ([]byte, bool), error) {
	name := strings.ToLower(p.GetHeaderName())
	if name == "" {
		return nil, errors.New("field header_name: is required")
	}
	change, err := newRewriter(p.GetRegexRewrite())
	if err != nil {
		return nil, fmt.Errorf("field regex_rewrite: %w", err)
	}
	return func(x Facts) ([]byte, bool) {
		v, ok := pseudo(x, name, 0)
		if ok && change != nil {
			v = change.append(nil, v)
		}
		return v, ok
	}, nil
}

// plain is what may stand in a cookie's name, path and attributes.
var plain = regexp.MustCompile(`^[!-:<-~]*$`)

func (h *Hash) hashCookie(p *routev3.RouteAction_HashPolicy_Cookie) error {
	name := p.GetName()
	if name == "" || !plain.MatchString(name+p.GetPath()) {
		return errors.New("field name or path: is empty or holds a character that a cookie cannot have")
	}
	h.of = func(x Facts) ([]byte, bool) { return Cookie(x, name) }
	if p.GetTtl() == nil {
		return nil
	}
	ttl, err := duration("ttl", p.GetTtl())
	if err != nil {
		return err
	}
	tail := ""
	if ttl > 0 {
		tail += "; Max-Age=" + strconv.FormatInt(int64(ttl.Seconds()), 10)
	}
	if p.GetPath() != "" {
		tail += "; Path=" + p.GetPath()
	}
	for i, a := range p.GetAttributes() {
		if !plain.MatchString(a.GetName()+a.GetValue()) || a.GetName() == "" {
			return fmt.Errorf("field attributes[%d]: is empty or holds a character that a cookie cannot have", i)
		}
		tail += "; " + a.GetName()
		if a.GetValue() != "" {
			tail += "=" + a.GetValue()
		}
	}
	h.cookie = &made{name, tail + "; HttpOnly"}
	return nil
}

// Sum is the hash of a request, if it has anything that there is a hash of;
// give gets the cookies that are to be given to the client.
func (f *Forward) Sum(x Facts, give func(setCookie string)) (sum uint64, ok bool) {
	for i := range f.Hash {
		h := &f.Hash[i]
		value, there := h.of(x)
		if !there && h.cookie != nil {
			made := strconv.FormatUint(xxhash.Sum64String(x.Remote()+x.Local()), 16)
			give(h.cookie.name + `="` + made + `"` + h.cookie.tail)
			value, there = []byte(made), true
		}
		if !there {
			continue
		}
		// Rotating keeps two that are alike from taking each other away.
		sum, ok = bits.RotateLeft64(sum, 1)^xxhash.Sum64(value), true
		if h.terminal {
			break
		}
	}
	return sum, ok
}
