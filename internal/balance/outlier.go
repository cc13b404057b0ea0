package balance

import (
	"math"
	"math/rand/v2"
	"time"
)

// Fault is how a request failed below HTTP.
type Fault uint8

// The faults.
const (
	NoFault      Fault = iota
	Unreachable        // no connection, or it broke
	Slow               // no answer in time
	NoConclusion       // it says nothing of the host: the client went away
)

// failures in a row.
type failures struct{ server, gateway, local int }

// rate is of the present interval.
type rate struct{ good, all int }

// Done says what became of a request: the status of the answer, or the fault
// that there was instead.
func (g *Group) Done(h *Host, status int, f Fault) {
	h.active.Add(-1)
	if f == NoConclusion {
		return
	}
	o := g.view.Load().outlier
	if o == nil || !h.record(o, status, f) {
		return
	}
	g.eject(h)
}

// record counts an outcome and reports whether the host is to be ejected.
func (h *Host) record(o *Outlier, status int, f Fault) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	local := f != NoFault
	switch {
	case local && o.Split:
		h.failures.local++
		return h.failures.local == o.ConsecutiveLocal && drawn(o.EnforceLocal)
	case f == Slow:
		status = 504
	case local:
		status = 503
	}
	if o.Split {
		h.failures.local = 0
	}
	h.rate.all++
	if status < 500 {
		h.rate.good++
		h.failures = failures{local: h.failures.local}
		return false
	}
	out := false
	if status >= 502 && status <= 504 {
		h.failures.gateway++
		out = h.failures.gateway == o.ConsecutiveGateway && drawn(o.EnforceGateway)
	} else {
		h.failures.gateway = 0
	}
	h.failures.server++
	return h.failures.server == o.Consecutive5xx && drawn(o.Enforce5xx) || out
}

// drawn reports true in so many of a hundred cases.
func drawn(percent int) bool { return percent >= 100 || rand.IntN(100) < percent }

// eject takes a host out, unless too many are.
func (g *Group) eject(h *Host) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.throw(h, time.Now()) {
		g.rebuild()
	}
}

// throw ejects a host if that is allowed; the group's mutex is held.
func (g *Group) throw(h *Host, now time.Time) bool {
	o := g.config.Outlier
	if o == nil || g.hosts[h.Addr] != h {
		return false
	}
	out := 0
	for _, other := range g.hosts {
		other.mu.Lock()
		if other.ejected {
			out++
		}
		other.mu.Unlock()
	}
	allowed := out == 0 && o.AlwaysOne || 100*(out+1) <= o.MostPercent*len(g.hosts)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = failures{}
	if h.ejected || !allowed {
		return false
	}
	h.ejected = true
	h.ejections++
	h.backoff++
	h.until = now.Add(min(o.Base*time.Duration(h.backoff), max(o.Most, o.Base)))
	return true
}

// forgive takes a host back, and reports whether it was out.
func (h *Host) forgive() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.ejected
	h.ejected, h.failures = false, failures{}
	return was
}

// tick looks at ejections and at success rates once in every interval.
func (g *Group) tick(every time.Duration, stop chan struct{}) {
	defer g.tasks.Done()
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			g.review(now)
		case <-stop:
			return
		case <-g.closed:
			return
		}
	}
}

// review takes back those whose ejection is over, and ejects those whose
// success rate stands out.
func (g *Group) review(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	changed := false
	for _, h := range g.hosts {
		changed = h.review(now) || changed
	}
	if o := g.config.Outlier; o != nil {
		for _, h := range g.poor(o) {
			changed = drawn(o.EnforceSuccess) && g.throw(h, now) || changed
		}
	}
	if changed {
		g.rebuild()
	}
}

// review ends the ejection when it is over. Who was not out since the last
// review has the next ejection shortened.
func (h *Host) review(now time.Time) (changed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.ejected && !now.Before(h.until):
		h.ejected, h.failures = false, failures{}
		return true
	case !h.ejected && h.backoff > 0:
		h.backoff--
	}
	return false
}

// poor are the hosts whose success rate of the interval is below the mean less
// so many deviations; all rates begin anew.
func (g *Group) poor(o *Outlier) (all []*Host) {
	rates := map[*Host]float64{}
	sum := 0.0
	for _, h := range g.hosts {
		h.mu.Lock()
		r := h.rate
		h.rate = rate{}
		h.mu.Unlock()
		if r.all > 0 && r.all >= o.SuccessVolume {
			rates[h] = 100 * float64(r.good) / float64(r.all)
			sum += rates[h]
		}
	}
	if len(rates) == 0 || len(rates) < o.SuccessHosts {
		return nil
	}
	mean, squares := sum/float64(len(rates)), 0.0
	for _, r := range rates {
		squares += (r - mean) * (r - mean)
	}
	bound := mean - float64(o.SuccessFactor)/1000*math.Sqrt(squares/float64(len(rates)))
	for h, r := range rates {
		if r < bound {
			all = append(all, h)
		}
	}
	return all
}
