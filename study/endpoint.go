package study

import (
	"fmt"
	"slices"
	"strings"
)

// EndpointMean is the mean response time.
const EndpointMean = "mean"

// FurtherEndpoints lists what a study can ask for beside the endpoints that
// every one has.
func FurtherEndpoints() []string { return []string{EndpointMean} }

func (s *Study) checkEndpoints() error {
	for i, e := range s.Endpoints {
		at := fmt.Sprintf("$.endpoints[%d]", i)
		switch {
		case !slices.Contains(FurtherEndpoints(), e):
			return s.Errorf(at, "unknown endpoint %q (known beside p50, p90, p99 and cpu: %s)", e, strings.Join(FurtherEndpoints(), ", "))
		case slices.Contains(s.Endpoints[:i], e):
			return s.Errorf(at, "endpoint %s is asked for twice", e)
		}
	}
	return nil
}

// MaxConnections is the most that one treatment may have.
const MaxConnections = 1000
