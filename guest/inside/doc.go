// Package inside is the filters themselves, as they run inside of a foreign
// proxy.
//
// A filter sees its proxy through Host; what it counts lies in Buckets, which
// proxy-wasm keeps in the proxy's shared data and a dynamic module in memory.
// The package imports little, since everything it imports is in the modules. It
// checks of a configuration only what it must: guest.Config writes it.
package inside
