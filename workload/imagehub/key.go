package imagehub

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// signingKey signs tokens; publicKey verifies them. The id is the thumbprint of
// RFC 7638, so that it follows from the key.
type signingKey struct {
	private *ecdsa.PrivateKey
	publicKey
}

type publicKey struct {
	key *ecdsa.PublicKey
	id  string
}

func newKey() (*signingKey, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a P-256 key: %w", err)
	}
	return keyOf(private)
}

func keyOf(private *ecdsa.PrivateKey) (*signingKey, error) {
	if private.Curve != elliptic.P256() {
		return nil, fmt.Errorf("the key is on %s, not on P-256", private.Curve.Params().Name)
	}
	public, err := publicOf(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	return &signingKey{private: private, publicKey: public}, nil
}

func publicOf(k *ecdsa.PublicKey) (publicKey, error) {
	point, err := coordinates(k)
	if err != nil {
		return publicKey{}, err
	}
	// RFC 7638 §3: the required members only, in this order, without space.
	print := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + point.X + `","y":"` + point.Y + `"}`))
	return publicKey{key: k, id: base64.RawURLEncoding.EncodeToString(print[:])}, nil
}

// jwk is a key of a JSON Web Key Set.
type jwk struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	ID        string `json:"kid"`
}

type jwkSet struct {
	Keys []jwk `json:"keys"`
}

func coordinates(k *ecdsa.PublicKey) (jwk, error) {
	raw, err := k.Bytes() // 0x04, x, y
	if err != nil {
		return jwk{}, fmt.Errorf("encode public key: %w", err)
	}
	b64 := base64.RawURLEncoding
	return jwk{Type: "EC", Curve: "P-256", X: b64.EncodeToString(raw[1:33]), Y: b64.EncodeToString(raw[33:])}, nil
}

// jwks writes the key as a JSON Web Key Set.
func (k publicKey) jwks() (string, error) {
	point, err := coordinates(k.key)
	if err != nil {
		return "", err
	}
	point.Use, point.Algorithm, point.ID = "sig", algorithm, k.id
	text, err := json.Marshal(jwkSet{Keys: []jwk{point}})
	if err != nil {
		return "", fmt.Errorf("encode key set: %w", err)
	}
	return string(text), nil
}

// parseJWKS reads a set of exactly one ES256 key.
func parseJWKS(text string) (publicKey, error) {
	var set jwkSet
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return publicKey{}, fmt.Errorf("read key set: %w", err)
	}
	if len(set.Keys) != 1 {
		return publicKey{}, fmt.Errorf("read key set: it has %d keys, not 1", len(set.Keys))
	}
	k := set.Keys[0]
	if k.Type != "EC" || k.Curve != "P-256" || k.ID == "" {
		return publicKey{}, fmt.Errorf("read key set: want an EC key on P-256 with an id, got kty %q, crv %q, kid %q", k.Type, k.Curve, k.ID)
	}
	x, errX := base64.RawURLEncoding.DecodeString(k.X)
	y, errY := base64.RawURLEncoding.DecodeString(k.Y)
	if err := errors.Join(errX, errY); err != nil {
		return publicKey{}, fmt.Errorf("read key set: %w", err)
	}
	if len(x) != 32 || len(y) != 32 {
		return publicKey{}, fmt.Errorf("read key set: coordinates of %d and %d bytes, not 32", len(x), len(y))
	}
	point := append(append([]byte{4}, x...), y...)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return publicKey{}, fmt.Errorf("read key set: %w", err)
	}
	return publicKey{key: key, id: k.ID}, nil
}

// loadKey reads the key of a file, which it makes when there is none. The file
// can be read by its owner only, or it is refused.
func loadKey(path string) (*signingKey, error) {
	k, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := createKey(path); err != nil {
		return nil, fmt.Errorf("create key file %s: %w", path, err)
	}
	return readKey(path)
}

func readKey(path string) (*signingKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("key file %s can be read by others (mode %#o): chmod 600 it", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("read key file %s: %w", path, err)
	}
	return key, nil
}

// parseKey reads a private key in PEM.
func parseKey(text []byte) (*signingKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("it holds no PEM block %q", pemType)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it holds a %T, not an ECDSA key", k)
	}
	return keyOf(private)
}

// pem writes the private key as parseKey reads it.
func (k *signingKey) pem() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

const pemType = "PRIVATE KEY"

// createKey writes a new key beside the file and links it to its name, so that
// the file appears whole or not at all, and the first of several wins.
func createKey(path string) error {
	k, err := newKey()
	if err != nil {
		return err
	}
	text, err := k.pem()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
