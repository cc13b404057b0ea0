package mtls

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Side is which end of a connection a proxy is.
type Side string

// The sides: a proxy before a service is called, one before its callers calls.
const (
	Called  Side = "called"
	Calling Side = "calling"
)

// Spec is who is who.
type Spec struct {
	// Domain is the trust domain.
	Domain string `json:"domain" yaml:"domain"`
	// ID is the proxy's own SPIFFE id.
	ID string `json:"id" yaml:"id"`
	// Allow are the SPIFFE ids of the other side.
	Allow []string `json:"allow" yaml:"allow"`
	Side  Side     `json:"side,omitempty" yaml:"side"` // empty: called
	// TTL is how long an identity is valid; 0 means 1h.
	TTL function.Duration `json:"ttl,omitempty" yaml:"ttl"`
}

const defaultTTL = time.Hour

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if s.Side == "" {
		s.Side = Called
	}
	if s.TTL == 0 {
		s.TTL = function.Duration(defaultTTL)
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("mtls: %w", err)
	}
	return s, nil
}

func (s Spec) validate() error {
	if err := validDomain(s.Domain); err != nil {
		return fmt.Errorf("domain: %w", err)
	}
	if err := validID(s.ID, s.Domain); err != nil {
		return fmt.Errorf("id: %w", err)
	}
	if len(s.Allow) == 0 {
		return errors.New("allow: none: nobody could call")
	}
	for i, id := range s.Allow {
		if err := validID(id, s.Domain); err != nil {
			return fmt.Errorf("allow[%d]: %w", i, err)
		}
	}
	switch {
	case s.Side != Called && s.Side != Calling:
		return fmt.Errorf("side: %q is neither %s nor %s", s.Side, Called, Calling)
	case s.TTL < 0:
		return fmt.Errorf("ttl: %v is over already", s.TTL)
	}
	return nil
}

// scheme begins every SPIFFE id.
const scheme = "spiffe://"

// validDomain takes what SPIFFE does: lower case, digits, dots, dashes, underscores.
func validDomain(d string) error {
	if d == "" || len(d) > 255 {
		return fmt.Errorf("%q has no length from 1 to 255", d)
	}
	if strings.Trim(d, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return fmt.Errorf("%q holds something else than a-z, 0-9, dot, dash and underscore", d)
	}
	return nil
}

// validID takes SPIFFE ids of the domain that name a workload.
func validID(id, domain string) error {
	rest, ok := strings.CutPrefix(id, scheme+domain+"/")
	if !ok {
		return fmt.Errorf("%q does not begin with %s%s/", id, scheme, domain)
	}
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" || part == "." || part == ".." || strings.Trim(part, letters) != "" {
			return fmt.Errorf("%q holds the part %q: parts are letters, digits, dots, dashes and underscores", id, part)
		}
	}
	if u, err := url.Parse(id); err != nil || u.String() != id || len(id) > 2048 {
		return fmt.Errorf("%q is no SPIFFE id", id)
	}
	return nil
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
