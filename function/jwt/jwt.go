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
		Wasm:     &function.Wasm{Module: module, Config: wasmConfig},
		External: &function.External{Serve: serve, Config: externalConfig}, // asked by the filter of ext-authz
		Example:  example(),
		Headers:  study.Headers{"authorization": "Bearer " + minted().Tokens[exampleToken]},
		Judge:    judge,
		Trials:   trials(),
		Without: map[study.Form]string{
			study.FormLua:      "tried: Envoy's scripts verify ES256, and no EdDSA, which has no digest (TestLuaVerifiesNoEdDSA); the embedded plane's have no signatures",
			study.FormWasmGo:   "not built: Go's crypto would go into the one module for all functions, from Go, and make those dearer to load; wasm from Rust has the signatures",
			study.FormDynmod:   "not built: our dynamic modules from Rust are made by rustc alone, of any version and without cargo; signatures are crates, which want cargo",
			study.FormDynmodGo: "not built: Go's crypto would go into the one module for all functions",
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

// specOf is the parameters, valid even where they were not decoded but made.
func specOf(spec function.Spec) (Spec, error) {
	s, err := function.SpecAs[Spec](spec)
	if err == nil {
		err = s.validate()
	}
	if err != nil {
		return Spec{}, fmt.Errorf("jwt: %w", err)
	}
	return s, nil
}
