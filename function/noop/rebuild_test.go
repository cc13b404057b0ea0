//go:build rebuild

package noop_test

import (
	"testing"

	"github.com/taremesh/tare/internal/crate"
)

func TestRebuilt(t *testing.T) { crate.Open(t, "filter", "noop").Check(t) }
