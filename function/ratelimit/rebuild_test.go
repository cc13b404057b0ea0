//go:build rebuild

package ratelimit_test

import (
	"testing"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function/ratelimit"
	"github.com/taremesh/tare/internal/crate"
)

// attempts is how often a mutant may be lucky: two workers must come between
// a reading and a writing that are a microsecond apart.
const attempts = 30

// TestRebuilt holds the committed module against its source.
func TestRebuilt(t *testing.T) { crate.Open(t, "filter", "ratelimit").Check(t) }

// TestRebuiltMutants holds the test of concurrency against modules that do not
// compare before they write.
func TestRebuiltMutants(t *testing.T) {
	c := crate.Open(t, "filter", "ratelimit")
	spec := specFrom(t, contendedParams)
	config, err := ratelimit.Function().Wasm.Config(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, mutant := range []string{"mutant-no-cas", "mutant-no-create"} {
		module := c.Build(t, mutant)
		t.Run(mutant, func(t *testing.T) {
			onPlanes(t, func(t *testing.T, plane dataplane.DataPlane) {
				for range attempts {
					if fault := contend(mustThrough(t, plane, 2, moduleFilter(t, module, config)), spec); fault != nil {
						return
					}
				}
				t.Error("the judge finds nothing")
			})
		})
	}
}
