package routecontext

import (
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/guest"
)

// guestConfig is the rules as the modules read them that run inside of a
// foreign proxy. Claims are said by the headers that they come in.
func guestConfig(spec function.Spec) ([]byte, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	lines := [][]string{{"header", RouteHeader}, {"otherwise", dataplane.ServiceOf(0)}}
	for _, r := range s.Rules {
		lines = append(lines, []string{"rule", dataplane.ServiceOf(r.Service)})
		for _, c := range r.When {
			name := c.Name
			if c.From == Claim {
				name = Claims()[name]
			}
			lines = append(lines, []string{"when", string(c.From), name, string(c.Match), c.Value})
		}
	}
	return guest.Config("route-context", lines...), nil
}
