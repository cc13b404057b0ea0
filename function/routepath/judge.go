package routepath

import (
	"fmt"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/fullmatch"
)

// service is the model: the service that a path, as it is written, belongs to.
func (s Spec) service(path string) int {
	for _, r := range s.Rules {
		switch {
		case r.Path != "" && path == r.Path,
			r.Prefix != "" && strings.HasPrefix(path, r.Prefix),
			r.Regex != "" && fullmatch.MustCompile(r.Regex).MatchString(path):
			return r.Service
		}
	}
	return 0
}

// judge: every request reached the one service of its path, once, and was answered.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Request == nil { // under load nobody looks where it went
			if o.Outcome == function.Refused {
				return fmt.Errorf("route-path: request %d for %s was refused: routing refuses none", i, o.Path)
			}
			continue
		}
		want, got := s.service(o.Path), e.Reached(i)
		if len(got) != 1 || got[0].Replica != want {
			return fmt.Errorf("route-path: request %d for %s reached %v, not service %d alone", i, o.Path, function.Replicas(got), want)
		}
		if m := got[0].Message; m.Target != o.Request.Target || m.Method != o.Request.Method || string(m.Body) != string(o.Request.Body) {
			return fmt.Errorf("route-path: request %d for %s %s reached its service as %s %s: routing changes none",
				i, o.Request.Method, o.Request.Target, m.Method, m.Target)
		}
		if o.Response == nil || o.Response.Status != got[0].Answered {
			return fmt.Errorf("route-path: request %d did not get the answer of its service", i)
		}
	}
	return nil
}
