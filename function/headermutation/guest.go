package headermutation

import (
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/guest"
)

// guestConfig is the parameters as the modules read them that run inside of a
// foreign proxy: a line for each change.
func guestConfig(spec function.Spec) ([]byte, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	var lines [][]string
	for _, m := range s.Request {
		lines = append(lines, []string{"request", string(m.Op), m.Name, m.Value})
	}
	for _, m := range s.Response {
		lines = append(lines, []string{"response", string(m.Op), m.Name, m.Value})
	}
	return guest.Config("header-mutation", lines...), nil
}
