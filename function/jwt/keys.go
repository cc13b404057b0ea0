package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"

	lib "github.com/golang-jwt/jwt/v5"
)

// key is a public key and the one algorithm that it is for: what a token names
// is compared with it, so that a token cannot choose its check.
type key struct {
	id     string // empty: for tokens of any key id
	method lib.SigningMethod
	public any // *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey, as method takes it
}

// jwk is a JSON Web Key (RFC 7517), as far as it matters.
type jwk struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	Alg string `json:"alg"`
	Use string `json:"use"`
	Kid string `json:"kid"`
	X   string `json:"x"`
	Y   string `json:"y"`
	N   string `json:"n"`
	E   string `json:"e"`
	D   string `json:"d"`
	K   string `json:"k"`
}

// parseKeys reads a JSON Web Key Set of public keys: on P-256 for ES256, RSA for
// RS256, on Ed25519 for EdDSA. A key that is for something else is an error: a
// check that silently has fewer keys than it was given refuses good tokens.
func parseKeys(text []byte) ([]key, error) {
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	if len(set.Keys) == 0 {
		return nil, fmt.Errorf("read key set: no keys")
	}
	var keys []key
	for i, k := range set.Keys {
		if k.D != "" || k.K != "" {
			return nil, fmt.Errorf("key %d: is a private key (kty %q): a key set for checking holds public keys only", i, k.Kty)
		}
		read, err := k.key()
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		keys = append(keys, read)
	}
	return keys, nil
}

// key is the key that a JSON Web Key describes.
func (k jwk) key() (key, error) {
	var method lib.SigningMethod
	var read func() (any, error)
	switch k.Kty + " " + k.Crv {
	case "EC P-256":
		method, read = lib.SigningMethodES256, k.point
	case "RSA ":
		method, read = lib.SigningMethodRS256, k.modulus
	case "OKP Ed25519":
		method, read = lib.SigningMethodEdDSA, k.edwards
	}
	if method == nil || k.Alg != "" && k.Alg != method.Alg() || k.Use != "" && k.Use != "sig" {
		return key{}, fmt.Errorf("kty %q, crv %q, alg %q, use %q: want EC on P-256 for ES256, RSA for RS256 or OKP on Ed25519 for EdDSA, "+
			"use sig or none", k.Kty, k.Crv, k.Alg, k.Use)
	}
	public, err := read()
	return key{id: k.Kid, method: method, public: public}, err
}

// point decodes coordinates (RFC 7518, 6.2.1) and checks that they are on the curve.
func (k jwk) point() (any, error) {
	uncompressed := []byte{4}
	for _, c := range []string{k.X, k.Y} {
		b, err := bytesOf("coordinate", c, 32)
		if err != nil {
			return nil, err
		}
		uncompressed = append(uncompressed, b...)
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), uncompressed)
}

// The sizes of RSA keys that are taken, in bytes: what is shorter can be
// broken, what is longer is a burden for every request.
const leastModulus, mostModulus = 256, 1024

// modulus decodes an RSA key (RFC 7518, 6.3.1).
func (k jwk) modulus() (any, error) {
	n, err := base64.RawURLEncoding.DecodeString(k.N)
	if err != nil || len(n) < leastModulus || len(n) > mostModulus || n[0] == 0 {
		return nil, fmt.Errorf("modulus of %d bytes: want %d to %d of them in base64url", len(n), leastModulus, mostModulus)
	}
	e, err := base64.RawURLEncoding.DecodeString(k.E)
	exponent := new(big.Int).SetBytes(e)
	if err != nil || len(e) > 4 || exponent.Int64() < 3 || exponent.Bit(0) == 0 {
		return nil, fmt.Errorf("exponent %q: want an odd number from 3 on, in base64url", k.E)
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}

// edwards decodes a key on Ed25519 (RFC 8037, 2).
func (k jwk) edwards() (any, error) {
	b, err := bytesOf("public key", k.X, ed25519.PublicKeySize)
	return ed25519.PublicKey(b), err
}

func bytesOf(what, text string, length int) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", what, text, err)
	}
	if len(b) != length {
		return nil, fmt.Errorf("%s %q: %d bytes, want %d", what, text, len(b), length)
	}
	return b, nil
}
