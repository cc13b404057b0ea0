package routepath

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/taremesh/tare/function"
)

// service is the model: the service that a path belongs to.
func (s Spec) service(path string) int {
	for _, r := range s.Rules {
		switch {
		case r.Path != "" && path == r.Path,
			r.Prefix != "" && strings.HasPrefix(path, r.Prefix),
			r.Regex != "" && regexp.MustCompile("^(?:"+r.Regex+")$").MatchString(path):
			return r.Service
		}
	}
	return 0
}

// judge: every request reached the one service of its path, once, and was answered.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := specOf(spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Outcome == function.Refused {
			return fmt.Errorf("route-path: request %d for %s was refused: routing refuses none", i, o.Path)
		}
		if o.Request == nil {
			continue // under load nobody looks where it went
		}
		want, got := s.service(o.Path), e.Reached(i)
		if len(got) != 1 || got[0].Replica != want {
			return fmt.Errorf("route-path: request %d for %s reached %v, not service %d alone", i, o.Path, function.Replicas(got), want)
		}
	}
	return nil
}
