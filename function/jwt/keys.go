package jwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// key is a public key for ES256.
type key struct {
	id     string // empty: for tokens of any key id
	public *ecdsa.PublicKey
}

// parseKeys reads a JSON Web Key Set (RFC 7517) of public keys on P-256. A key
// that is for something else is an error: a check that silently has fewer keys
// than it was given refuses good tokens.
func parseKeys(text []byte) ([]key, error) {
	var set struct {
		Keys []struct {
			Kty string   `json:"kty"`
			Crv string   `json:"crv"`
			Alg string   `json:"alg"`
			Use string   `json:"use"`
			Kid string   `json:"kid"`
			X   string   `json:"x"`
			Y   string   `json:"y"`
			D   string   `json:"d"`
			Ops []string `json:"key_ops"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	if len(set.Keys) == 0 {
		return nil, fmt.Errorf("read key set: no keys")
	}
	var keys []key
	for i, k := range set.Keys {
		if k.D != "" {
			return nil, fmt.Errorf("key %d: is a private key: a key set for checking holds public keys only", i)
		}
		if k.Kty != "EC" || k.Crv != "P-256" || k.Alg != "" && k.Alg != "ES256" || k.Use != "" && k.Use != "sig" {
			return nil, fmt.Errorf("key %d: kty %q, crv %q, alg %q, use %q: want EC, P-256, ES256 (or none), sig (or none)",
				i, k.Kty, k.Crv, k.Alg, k.Use)
		}
		public, err := point(k.X, k.Y)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		keys = append(keys, key{id: k.Kid, public: public})
	}
	return keys, nil
}

// point decodes coordinates (RFC 7518, 6.2.1) and checks that they are on the curve.
func point(x, y string) (*ecdsa.PublicKey, error) {
	uncompressed := []byte{4}
	for _, c := range []string{x, y} {
		b, err := base64.RawURLEncoding.DecodeString(c)
		if err != nil {
			return nil, fmt.Errorf("coordinate %q: %w", c, err)
		}
		if len(b) != 32 {
			return nil, fmt.Errorf("coordinate %q: %d bytes, want 32", c, len(b))
		}
		uncompressed = append(uncompressed, b...)
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), uncompressed)
}
