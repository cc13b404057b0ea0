package ratelimit

import (
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/guest"
)

// guestConfig is the parameters for the forms that are written in Go and run
// inside of a foreign proxy: all but Users, for they keep every bucket that is
// not full.
func guestConfig(spec function.Spec) ([]byte, error) {
	s, err := specOf(spec)
	if err != nil {
		return nil, err
	}
	var lines [][]string
	for _, name := range s.subscriptions() {
		lines = append(lines, []string{"limit", name, s.Limits[name].String()})
	}
	lines = append(lines, []string{"others", s.Others.String()})
	for _, path := range s.Paths {
		lines = append(lines, []string{"path", path})
	}
	return guest.Config("ratelimit", lines...), nil
}
