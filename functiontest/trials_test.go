package functiontest_test

import (
	"testing"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/functiontest"
)

// TestTrials holds every function with trials, in every form and on every data
// plane, against its judge, and the judges against their mutants. One of them:
// go test ./functiontest -run 'Trials/route-path'.
func TestTrials(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	for _, fn := range b.Functions.All() {
		if len(fn.Trials) > 0 {
			t.Run(fn.Name, func(t *testing.T) { functiontest.RunTrials(t, fn, b.DataPlanes.All()) })
		}
	}
}
