package embedded

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// fitness is what is known of the endpoints that are chosen by more than their
// turn, and what circuit breakers have refused.
func (p *proxy) fitness() []*family {
	healthy := &family{name: "tare_endpoint_healthy", kind: "gauge", help: "Whether an endpoint may be asked: neither its checks nor its answers speak against it."}
	active := &family{name: "tare_endpoint_requests_active", kind: "gauge", help: "Requests that an endpoint has under way."}
	ejections := &family{name: "tare_endpoint_ejections_total", kind: "counter", help: "How often an endpoint was ejected for what it answered."}
	ejected := &family{name: "tare_endpoint_ejected", kind: "gauge", help: "Whether an endpoint is ejected now."}
	overflows := &family{name: "tare_cluster_overflows_total", kind: "counter", help: "Requests and retries that a circuit breaker's limit stopped, by cluster and limit."}
	waiting := &family{name: "tare_cluster_requests_waiting", kind: "gauge", help: "Requests that wait for a connection, by cluster."}
	t := p.table.Load()
	if t == nil {
		return nil
	}
	for _, name := range slices.SortedFunc(maps.Keys(t.clusters), cmp.Compare[string]) {
		c := t.clusters[name]
		if c.group != nil {
			for _, s := range c.group.States() {
				healthy.add(flag(s.Healthy), "cluster", name, "endpoint", s.Addr)
				active.add(strconv.Itoa(s.Active), "cluster", name, "endpoint", s.Addr)
				ejected.add(flag(s.Ejected), "cluster", name, "endpoint", s.Addr)
				ejections.add(strconv.Itoa(s.Ejections), "cluster", name, "endpoint", s.Addr)
			}
		}
		if c.breaker == nil {
			continue
		}
		l := c.breaker.Load()
		waiting.add(strconv.Itoa(l.Waiting), "cluster", name)
		for _, o := range []struct {
			limit string
			n     uint64
		}{
			{"connections", l.Refused.Connections}, {"pending", l.Refused.Pending},
			{"requests", l.Refused.Requests}, {"retries", l.Refused.Retries},
		} {
			overflows.add(strconv.FormatUint(o.n, 10), "cluster", name, "limit", o.limit)
		}
	}
	var all []*family
	for _, f := range []*family{healthy, active, ejected, ejections, overflows, waiting} {
		if len(f.lines) > 0 {
			all = append(all, f)
		}
	}
	return all
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
