package routecontext

import _ "embed"

// module is built from the Rust source beside it by "make wasm".
//
//go:embed filter/routecontext.wasm
var module []byte
