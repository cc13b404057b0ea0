// Package proxywasm runs proxy-wasm modules: it is the host side of the ABI that
// filters for Envoy and other proxies are built for.
package proxywasm
