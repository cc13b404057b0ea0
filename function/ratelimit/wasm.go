package ratelimit

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/taremesh/tare/function"
)

// module is built from the Rust source beside it by "make wasm".
//
//go:embed filter/ratelimit.wasm
var module []byte

// wasmConfig is the filter's plugin configuration: the parameters but Users,
// for the module keeps every bucket. It is described in
// docs/formats/ratelimit-wasm.md.
type wasmConfig struct {
	Limits map[string]Rate `json:"limits"`
	Others Rate            `json:"others"`
	Paths  []string        `json:"paths"`
}

func wasmConfiguration(spec function.Spec) ([]byte, error) {
	s, err := specOf(spec)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(wasmConfig{Limits: s.Limits, Others: s.Others, Paths: s.Paths})
	if err != nil {
		return nil, fmt.Errorf("ratelimit: write the module's configuration: %w", err)
	}
	return text, nil
}
