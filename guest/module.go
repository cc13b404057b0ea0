package guest

import _ "embed"

// Module is the module for proxy-wasm, built from the folder wasm.
//
//go:embed guest.wasm
var Module []byte

// Dynamic is the name of the dynamic module, built from the folder dynmod.
const Dynamic = "tare_go"
