package jwt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxClaims is the greatest number of claims that become headers.
const maxClaims = 8

// claims are what a token says, as far as it matters. Slices point into the
// scratch memory.
type claims struct {
	issuer    []byte
	exp, nbf  float64
	hasExp    bool
	audience  []byte            // raw JSON, nil: none
	headers   [maxClaims][]byte // by the provider's list; empty: no header
	algorithm []byte
	keyID     []byte
}

var base64url = base64.RawURLEncoding.Strict()

// verify checks a token in compact form (RFC 7519, 7.2), cheap tests first and
// the signature last, in Envoy's order. Nothing of the token may be used
// unless why is nil.
func (p *provider) verify(token []byte, s *scratch, now int64) (c claims, why *refusal) {
	first := bytes.IndexByte(token, '.')
	last := bytes.LastIndexByte(token, '.')
	if first < 0 || first == last || bytes.IndexByte(token[first+1:last], '.') >= 0 {
		return c, unauthorized("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")
	}
	header, payload, signature, why := s.decode(token[:first], token[first+1:last], token[last+1:])
	if why != nil {
		return c, why
	}
	if why := c.readHeader(header); why != nil {
		return c, why
	}
	if why := c.readPayload(payload, p.claims); why != nil {
		return c, why
	}
	if why := p.permits(&c, now); why != nil {
		return c, why
	}
	return c, p.signed(&c, token[:last], signature)
}

// decode decodes the three parts into the scratch memory.
func (s *scratch) decode(header, payload, signature []byte) (h, p, sig []byte, why *refusal) {
	names := [3]string{"header", "payload", "signature"}
	var parts [3][]byte
	s.decoded = slices.Grow(s.decoded[:0], len(header)+len(payload)+len(signature))
	for i, part := range [3][]byte{header, payload, signature} {
		start := len(s.decoded)
		var err error
		if s.decoded, err = base64url.AppendDecode(s.decoded, part); err != nil {
			return nil, nil, nil, unauthorized("Jwt " + names[i] + " is an invalid Base64url encoded")
		}
		parts[i] = s.decoded[start:len(s.decoded):len(s.decoded)]
	}
	return parts[0], parts[1], parts[2], nil
}

func (c *claims) readHeader(text []byte) *refusal {
	bad := !walk(text, func(name, value []byte) bool {
		ok := true
		switch string(name) {
		case "alg":
			ok = readText(value, &c.algorithm)
		case "kid":
			ok = readText(value, &c.keyID)
		case "crit":
			ok = false // RFC 7515, 4.1.11: no extension is understood
		}
		return ok
	})
	if bad {
		return unauthorized("Jwt header is an invalid JSON")
	}
	if len(c.algorithm) == 0 {
		return unauthorized("Jwt header [alg] field is required and must be a string")
	}
	return nil
}

func (c *claims) readPayload(text []byte, wanted []claimHeader) *refusal {
	good := walk(text, func(name, value []byte) bool {
		ok := true
		switch string(name) {
		case "iss":
			ok = readText(value, &c.issuer)
		case "exp":
			ok = !c.hasExp && readTime(value, &c.exp)
			c.hasExp = true
		case "nbf":
			ok = readTime(value, &c.nbf)
		case "aud":
			ok = c.audience == nil
			c.audience = value
		}
		for i := range wanted {
			if wanted[i].claim == string(name) {
				ok = ok && readHeaderValue(value, &c.headers[i])
			}
		}
		return ok
	})
	if !good {
		return unauthorized("Jwt payload is an invalid JSON")
	}
	return nil
}

// permits checks what the claims say, without which the signature need not be
// looked at.
func (p *provider) permits(c *claims, now int64) *refusal {
	if p.issuer != "" && string(c.issuer) != p.issuer {
		return unauthorized("Jwt issuer is not configured")
	}
	if float64(now+p.skew) < c.nbf {
		return unauthorized("Jwt not yet valid")
	}
	if c.hasExp && float64(now) > c.exp+float64(p.skew) {
		return unauthorized("Jwt is expired")
	}
	if p.mustEnd && !c.hasExp {
		return unauthorized("Jwt verification fails")
	}
	if !p.meant(c.audience) {
		return &refusal{http.StatusForbidden, "Audiences in Jwt are not allowed"}
	}
	return nil
}

// meant reports whether the claim aud, a string or a list of them, names one
// of the audiences.
func (p *provider) meant(aud []byte) bool {
	if len(p.audiences) == 0 {
		return true
	}
	if len(aud) == 0 {
		return false
	}
	if aud[0] == '"' {
		var one []byte
		return readText(aud, &one) && slices.Contains(p.audiences, string(one))
	}
	var list []string
	return json.Unmarshal(aud, &list) == nil && slices.ContainsFunc(list, func(a string) bool {
		return slices.Contains(p.audiences, a)
	})
}

// signed checks the signature with each key that may have made it. The
// algorithm is the key's; what the token names is only compared with it, so a
// token cannot choose its check.
func (p *provider) signed(c *claims, text, signature []byte) *refusal {
	tried := false
	for _, k := range p.keys {
		if string(c.algorithm) != k.method.Alg() || len(c.keyID) > 0 && k.id != "" && k.id != string(c.keyID) {
			continue
		}
		tried = true
		if k.method.Verify(string(text), signature, k.public) == nil {
			return nil
		}
	}
	if !tried {
		return unauthorized("Jwks doesn't have key to match kid or alg from Jwt")
	}
	return unauthorized("Jwt verification fails")
}

// walk calls visit for each member of a JSON object, with its name and the raw
// JSON of its value, and reports whether the text was one object and every
// visit returned true. It allocates nothing.
func walk(text []byte, visit func(name, value []byte) bool) bool {
	if !utf8.Valid(text) || !json.Valid(text) {
		return false
	}
	text = bytes.TrimSpace(text)
	if text[0] != '{' {
		return false
	}
	// The text is valid JSON: from here on only its structure is followed.
	i := 1
	for {
		i = skip(text, i)
		if text[i] == '}' {
			return true
		}
		end := after(text, i)
		var name []byte
		if !readText(text[i:end], &name) {
			return false
		}
		i = skip(text, end) + 1 // the colon
		i = skip(text, i)
		end = after(text, i)
		if !visit(name, text[i:end]) {
			return false
		}
		i = end
	}
}

// skip returns the index of the next byte that is neither space nor comma.
func skip(text []byte, i int) int {
	for {
		switch text[i] {
		case ' ', '\t', '\n', '\r', ',':
			i++
		default:
			return i
		}
	}
}

// after returns the index behind the value of valid JSON that begins at i.
func after(text []byte, i int) int {
	depth := 0
	for ; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = closing(text, i)
		case '{', '[':
			depth++
			continue
		case '}', ']':
			depth--
			if depth < 0 {
				return i // the end of what surrounds a number or a word
			}
		case ',', ':', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return i
}

// closing returns the index of the quote that ends the string begun at i.
func closing(text []byte, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

// readText reads a JSON string, once: a second copy of a member is ambiguous
// and refused.
func readText(value []byte, into *[]byte) bool {
	if *into != nil || value[0] != '"' {
		return false
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		*into = inner
		return true
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return false
	}
	*into = []byte(text)
	return true
}

// readTime reads a NumericDate (RFC 7519, 2), once.
func readTime(value []byte, into *float64) bool {
	n, err := strconv.ParseFloat(string(value), 64)
	if err != nil || n < 0 || math.IsInf(n, 0) || *into != 0 {
		return false
	}
	*into = n
	return true
}

// readHeaderValue reads a claim that becomes a header: a string, a number or a
// truth value. Anything else makes no header. A text that could end the header
// or begin another one is refused.
func readHeaderValue(value []byte, into *[]byte) bool {
	if *into != nil {
		return false
	}
	switch value[0] {
	case '{', '[', 'n':
		*into = []byte{}
		return true
	case '"':
		if !readText(value, into) {
			return false
		}
	default:
		*into = value
	}
	return !slices.ContainsFunc(*into, func(c byte) bool { return c < ' ' || c == 0x7f })
}
