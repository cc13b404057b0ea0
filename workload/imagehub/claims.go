package imagehub

import (
	"encoding/json"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// claims is what a token says, as it is signed and as encoding/json reads it.
type claims struct {
	jwt.RegisteredClaims
	Subscription string `json:"subscription"`
}

// facts is what the API needs of the claims. The byte slices lie in the text
// that was read. A time is in Unix seconds, 0 when it is not there: the earliest
// expiry, the earliest beginning.
type facts struct {
	issuer, user, subscription []byte
	forUs                      bool // our audience is among the audiences
	expires, notBefore         int64
}

// readClaims reads a token's payload.
func readClaims(text []byte) (facts, error) {
	if f, ok := scanClaims(text); ok {
		return f, nil
	}
	var c claims
	if err := json.Unmarshal(text, &c); err != nil {
		return facts{}, errMalformed
	}
	f := facts{
		issuer: []byte(c.Issuer), user: []byte(c.Subject), subscription: []byte(c.Subscription),
		forUs: slices.Contains(c.Audience, audience),
	}
	if c.ExpiresAt != nil {
		f.expires = c.ExpiresAt.Unix()
	}
	if c.NotBefore != nil {
		f.notBefore = c.NotBefore.Unix()
	}
	return f, nil
}

// scanClaims reads the claims of tokens such as ours without an allocation: a flat
// object of the registered names, each once, plain ASCII strings, whole
// numbers, audiences in a list. Of anything else it reports false, and
// encoding/json reads it; FuzzClaims holds the two together.
func scanClaims(text []byte) (f facts, ok bool) {
	s := scanner{text: text}
	if !s.take('{') {
		return facts{}, false
	}
	for seen := uint(0); ; {
		name, ok := s.str()
		if !ok || !s.take(':') {
			return facts{}, false
		}
		i, ok := s.claim(&f, name)
		if !ok || seen&(1<<i) != 0 {
			return facts{}, false
		}
		seen |= 1 << i
		if s.take('}') {
			return f, s.at == len(s.text)
		}
		if !s.take(',') {
			return facts{}, false
		}
	}
}

// scanner reads JSON that has no white space.
type scanner struct {
	text []byte
	at   int
}

// claim reads the value of a claim and returns a number for its name.
func (s *scanner) claim(f *facts, name []byte) (i uint, ok bool) {
	switch string(name) {
	case "iss":
		f.issuer, ok = s.str()
		return 0, ok
	case "sub":
		f.user, ok = s.str()
		return 1, ok
	case "subscription":
		f.subscription, ok = s.str()
		return 2, ok
	case "aud":
		f.forUs, ok = s.audiences()
		return 3, ok
	case "exp":
		f.expires, ok = s.seconds()
		return 4, ok
	case "nbf":
		f.notBefore, ok = s.seconds()
		return 5, ok
	case "iat":
		_, ok = s.seconds()
		return 6, ok
	}
	return 0, false
}

// take reads one byte if it is the next.
func (s *scanner) take(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

// str reads a string of printable ASCII without escapes.
func (s *scanner) str() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	for start := s.at; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[start : s.at-1], true
		case c < ' ' || c > '~' || c == '\\':
			return nil, false
		}
	}
	return nil, false
}

// seconds reads a whole number from 1 on of at most 11 digits.
func (s *scanner) seconds() (int64, bool) {
	start, n := s.at, int64(0)
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' && s.at < start+11 {
		n = n*10 + int64(s.text[s.at]-'0')
		s.at++
	}
	return n, s.at > start && s.text[start] != '0'
}

// audiences reads a list of strings and tells whether ours is among them.
func (s *scanner) audiences() (forUs, ok bool) {
	if !s.take('[') {
		return false, false
	}
	for {
		a, ok := s.str()
		if !ok {
			return false, false
		}
		forUs = forUs || string(a) == audience
		if s.take(']') {
			return forUs, true
		}
		if !s.take(',') {
			return false, false
		}
	}
}
