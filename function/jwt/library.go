package jwt

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	lib "github.com/golang-jwt/jwt/v5"

	"github.com/taremesh/tare/function"
)

// middleware is the library form: golang-jwt verifies, with the algorithms of
// the key set and no others. The caller goes into the request's context and
// into the headers of function.Caller.
func middleware(spec function.Spec) (func(http.Handler) http.Handler, error) {
	c, err := newCheck(spec)
	if err != nil {
		return nil, err
	}
	return c.wrap, nil
}

// newCheck is the check that both libraries, of net/http and of gRPC, make.
func newCheck(spec function.Spec) (*check, error) {
	s, err := specOf(spec)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys([]byte(s.JWKS))
	if err != nil {
		return nil, fmt.Errorf("jwt: %w", err)
	}
	c := &check{spec: s, keys: keys}
	for _, k := range keys {
		if !slices.Contains(c.methods, k.method.Alg()) {
			c.methods = append(c.methods, k.method.Alg())
		}
	}
	c.parser = lib.NewParser(lib.WithValidMethods(c.methods), lib.WithIssuer(s.Issuer), lib.WithAudience(s.Audience),
		lib.WithExpirationRequired(), lib.WithLeeway(skewSeconds*time.Second), lib.WithStrictDecoding())
	return c, nil
}

// check is the token check in an application.
type check struct {
	spec    Spec
	keys    []key
	methods []string
	parser  *lib.Parser
}

// said is what a token says beside its registered claims.
type said struct {
	lib.RegisteredClaims
	Subscription any `json:"subscription"`
}

func (c *check) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.Header.Del(function.UserHeader)
		r.Header.Del(function.SubscriptionHeader)
		if path, _, _ := strings.Cut(r.RequestURI, "?"); slices.Contains(c.spec.Open, path) {
			next.ServeHTTP(w, r.WithContext(function.WithCaller(r.Context(), function.Caller{})))
			return
		}
		caller, status := c.caller(r.Header.Values("Authorization"))
		if status != 0 {
			w.Header().Set("Www-Authenticate", "Bearer")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, http.StatusText(status)) // a client that is gone needs no answer
			return
		}
		for name, value := range map[string]string{function.UserHeader: caller.User, function.SubscriptionHeader: caller.Subscription} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		next.ServeHTTP(w, r.WithContext(function.WithCaller(r.Context(), caller)))
	})
}

// caller is who the one token names; not 0 is the status of its refusal.
func (c *check) caller(authorization []string) (who function.Caller, status int) {
	if len(authorization) != 1 {
		return who, http.StatusUnauthorized
	}
	text, bearer := strings.CutPrefix(authorization[0], "Bearer ")
	if !bearer {
		return who, http.StatusUnauthorized
	}
	var claims said
	_, err := c.parser.ParseWithClaims(strings.TrimLeft(text, " "), &claims, c.key)
	switch {
	case err == nil:
	case errors.Is(err, lib.ErrTokenInvalidAudience) && !errors.Is(err, lib.ErrTokenExpired) &&
		!errors.Is(err, lib.ErrTokenNotValidYet) && !errors.Is(err, lib.ErrTokenInvalidIssuer):
		return who, http.StatusForbidden
	case errors.Is(err, lib.ErrTokenRequiredClaimMissing) && claims.ExpiresAt != nil && len(claims.Audience) == 0 && claims.Issuer == c.spec.Issuer:
		return who, http.StatusForbidden // of nobody's audience
	default:
		return who, http.StatusUnauthorized
	}
	who.User = claims.Subject
	switch v := claims.Subscription.(type) {
	case string:
		who.Subscription = v
	case float64, bool:
		who.Subscription = fmt.Sprint(v)
	}
	return who, 0
}

// key is those of the set that are for the token's algorithm and its key id.
func (c *check) key(token *lib.Token) (any, error) {
	id, _ := token.Header["kid"].(string)
	var set lib.VerificationKeySet
	for _, k := range c.keys {
		if k.method.Alg() == token.Method.Alg() && (id == "" || k.id == "" || k.id == id) {
			set.Keys = append(set.Keys, k.public)
		}
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("no key of the set has the token's algorithm and key id")
	}
	return set, nil
}
