// Package study reads a study file and plans it.
//
// A Study is the question: a workload, a function, the treatments to compare,
// the load, the design. Parse reads one from strict YAML, where an unknown
// field is an error with file and line; Plan makes it into blocks of phases
// with seeds, the same for the same seed byte for byte. The package knows
// names and numbers, not proxies: whether a form exists on a plane is checked
// by whoever holds the catalogue.
package study

// Form is a way to realise a function.
type Form string

// The forms.
const (
	FormLibrary  Form = "library"
	FormNative   Form = "native"
	FormLua      Form = "lua"
	FormWasm     Form = "wasm"
	FormDynmod   Form = "dynmod"
	FormExternal Form = "external"
)

// Forms lists all forms.
func Forms() []Form {
	return []Form{FormLibrary, FormNative, FormLua, FormWasm, FormDynmod, FormExternal}
}

// Site is where on the path a function runs.
type Site string

// The sites.
const (
	SiteService Site = "service" // in the application
	SiteServer  Site = "server"  // the server's sidecar
)

// Control says that a treatment is part of the apparatus of comparison.
type Control string

// The controls.
const (
	Direct Control = "direct" // no proxy
	Router Control = "router" // a proxy that only routes
	Token  Control = "token"  // router and the workload's token check
	Noop   Control = "noop"   // a filter that does nothing, in the same form
	AA     Control = "aa"     // a second copy of its baseline
)
