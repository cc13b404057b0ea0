//go:build rebuild

package guest_test

import (
	"testing"

	"github.com/taremesh/tare/internal/crate"
)

func TestRebuilt(t *testing.T) { crate.CheckGo(t, "./wasm", "guest.wasm") }
