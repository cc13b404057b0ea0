package mtls

import (
	"crypto/tls"
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Function returns mutual TLS.
func Function() function.Function {
	a := &authorities{}
	const transportReason = "a filter sees requests, which come after the handshake that admits or refuses them"
	return function.Function{
		Name:   "mtls",
		Doc:    "mutual TLS: who calls must show a SPIFFE identity of the trust domain that is allowed, and the service learns it",
		Decode: Decode,
		Library: &function.Library{
			Middleware: func(function.Spec) (func(http.Handler) http.Handler, error) { return Middleware, nil },
			TLS:        a.serverTLS,
		},
		Native:   &function.Native{Shape: a.shape},
		Settings: study.Settings{{Factor: "mtls", Level: "on"}},
		Judge:    a.judge,
		Trials:   a.trials(),
		Without: map[study.Form]string{
			study.FormLua:      transportReason,
			study.FormWasm:     transportReason,
			study.FormWasmGo:   transportReason,
			study.FormDynmod:   transportReason,
			study.FormDynmodGo: transportReason,
			study.FormExternal: transportReason,
		},
	}
}

func (a *authorities) serverTLS(spec function.Spec) (*tls.Config, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	authority, err := a.of(s.Domain)
	if err != nil {
		return nil, err
	}
	return ServerTLS(Renewed(authority, s.ID, s.TTL.Std()), s.Allow...), nil
}
