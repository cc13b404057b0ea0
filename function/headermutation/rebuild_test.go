//go:build rebuild

package headermutation_test

import (
	"testing"

	"github.com/taremesh/tare/internal/crate"
)

func TestRebuilt(t *testing.T) { crate.Open(t, "filter", "headermutation").Check(t) }
