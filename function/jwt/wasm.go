package jwt

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/taremesh/tare/function"
)

// module is built from the Rust source beside it by "make wasm".
//
//go:embed filter/jwt.wasm
var module []byte

// wasmConfig is the filter's plugin configuration: the parameters as they are.
// It is described in docs/formats/jwt-wasm.md.
func wasmConfig(spec function.Spec) ([]byte, error) {
	s, err := specOf(spec)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("jwt: write the module's configuration: %w", err)
	}
	return text, nil
}
