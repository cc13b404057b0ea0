package mirror

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns mirroring.
func Function() function.Function {
	return function.Function{
		Name:     "mirror",
		Doc:      "mirroring: copies of requests to a second service, whose answers are thrown away",
		Decode:   Decode,
		Library:  &function.Library{Transport: transport},
		Native:   &function.Native{Shape: shape},
		Replicas: Services,
		Routes:   true,
		Example:  `{"percent": 100}`,
		Judge:    judge,
		Trials:   trials(),
		Without: map[study.Form]string{
			study.FormLua:      "not built: a script can call a cluster and not wait (httpCall, asynchronous), but has to hold the whole body to do so",
			study.FormWasm:     "not built: a module can call a cluster and not wait, but has to hold the whole body to do so",
			study.FormWasmGo:   "not built: as wasm",
			study.FormDynmod:   "not built: as wasm",
			study.FormDynmodGo: "not built: as wasm",
			study.FormExternal: "cannot: a service that is asked decides on a request, and cannot have the proxy send a second one",
		},
	}
}

func transport(spec function.Spec, services []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	if _, err := NewTransport(s, services, nil); err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper {
		t, err := NewTransport(s, services, next)
		if err != nil {
			return failing{err} // not reached: it was tried above
		}
		return t
	}, nil
}

// failing answers every request with an error.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }
