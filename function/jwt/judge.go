package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
)

// decision is what the model says of a request.
type decision struct {
	status             int // 0: it goes on
	user, subscription string
}

// decide is the model: what the token check says of a request with these
// Authorization headers. It is written to be read, on the standard library
// alone; times are those of the judge, so a token's must not be near.
func (s Spec) decide(path string, authorization []string, now time.Time) decision {
	refused := decision{status: http.StatusUnauthorized}
	if slices.Contains(s.Open, path) {
		return decision{}
	}
	token, bearer := strings.CutPrefix(strings.Join(authorization, ","), "Bearer ")
	parts := strings.Split(token, ".")
	if !bearer || len(parts) != 3 {
		return refused
	}
	var header struct{ Alg, Kid string }
	var payload map[string]any
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !part(parts[0], &header) || !part(parts[1], &payload) {
		return refused
	}
	exp, ends := payload["exp"].(float64)
	nbf, _ := payload["nbf"].(float64)
	at := float64(now.Unix())
	if payload["iss"] != s.Issuer || !ends || exp < at || nbf > at {
		return refused
	}
	if !names(payload["aud"], s.Audience) {
		return decision{status: http.StatusForbidden}
	}
	if !s.signed(header.Alg, header.Kid, []byte(parts[0]+"."+parts[1]), signature) {
		return refused
	}
	user, _ := payload["sub"].(string)
	subscription, _ := payload["subscription"].(string)
	return decision{user: user, subscription: subscription}
}

func part(text string, into any) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && json.Unmarshal(b, into) == nil
}

func names(aud any, audience string) bool {
	list, _ := aud.([]any)
	return aud == audience || slices.Contains(list, any(audience))
}

// signed reports whether a key of the set, of this algorithm and of this id if
// one is given, made the signature.
func (s Spec) signed(alg, kid string, text, signature []byte) bool {
	var set struct {
		Keys []struct{ Kty, Kid, X, Y, N, E string }
	}
	if json.Unmarshal([]byte(s.JWKS), &set) != nil {
		return false
	}
	number := func(text string) *big.Int {
		b, _ := base64.RawURLEncoding.DecodeString(text) // Decode has
		return new(big.Int).SetBytes(b)
	}
	digest := sha256.Sum256(text)
	for _, k := range set.Keys {
		if kid != "" && k.Kid != "" && kid != k.Kid {
			continue
		}
		good := false
		switch alg + " " + k.Kty {
		case "ES256 EC":
			point := append([]byte{4}, append(number(k.X).FillBytes(make([]byte, 32)), number(k.Y).FillBytes(make([]byte, 32))...)...)
			public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
			good = err == nil && len(signature) == 64 &&
				ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		case "RS256 RSA":
			public := &rsa.PublicKey{N: number(k.N), E: int(number(k.E).Int64())}
			good = rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
		case "EdDSA OKP":
			public := number(k.X).FillBytes(make([]byte, ed25519.PublicKeySize))
			good = ed25519.Verify(public, text, signature)
		}
		if good {
			return true
		}
	}
	return false
}

// judge: requests with a good token reached the service behind once, with the
// token's claims as headers and no others; the rest got their status and did
// not. Under load nobody looks at tokens.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := specOf(spec)
	if err != nil {
		return err
	}
	now := time.Now()
	for i, o := range e.Observations {
		if o.Response == nil {
			continue
		}
		want := s.decide(o.Path, o.Request.Header.Values("Authorization"), now)
		reached := e.Reached(i)
		switch {
		case want.status == 0 && (o.Outcome != function.Allowed || len(reached) != 1):
			return fmt.Errorf("jwt: request %d (%s) for %s may go on: got %d and reached the service %d times", i, label(o), o.Path, o.Response.Status, len(reached))
		case want.status != 0 && (o.Response.Status != want.status || len(reached) != 0):
			return fmt.Errorf("jwt: request %d (%s) for %s: got %d and reached the service %d times, want %d", i, label(o), o.Path, o.Response.Status, len(reached), want.status)
		case want.status != 0 && o.Response.Header.Get("Www-Authenticate") == "" && want.status == http.StatusUnauthorized:
			return fmt.Errorf("jwt: request %d (%s) for %s was refused without a challenge", i, label(o), o.Path)
		}
		if want.status != 0 {
			continue
		}
		for name, value := range map[string]string{function.UserHeader: want.user, function.SubscriptionHeader: want.subscription} {
			if got := reached[0].Message.Header.Values(name); value == "" && len(got) > 0 || value != "" && (len(got) != 1 || got[0] != value) {
				return fmt.Errorf("jwt: request %d (%s): the service behind got %s %q, want %q", i, label(o), name, got, value)
			}
		}
	}
	return nil
}

// label names a trial's token, which itself is not shown.
func label(o function.Observation) string { return o.Request.Header.Get(labelHeader) }
