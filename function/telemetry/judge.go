package telemetry

import (
	"fmt"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/collect"
)

// figures are what an entry and a request have in common.
type figures struct {
	method, path, authority string
	status                  int
	received, sent          int64
}

// judge: the entries and the requests are the same, one for one, and the
// proxies' counters are as many.
func judge(spec function.Spec, e function.Evidence) error {
	if _, err := function.SpecAs[Spec](spec); err != nil {
		return err
	}
	if e.Collected == nil {
		return nil // under load the collector is another process
	}
	wanted, longest, classes := map[figures]int{}, time.Duration(0), map[string]float64{}
	for i, o := range e.Observations {
		if o.Response == nil {
			return fmt.Errorf("telemetry: request %d was not answered: telemetry stops none", i)
		}
		wanted[figures{o.Request.Method, o.Request.Target, o.Request.Host, o.Response.Status, int64(len(o.Request.Body)), int64(len(o.Response.Body))}]++
		longest = max(longest, o.Latest-o.Earliest)
		classes["total"]++
		classes[fmt.Sprintf("%dxx", o.Response.Status/100)]++
	}
	for i, t := range e.Collected.Entries {
		f := figures{t.Method, t.Path, t.Authority, t.Status, t.Received, t.Sent}
		if wanted[f]--; wanted[f] < 0 {
			return fmt.Errorf("telemetry: entry %d %+v is of no request, or of one that has its entry", i, f)
		}
		if err := sane(t, longest); err != nil {
			return fmt.Errorf("telemetry: entry %d %+v: %w", i, f, err)
		}
	}
	for f, n := range wanted {
		if n > 0 {
			return fmt.Errorf("telemetry: %d entries of %+v are missing, of %d that came", n, f, len(e.Collected.Entries))
		}
	}
	for _, class := range []string{"total", "2xx", "3xx", "4xx", "5xx"} {
		if got := counted(e.Collected, class); got != classes[class] {
			return fmt.Errorf("telemetry: counters say %v of class %s, and there were %v requests", got, class, classes[class])
		}
	}
	return nil
}

// counted is the sum of a counter of requests over all proxies.
func counted(g *collect.Gathered, class string) (sum float64) {
	for _, counters := range g.Counters {
		sum += counters["http.ingress.downstream_rq_"+class]
	}
	return sum
}

func sane(t collect.Entry, longest time.Duration) error {
	switch {
	case t.Log != logName || t.Node == "":
		return fmt.Errorf("is of log %q from node %q", t.Log, t.Node)
	case t.Took <= 0 || t.Took > longest:
		return fmt.Errorf("says that it took %v: no request took more than %v", t.Took, longest)
	case t.Began.IsZero() || t.Upstream == "":
		return fmt.Errorf("began at %v and asked %q", t.Began, t.Upstream)
	}
	return nil
}
