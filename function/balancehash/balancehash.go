package balancehash

import (
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

const noFilter = "cannot: a filter runs before an endpoint is chosen; it could write the key into a header, and the choice would still be the proxy's"

// Function returns balancing by a hash.
func Function() function.Function {
	return function.Function{
		Name:     "balance-hash",
		Doc:      "balancing by a hash: requests of one key (header, cookie, query) reach one replica, by a ring or a Maglev table",
		Decode:   Decode,
		Library:  &function.Library{Transport: transport},
		Native:   &function.Native{Shape: shape},
		Replicas: Replicas,
		Example:  `{"table": "maglev", "header": "user-agent"}`,
		Judge:    judge,
		Trials:   trials(),
		Without: map[study.Form]string{
			study.FormLua:      noFilter,
			study.FormWasm:     noFilter,
			study.FormWasmGo:   noFilter,
			study.FormDynmod:   noFilter,
			study.FormDynmodGo: noFilter,
			study.FormExternal: "cannot: the service that is asked is told of no endpoints and chooses none",
		},
	}
}
