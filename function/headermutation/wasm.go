package headermutation

import _ "embed"

// module is built from the Rust source beside it by "make wasm".
//
//go:embed filter/headermutation.wasm
var module []byte
