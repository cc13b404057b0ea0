package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"flag"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	lib "github.com/golang-jwt/jwt/v5"
)

var renew = flag.Bool("renew", false, "sign the tokens of the trials anew, with keys that are then forgotten")

// TestRenew makes trials.json when it is asked to: the private keys never leave
// this process. Otherwise it looks that the file has every token.
func TestRenew(t *testing.T) {
	made := mint(t)
	if *renew {
		text, err := json.MarshalIndent(made, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("trials.json", append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, want := slices.Sorted(maps.Keys(minted().Tokens)), slices.Sorted(maps.Keys(made.Tokens)); !slices.Equal(got, want) {
		t.Errorf("trials.json has tokens %q, want %q: run with -renew", got, want)
	}
	if _, err := parseKeys([]byte(minted().JWKS)); err != nil {
		t.Error(err)
	}
}

// always and never are times of tokens that stay good, or bad.
const always, never = 4102444800, 946684800 // the years 2100 and 2000

func mint(t *testing.T) tokens {
	p256 := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	one, two, stranger := p256(), p256(), p256()
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := lib.MapClaims{"iss": "https://hub.test", "aud": "hub", "sub": "ann", "subscription": "Team", "exp": always, "nbf": never}
	with := func(name string, value any) lib.MapClaims {
		c := maps.Clone(good)
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return c
	}
	sign := func(c lib.MapClaims, m lib.SigningMethod, key any, kid string) string {
		token := lib.NewWithClaims(m, c)
		if kid != "" {
			token.Header["kid"] = kid
		}
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	es := func(c lib.MapClaims) string { return sign(c, lib.SigningMethodES256, one, "es-1") }
	jwks := keySetOf(t, one.Public(), two.Public(), rs.Public(), edPublic)
	parts := strings.Split(es(good), ".")
	eve := strings.Split(es(with("sub", "eve")), ".")
	m := map[string]string{
		"es":                  es(good),
		"es, second key":      sign(with("sub", "bob"), lib.SigningMethodES256, two, "es-2"),
		"es, no key id":       sign(with("sub", "bob"), lib.SigningMethodES256, two, ""),
		"rs":                  sign(with("sub", "cyd"), lib.SigningMethodRS256, rs, "rs-1"),
		"rs, no key id":       sign(with("sub", "cyd"), lib.SigningMethodRS256, rs, ""),
		"ed":                  sign(with("sub", "dan"), lib.SigningMethodEdDSA, ed, "ed-1"),
		"audience in a list":  es(with("aud", []string{"other", "hub"})),
		"no subscription":     es(with("subscription", nil)),
		"no not-before":       es(with("nbf", nil)),
		"expired":             es(with("exp", never+1)),
		"no expiry":           es(with("exp", nil)),
		"not yet":             es(with("nbf", always-1)),
		"other audience":      es(with("aud", "hubs")),
		"no audience":         es(with("aud", nil)),
		"other issuer":        es(with("iss", "https://hub.test/")),
		"no issuer":           es(with("iss", nil)),
		"stranger's":          sign(good, lib.SigningMethodES256, stranger, "es-1"),
		"another key's id":    sign(good, lib.SigningMethodES256, one, "es-2"),
		"unknown key id":      sign(good, lib.SigningMethodES256, one, "es-9"),
		"ed by es's id":       sign(good, lib.SigningMethodEdDSA, ed, "es-1"),
		"rs512":               sign(good, lib.SigningMethodRS512, rs, "rs-1"),
		"claims changed":      parts[0] + "." + eve[1] + "." + parts[2],
		"signature cut":       parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-4],
		"no signature":        parts[0] + "." + parts[1] + ".",
		"two parts":           parts[0] + "." + parts[1],
		"four parts":          es(good) + "." + parts[2],
		"none":                sign(good, lib.SigningMethodNone, lib.UnsafeAllowNoneSignatureType, "es-1"),
		"none, no key id":     sign(good, lib.SigningMethodNone, lib.UnsafeAllowNoneSignatureType, ""),
		"None":                base64url.EncodeToString([]byte(`{"alg":"None"}`)) + "." + parts[1] + ".",
		"none with signature": base64url.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "." + parts[2],
		"hs by rs's key":      sign(good, lib.SigningMethodHS256, pemOf(t, rs.Public()), "rs-1"),
		"hs by es's key":      sign(good, lib.SigningMethodHS256, pemOf(t, one.Public()), "es-1"),
		"hs by the key set":   sign(good, lib.SigningMethodHS256, []byte(jwks), ""),
	}
	return tokens{JWKS: jwks, Tokens: m}
}

func pemOf(t *testing.T, public crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func keySetOf(t *testing.T, one, two, rs, ed crypto.PublicKey) string {
	text := base64.RawURLEncoding.EncodeToString
	ec := func(k crypto.PublicKey, id string) map[string]string {
		point, err := k.(*ecdsa.PublicKey).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": id, "x": text(point[1:33]), "y": text(point[33:])}
	}
	r := rs.(*rsa.PublicKey)
	set := map[string]any{"keys": []map[string]string{ec(one, "es-1"), ec(two, "es-2"),
		{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rs-1", "n": text(r.N.Bytes()), "e": text(big.NewInt(int64(r.E)).Bytes())},
		{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "ed-1", "x": text(ed.(ed25519.PublicKey))}}}
	out, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
