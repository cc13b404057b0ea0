//go:build rebuild

package routecontext_test

import (
	"testing"

	"github.com/taremesh/tare/internal/crate"
)

func TestRebuilt(t *testing.T) { crate.Open(t, "filter", "routecontext").Check(t) }
