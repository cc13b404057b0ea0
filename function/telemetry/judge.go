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

// judge: the entries and the requests are the same, one for one.
func judge(spec function.Spec, e function.Evidence) error {
	if _, err := specOf(spec); err != nil {
		return err
	}
	if e.Collected == nil {
		return nil // under load the collector is another process
	}
	wanted, longest := map[figures]int{}, time.Duration(0)
	for i, o := range e.Observations {
		if o.Response == nil {
			return fmt.Errorf("telemetry: request %d was not answered: telemetry stops none", i)
		}
		wanted[figures{o.Request.Method, o.Request.Target, o.Request.Host, o.Response.Status, int64(len(o.Request.Body)), int64(len(o.Response.Body))}]++
		longest = max(longest, o.Latest-o.Earliest)
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
	return nil
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
