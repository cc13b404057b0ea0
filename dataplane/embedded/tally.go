package embedded

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// tally is what became of the attempts of one connection at one cluster, or the
// sum of such. Like stats it is touched by its connection's goroutine alone.
type tally struct {
	name   string
	class  [6]atomic.Uint64 // of responses, by their first digit; 0: others
	faults [len(faultNames)]atomic.Uint64
	again  atomic.Uint64 // attempts after the first
}

// faultNames are the labels of faults.
var faultNames = [...]string{noFault: "", connectFailed: "connect", wasReset: "reset", tookTooLong: "timeout", givenUp: "given-up"}

func (t *tally) add(o *tally) {
	for i := range t.class {
		t.class[i].Add(o.class[i].Load())
	}
	for i := range t.faults {
		t.faults[i].Add(o.faults[i].Load())
	}
	t.again.Add(o.again.Load())
}

// count notes what became of an attempt.
func (c *conn) count(to *cluster, o outcome) {
	t := c.tallyOf(to.name)
	switch {
	case o.status >= 100 && o.status < 600:
		t.class[o.status/100].Add(1)
	case o.status != 0:
		t.class[0].Add(1)
	default:
		t.faults[o.fault].Add(1)
	}
}

// tallyOf is the connection's tally of a cluster.
func (c *conn) tallyOf(name string) *tally {
	for _, t := range c.tallies {
		if t.name == name {
			return t
		}
	}
	t := &tally{name: name}
	c.mu.Lock()
	c.tallies = append(c.tallies, t)
	c.mu.Unlock()
	return t
}

// tallies are the sums over all connections, living and ended, and the clusters
// that there are.
func (p *proxy) tallies() map[string]*tally {
	all := map[string]*tally{}
	if t := p.table.Load(); t != nil {
		for name := range t.clusters {
			all[name] = &tally{name: name}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.endedTallies {
		sum(all, t)
	}
	for c := range p.conns {
		c.mu.Lock()
		for _, t := range c.tallies {
			sum(all, t)
		}
		c.mu.Unlock()
	}
	return all
}

func sum(all map[string]*tally, t *tally) {
	if all[t.name] == nil {
		all[t.name] = &tally{name: t.name}
	}
	all[t.name].add(t)
}

// connections is how many a cluster has open, at rest and at work.
func (p *proxy) connections() map[string]int {
	open := map[*endpoint]int{}
	p.mu.Lock()
	for c := range p.conns {
		c.mu.Lock()
		if c.up != nil && c.up.probe != nil {
			open[c.up.home]++
		}
		c.mu.Unlock()
	}
	p.mu.Unlock()
	all := map[string]int{}
	t := p.table.Load()
	if t == nil {
		return all
	}
	for name, c := range t.clusters {
		for _, e := range c.endpoints {
			all[name] += open[e] + e.resting()
		}
	}
	return all
}

// resting is how many connections rest, and of HTTP/2 how many are open.
func (e *endpoint) resting() int {
	e.mu.Lock()
	n := len(e.idle)
	e.mu.Unlock()
	if e.by != nil && e.by.http2 {
		e.by.mu.Lock()
		n = len(e.by.conns[e.addr])
		e.by.mu.Unlock()
	}
	return n
}

// family is one metric with its lines.
type family struct {
	name, kind, help string
	lines            []string // labels and value
}

func (f *family) add(value string, labels ...string) {
	var pairs []string
	for i := 0; i < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+`="`+escaped.Replace(labels[i+1])+`"`)
	}
	if len(pairs) > 0 {
		value = "{" + strings.Join(pairs, ",") + "} " + value
	} else {
		value = " " + value
	}
	f.lines = append(f.lines, f.name+value)
}

// escaped writes a label's value.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (f *family) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s\n", f.name, f.help, f.name, f.kind, strings.Join(f.lines, "\n"))
	return err
}

// families are the metrics that have labels of their own, or go up and down.
func (p *proxy) families() []*family {
	conns := &family{name: "tare_connections", kind: "gauge", help: "Open connections of clients."}
	active := &family{name: "tare_requests_active", kind: "gauge", help: "Requests that are under way."}
	h1, busy := p.busy()
	conns.add(strconv.Itoa(h1), "protocol", "http1")
	conns.add(strconv.FormatInt(p.h2conns.Load(), 10), "protocol", "http2")
	conns.add(strconv.FormatInt(p.tunnels.Load(), 10), "protocol", "tcp")
	active.add(strconv.Itoa(busy))
	shakes := &family{name: "tare_handshake_failures_total", kind: "counter", help: "Connections whose TLS handshake failed."}
	shakes.add(strconv.FormatUint(p.handshakes.Load(), 10))
	return append(append([]*family{conns, active, shakes}, p.ofClusters()...), p.fitness()...)
}

// busy counts connections of HTTP/1.1, and requests.
func (p *proxy) busy() (conns, requests int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if c.tcp != nil {
			conns++
		}
		if phase(c.beat.Load()&(1<<phaseBits-1)) != resting {
			requests++
		}
	}
	return conns, requests
}

func (p *proxy) ofClusters() []*family {
	responses := &family{name: "tare_cluster_responses_total", kind: "counter", help: "Responses of endpoints, by cluster and class."}
	failed := &family{name: "tare_cluster_failures_total", kind: "counter", help: "Attempts without a response, by cluster and reason."}
	again := &family{name: "tare_cluster_retries_total", kind: "counter", help: "Attempts after the first, by cluster."}
	open := &family{name: "tare_cluster_connections", kind: "gauge", help: "Open connections to endpoints, by cluster."}
	tallies, connections := p.tallies(), p.connections()
	names := slices.SortedFunc(maps.Keys(tallies), cmp.Compare[string])
	for _, name := range names {
		t := tallies[name]
		for digit := range t.class {
			class := "other"
			if digit > 0 {
				class = strconv.Itoa(digit) + "xx"
			}
			responses.add(strconv.FormatUint(t.class[digit].Load(), 10), "cluster", name, "class", class)
		}
		for f, reason := range faultNames {
			if reason != "" {
				failed.add(strconv.FormatUint(t.faults[f].Load(), 10), "cluster", name, "reason", reason)
			}
		}
		again.add(strconv.FormatUint(t.again.Load(), 10), "cluster", name)
		open.add(strconv.Itoa(connections[name]), "cluster", name)
	}
	if len(names) == 0 {
		return nil
	}
	return []*family{responses, failed, again, open}
}
