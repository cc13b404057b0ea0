package noop

import (
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/guest"
)

// The forms that are written in Go and run inside of a foreign proxy.
func guestConfig(function.Spec) ([]byte, error) { return guest.Config("noop"), nil }
