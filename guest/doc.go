// Package guest is functions as filters inside of a foreign proxy, in Go.
//
// One program for each way in, proxy-wasm (folder wasm) and Envoy's dynamic
// modules (folder dynmod), holds all of them (folder inside): Go's runtime is
// most of such a module. The first line of its configuration, which Config
// writes, says which function it is to be. Module is the one for proxy-wasm,
// built by "make wasm" and committed with its digest; the dynamic module is
// built on the user's machine, by "make dynmod".
//
// It holds no specification, no model and no judge: the functions' own packages
// do.
package guest
