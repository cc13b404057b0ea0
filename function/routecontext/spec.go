package routecontext

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the rules. After Decode every condition says its match, and names of
// headers are in lower case.
type Spec struct {
	Rules []Rule `json:"rules" yaml:"rules"`
	// Forwarded believes x-forwarded-client-cert as it comes, since a proxy in
	// front has written it.
	Forwarded bool `json:"forwarded,omitempty" yaml:"forwarded"`
}

// Rule sends the requests for which all of When holds to a service.
type Rule struct {
	When    []Condition `json:"when" yaml:"when"`
	Service int         `json:"service" yaml:"service"` // 0 is the first
}

// Condition wants something of a request.
type Condition struct {
	From Source `json:"from" yaml:"from"`
	// Name is the header's, the cookie's, the query parameter's or the claim's;
	// empty for method and identity.
	Name  string `json:"name,omitempty" yaml:"name"`
	Match Match  `json:"match" yaml:"match"`           // empty means exact
	Value string `json:"value,omitempty" yaml:"value"` // for exact and prefix
}

// Source is where a condition looks.
type Source string

// The sources.
const (
	Header   Source = "header"
	Cookie   Source = "cookie"
	Query    Source = "query"
	Method   Source = "method"
	Claim    Source = "claim"
	Identity Source = "identity"
)

// Match is how a value is compared.
type Match string

// The matches: with the whole value, with its beginning, or not at all.
const (
	Exact   Match = "exact"
	Prefix  Match = "prefix"
	Present Match = "present"
)

// Claims are the claims that jwt hands on, and the headers they come in.
func Claims() map[string]string {
	return map[string]string{"user": function.UserHeader, "subscription": function.SubscriptionHeader}
}

// Services is how many services there are to choose between.
const Services = 3

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	return s.complete()
}

// complete validates a Spec and fills in what it leaves open.
func (s Spec) complete() (Spec, error) {
	if len(s.Rules) == 0 {
		return s, fmt.Errorf("route-context: rules: none: at least one is needed")
	}
	rules := make([]Rule, len(s.Rules))
	for i, r := range s.Rules {
		if r.Service < 0 || r.Service >= Services {
			return s, fmt.Errorf("route-context: rules[%d].service: %d: there are %d, from 0", i, r.Service, Services)
		}
		if len(r.When) == 0 {
			return s, fmt.Errorf("route-context: rules[%d].when: none: at least one condition is needed", i)
		}
		rules[i].Service = r.Service
		for j, c := range r.When {
			c, err := c.complete()
			if err != nil {
				return s, fmt.Errorf("route-context: rules[%d].when[%d].%w", i, j, err)
			}
			rules[i].When = append(rules[i].When, c)
		}
	}
	s.Rules = rules
	return s, nil
}

func (c Condition) complete() (Condition, error) {
	if c.Match == "" {
		c.Match = Exact
	}
	if c.From == Header {
		c.Name = strings.ToLower(c.Name)
	}
	return c, first(c.badMatch(), c.badName(), c.badValue())
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c Condition) badMatch() error {
	switch c.Match {
	case Exact:
	case Prefix:
		if c.Value == "" {
			return fmt.Errorf("value: empty: every value begins so; match present says it")
		}
	case Present:
		if c.Value != "" {
			return fmt.Errorf("value: %q: match present compares with none", c.Value)
		}
	default:
		return fmt.Errorf("match: %q: want %s, %s or %s", c.Match, Exact, Prefix, Present)
	}
	return nil
}

func (c Condition) badName() error {
	switch c.From {
	case Header:
		if !isToken(c.Name) {
			return fmt.Errorf("name: %q is no name of a header", c.Name)
		}
		if c.Name == "host" || c.Name == RouteHeader || c.Name == "cookie" || c.Name == "x-forwarded-client-cert" {
			return fmt.Errorf("name: %s: not a header to route by; from cookie and from identity look there for what they want", c.Name)
		}
	case Cookie:
		if !isToken(c.Name) {
			return fmt.Errorf("name: %q is no name of a cookie", c.Name)
		}
	case Query:
		if c.Name == "" || strings.ContainsAny(c.Name, "&=#? ") {
			return fmt.Errorf("name: %q is no name of a query parameter as it is written", c.Name)
		}
	case Claim:
		if _, ok := Claims()[c.Name]; !ok {
			return fmt.Errorf("name: %q: the claims are user and subscription", c.Name)
		}
	case Method, Identity:
		if c.Name != "" {
			return fmt.Errorf("name: %q: from %s needs none", c.Name, c.From)
		}
	default:
		return fmt.Errorf("from: %q: want %s, %s, %s, %s, %s or %s", c.From, Header, Cookie, Query, Method, Claim, Identity)
	}
	return nil
}

func (c Condition) badValue() error {
	if strings.ContainsFunc(c.Value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("value: %q holds what cannot stand in a request", c.Value)
	}
	switch c.From {
	case Header, Claim:
		if strings.Trim(c.Value, " \t") != c.Value {
			return fmt.Errorf("value: %q: no value of a header begins or ends with a space", c.Value)
		}
	case Cookie:
		if strings.ContainsAny(c.Value, ";\"") {
			return fmt.Errorf("value: %q: no cookie's value holds ; or quotes", c.Value)
		}
	case Query:
		if strings.ContainsAny(c.Value, "&# ") {
			return fmt.Errorf("value: %q: write it as it stands in the query, with %%20 for a space", c.Value)
		}
	case Method:
		if c.Match != Exact || !isToken(c.Value) || strings.ToUpper(c.Value) != c.Value {
			return fmt.Errorf("value: %q: a method is matched exactly, and written in capitals", c.Value)
		}
	case Identity:
		if c.Match != Present && (!strings.Contains(c.Value, "://") || strings.ContainsAny(c.Value, ",;\" ")) {
			return fmt.Errorf("value: %q is no URI such as spiffe://mesh/web", c.Value)
		}
	}
	return nil
}

// isToken reports whether the text is a token as RFC 9110 5.6.2 has it.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// identities reports whether any rule asks for the caller's identity, claims
// whether any asks for a claim.
func (s Spec) identities() bool { return s.asks(Identity) }
func (s Spec) claims() bool     { return s.asks(Claim) }

func (s Spec) asks(from Source) bool {
	return slices.ContainsFunc(s.Rules, func(r Rule) bool {
		return slices.ContainsFunc(r.When, func(c Condition) bool { return c.From == from })
	})
}
