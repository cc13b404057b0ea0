package jwt

import (
	"fmt"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns the token check.
func Function() function.Function {
	return function.Function{
		Name:    "jwt",
		Doc:     "a token check: a signature (ES256, RS256, EdDSA), issuer, audience and time; claims become headers",
		Decode:  Decode,
		Library: &function.Library{Middleware: middleware},
		Native: &function.Native{
			Config: config,
			Types:  []function.FilterType{{URL: typeURL, New: newFilter}},
		},
		External: &function.External{Serve: serve, Config: externalConfig}, // asked by the filter of ext-authz
		Judge:    judge,
		Trials:   trials(),
		Without: map[study.Form]string{
			study.FormLua:      "not built, not tried: Envoy's scripts have verifySignature, whose use with ECDSA and EdDSA is to be seen",
			study.FormWasm:     "not built, not tried: the ABI has no signatures, so that a module must bring its own (such as the crate p256)",
			study.FormWasmGo:   "not built: the ABI has no signatures; Go's crypto would be in the module",
			study.FormDynmod:   "not built: the ABI has no signatures",
			study.FormDynmodGo: "not built: Go's crypto could do it in the module",
		},
	}
}

// Spec is the parameters of the token check.
type Spec struct {
	Issuer   string `json:"issuer" yaml:"issuer"`     // the claim iss
	Audience string `json:"audience" yaml:"audience"` // one of the claim aud
	JWKS     string `json:"jwks" yaml:"jwks"`         // a JSON Web Key Set; public keys for ES256, RS256 and EdDSA only
	// Open are paths that need no token, each the whole path without query.
	Open []string `json:"open,omitempty" yaml:"open"`
}

// Decode reads a Spec strictly. There are no defaults.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("jwt: %w", err)
	}
	return s, nil
}

func (s Spec) validate() error {
	if s.Issuer == "" {
		return fmt.Errorf("issuer: empty: whose tokens are taken must be said")
	}
	if s.Audience == "" {
		return fmt.Errorf("audience: empty: for whom tokens must be meant has to be said")
	}
	if _, err := parseKeys([]byte(s.JWKS)); err != nil {
		return fmt.Errorf("jwks: %w", err)
	}
	for _, path := range s.Open {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#") {
			return fmt.Errorf("open: %q is no path: it begins with / and has no query", path)
		}
	}
	return nil
}

// specOf asserts that a Spec came from this package's Decode.
func specOf(spec function.Spec) (Spec, error) {
	s, ok := spec.(Spec)
	if !ok {
		return Spec{}, fmt.Errorf("jwt: parameters of type %T: want jwt.Spec from Decode", spec)
	}
	if err := s.validate(); err != nil {
		return Spec{}, fmt.Errorf("jwt: %w", err)
	}
	return s, nil
}
