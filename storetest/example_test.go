package storetest_test

import (
	"testing"

	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/store/sqlite"
	"github.com/taremesh/tare/storetest"
)

// A store's own test hands Run a way to open it.
func Example() {
	_ = func(t *testing.T) { // TestStore
		storetest.Run(t, func(t *testing.T, place string) store.Store {
			s, err := sqlite.Open(t.Context(), place)
			if err != nil {
				t.Fatal(err)
			}
			return s
		})
	}
	// Output:
}
