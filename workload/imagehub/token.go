package imagehub

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/taremesh/tare/function"
)

const (
	algorithm = "ES256"
	issuer    = "imagehub"
	audience  = "imagehub-api"
	maxToken  = 2048 // bytes; ours have about 350
)

// encoding is base64url without padding; bits that say nothing must be zero, so
// that a token has one spelling only.
var encoding = base64.RawURLEncoding.Strict()

// mint signs a token for a caller.
func (k *signingKey) mint(c function.Caller, now time.Time, lifetime time.Duration) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Subject:   c.User,
			Audience:  jwt.ClaimStrings{audience},
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)),
		},
		Subscription: c.Subscription,
	})
	t.Header["kid"] = k.id
	signed, err := t.SignedString(k.private)
	if err != nil {
		return "", fmt.Errorf("sign token of %s: %w", c.User, err)
	}
	return signed, nil
}

// Why a token is refused. The words go to the client.
var (
	errNoToken   = errors.New("no bearer token in the Authorization header")
	errMalformed = errors.New("the token is malformed")
	errAlgorithm = errors.New("the token is not signed with ES256")
	errKey       = errors.New("the token is signed with an unknown key")
	errSignature = errors.New("the token's signature is wrong")
	errExpired   = errors.New("the token has expired")
	errEarly     = errors.New("the token is not valid yet")
	errIssuer    = errors.New("the token is from another issuer")
	errAudience  = errors.New("the token is for another audience")
	errClaims    = errors.New("the token lacks a user or a known subscription")
)

// verifier verifies tokens: the signature of every one, each time. It is
// written by hand for one key and one algorithm since it is on the way of every
// pull; TestVerifierAgreesWithLibrary holds it against golang-jwt.
type verifier struct {
	key publicKey
	// ours is the header of our own tokens, encoded: it need not be decoded.
	ours string
	now  func() time.Time
}

func newVerifier(key publicKey, now func() time.Time) *verifier {
	header := `{"alg":"` + algorithm + `","kid":"` + key.id + `","typ":"JWT"}`
	return &verifier{key: key, ours: encoding.EncodeToString([]byte(header)), now: now}
}

// caller returns who a token speaks for.
func (v *verifier) caller(token string) (function.Caller, error) {
	if len(token) > maxToken {
		return function.Caller{}, errMalformed
	}
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 {
		return function.Caller{}, errMalformed
	}
	signed, signature := token[:dot], token[dot+1:]
	header, payload, ok := strings.Cut(signed, ".")
	if !ok || strings.IndexByte(payload, '.') >= 0 {
		return function.Caller{}, errMalformed
	}
	if header != v.ours {
		if err := v.checkHeader(header); err != nil {
			return function.Caller{}, err
		}
	}
	if err := v.checkSignature(signed, signature); err != nil {
		return function.Caller{}, err
	}
	return v.checkClaims(payload)
}

// checkHeader reads a header that is not byte for byte our own.
func (v *verifier) checkHeader(encoded string) error {
	text, err := encoding.DecodeString(encoded)
	if err != nil {
		return errMalformed
	}
	var h struct {
		Algorithm string          `json:"alg"`
		KeyID     string          `json:"kid"`
		Critical  json.RawMessage `json:"crit"`
	}
	if err := json.Unmarshal(text, &h); err != nil || h.Critical != nil {
		return errMalformed // RFC 7515 §4.1.11: what is critical and not understood
	}
	if h.Algorithm != algorithm {
		return errAlgorithm
	}
	if h.KeyID != v.key.id {
		return errKey
	}
	return nil
}

func (v *verifier) checkSignature(signed, signature string) error {
	var raw [64]byte
	if len(signature) != encoding.EncodedLen(len(raw)) {
		return errMalformed
	}
	if _, err := encoding.Decode(raw[:], []byte(signature)); err != nil {
		return errMalformed
	}
	digest := sha256.Sum256([]byte(signed))
	var der [72]byte
	if !ecdsa.VerifyASN1(v.key.key, digest[:], appendSignature(der[:0], raw)) {
		return errSignature
	}
	return nil
}

// appendSignature writes r and s, 32 bytes each, as the ASN.1 that
// ecdsa.VerifyASN1 takes: SEQUENCE { INTEGER r, INTEGER s }.
func appendSignature(der []byte, raw [64]byte) []byte {
	der = append(der, 0x30, 0)
	der = appendInteger(der, raw[:32])
	der = appendInteger(der, raw[32:])
	der[1] = byte(len(der) - 2) // at most 70: the short form
	return der
}

// appendInteger writes an unsigned number: no leading zeros, but one where the
// first bit is set.
func appendInteger(der, n []byte) []byte {
	for len(n) > 1 && n[0] == 0 {
		n = n[1:]
	}
	if n[0]&0x80 != 0 {
		der = append(der, 2, byte(len(n)+1), 0)
	} else {
		der = append(der, 2, byte(len(n)))
	}
	return append(der, n...)
}

// checkClaims reads a payload whose signature is right.
func (v *verifier) checkClaims(encoded string) (function.Caller, error) {
	text, err := encoding.DecodeString(encoded)
	if err != nil {
		return function.Caller{}, errMalformed
	}
	f, err := readClaims(text)
	if err != nil {
		return function.Caller{}, err
	}
	now := v.now().Unix()
	switch {
	case now >= f.expires:
		return function.Caller{}, errExpired
	case now < f.notBefore:
		return function.Caller{}, errEarly
	case string(f.issuer) != issuer:
		return function.Caller{}, errIssuer
	case !f.forUs:
		return function.Caller{}, errAudience
	}
	for _, s := range subscriptions {
		if len(f.user) > 0 && string(f.subscription) == s.Name {
			return function.Caller{User: string(f.user), Subscription: s.Name}, nil
		}
	}
	return function.Caller{}, errClaims
}

// bearer takes the token from the Authorization header values of a request.
func bearer(authorization []string) (string, error) {
	if len(authorization) != 1 {
		return "", errNoToken
	}
	scheme, token, ok := strings.Cut(authorization[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", errNoToken
	}
	return strings.TrimLeft(token, " "), nil
}
