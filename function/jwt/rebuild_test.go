//go:build rebuild

package jwt_test

import (
	"encoding/json"
	"testing"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/jwt"
	"github.com/taremesh/tare/internal/crate"
	"github.com/taremesh/tare/study"
)

// TestRebuilt holds the committed module against its source.
func TestRebuilt(t *testing.T) { crate.Open(t, "filter", "jwt").Check(t) }

// TestRebuiltMutants holds the judge against modules that leave out one check,
// on every plane with two workers.
func TestRebuiltMutants(t *testing.T) {
	module := crate.Open(t, "filter", "jwt").Build(t, "mutants")
	onPlanes(t, func(t *testing.T, plane dataplane.DataPlane) {
		for _, c := range []struct{ leavesOut, trial string }{
			{"", ""}, // the judge has nothing against the module itself
			{"signature", "forged tokens"},
			{"algorithm", "forged tokens"},
			{"key id", "forged tokens"},
			{"expiry", "tokens that are not for this"},
			{"not before", "tokens that are not for this"},
			{"audience", "tokens that are not for this"},
			{"issuer", "tokens that are not for this"},
			{"headers", "good tokens"},
		} {
			t.Run("without "+c.leavesOut, func(t *testing.T) {
				fn := jwt.Function()
				fn.Wasm = &function.Wasm{Module: module, Config: without(c.leavesOut)}
				for _, trial := range fn.Trials {
					spec := specOf(t, trial.Params)
					err := fn.Judge(spec, place(t, plane, study.FormWasm).Try(t, fn, spec, trial))
					if err == nil && trial.Name == c.trial || err != nil && c.leavesOut == "" {
						t.Errorf("%s: the judge says %v", trial.Name, err)
					}
				}
			})
		}
	})
}

// without is the configuration of a module that leaves out a check.
func without(check string) func(function.Spec) ([]byte, error) {
	return func(spec function.Spec) ([]byte, error) {
		return json.Marshal(struct {
			jwt.Spec
			Mutant string `json:"mutant"`
		}{spec.(jwt.Spec), check})
	}
}
