package sqlite_test

import (
	"testing"

	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/store/sqlite"
	"github.com/taremesh/tare/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, place string) store.Store {
		s, err := sqlite.Open(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
