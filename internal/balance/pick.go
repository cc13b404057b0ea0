package balance

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
)

// picker makes what chooses among the candidates of a level; nil when there are
// none. all are those of the level whatever their health.
func (g *Group) picker(priority int, chosen, all []candidate) picker {
	if len(chosen) == 0 {
		return nil
	}
	switch g.config.Policy {
	case RingHash:
		return newRing(g.config.Ring, g.shares(chosen, all))
	case Maglev:
		return newMaglev(g.config.TableSize, g.shares(chosen, all))
	}
	if !g.config.Localities {
		return g.within(priority, chosen)
	}
	return g.byLocality(priority, chosen, all)
}

// within chooses among candidates without regard to their localities.
func (g *Group) within(priority int, chosen []candidate) picker {
	hosts, alike := hostsOf(chosen), true
	weights := make([]float64, len(chosen))
	for i, c := range chosen {
		weights[i] = float64(c.weight())
		alike = alike && weights[i] == weights[0]
	}
	switch {
	case g.config.Policy == Random:
		return random(hosts) // whatever their weights
	case g.config.Policy == LeastRequest && alike:
		return &leastRequest{hosts, max(g.config.Choices, 1)}
	case g.config.Policy == LeastRequest:
		bias := g.config.Bias
		return newScheduled(hosts, func(i int) float64 {
			return weights[i] / math.Pow(float64(hosts[i].active.Load())+1, bias)
		})
	case alike:
		return &roundRobin{hosts, g.turns[priority]}
	}
	return newScheduled(hosts, func(i int) float64 { return weights[i] })
}

func hostsOf(cs []candidate) []*Host {
	hosts := make([]*Host, len(cs))
	for i, c := range cs {
		hosts[i] = c.host
	}
	return hosts
}

// roundRobin takes hosts in turn.
type roundRobin struct {
	hosts []*Host
	turn  *atomic.Uint64
}

func (r *roundRobin) pick(uint64, int) *Host {
	return r.hosts[(r.turn.Add(1)-1)%uint64(len(r.hosts))]
}

// leastRequest looks at some hosts, drawn with replacement, and takes the one
// with the fewest requests under way; of equals the first.
type leastRequest struct {
	hosts   []*Host
	choices int
}

func (l *leastRequest) pick(uint64, int) *Host {
	n := uint64(len(l.hosts))
	best := l.hosts[rand.Uint64N(n)]
	for range l.choices - 1 {
		if h := l.hosts[rand.Uint64N(n)]; h.active.Load() < best.active.Load() {
			best = h
		}
	}
	return best
}

// random takes any host.
type random []*Host

func (r random) pick(uint64, int) *Host { return r[rand.Uint64N(uint64(len(r)))] }

// scheduled takes hosts by weights.
type scheduled struct {
	hosts []*Host
	turns *schedule
}

func newScheduled(hosts []*Host, weight func(int) float64) *scheduled {
	return &scheduled{hosts, newSchedule(len(hosts), weight)}
}

func (s *scheduled) pick(uint64, int) *Host { return s.hosts[s.turns.next()] }

// byLocality takes a locality by its weight, less what its unhealthy hosts take
// from that, then a host in it.
func (g *Group) byLocality(priority int, chosen, all []candidate) picker {
	l := &localities{}
	var weights []float64
	for _, of := range split(chosen) {
		w := g.effective(of, all)
		if w == 0 {
			continue
		}
		if g.config.Policy == RoundRobin {
			// Each locality has a turn of its own.
			l.pickers = append(l.pickers, g.apart(of))
		} else {
			l.pickers = append(l.pickers, g.within(priority, of))
		}
		weights = append(weights, w)
	}
	if len(weights) == 0 {
		return nil
	}
	l.turns = newSchedule(len(weights), func(i int) float64 { return weights[i] })
	return l
}

func (g *Group) apart(of []candidate) picker {
	weights := make([]float64, len(of))
	for i, c := range of {
		weights[i] = float64(c.weight())
	}
	return newScheduled(hostsOf(of), func(i int) float64 { return weights[i] })
}

// split gathers candidates by locality, in the order of their first.
func split(cs []candidate) [][]candidate {
	at := map[int]int{}
	var groups [][]candidate
	for _, c := range cs {
		i, ok := at[c.Locality]
		if !ok {
			i = len(groups)
			at[c.Locality] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

// effective is the weight of a locality: less than its share where fewer of its
// hosts are healthy than the overprovisioning factor bears.
func (g *Group) effective(chosen, all []candidate) float64 {
	there := 0
	for _, c := range all {
		if c.Locality == chosen[0].Locality {
			there++
		}
	}
	part := float64(g.config.Overprovision) / 100 * float64(len(chosen)) / float64(there)
	return float64(chosen[0].Share) * min(1, part)
}

type localities struct {
	pickers []picker
	turns   *schedule
}

func (l *localities) pick(hash uint64, attempt int) *Host {
	return l.pickers[l.turns.next()].pick(hash, attempt)
}

// share is a candidate and its part of the whole.
type share struct {
	host *Host
	part float64
}

// shares are the candidates' normalised weights: those of their localities too,
// where they count.
func (g *Group) shares(chosen, all []candidate) []share {
	parts := make([]float64, len(chosen))
	if g.config.Localities {
		sums := map[int]float64{}
		for _, c := range chosen {
			sums[c.Locality] += float64(c.weight())
		}
		effective := map[int]float64{}
		for _, of := range split(chosen) {
			effective[of[0].Locality] = g.effective(of, all)
		}
		for i, c := range chosen {
			parts[i] = effective[c.Locality] * float64(c.weight()) / sums[c.Locality]
		}
	} else {
		for i, c := range chosen {
			parts[i] = float64(c.weight())
		}
	}
	sum := 0.0
	for _, p := range parts {
		sum += p
	}
	var out []share
	for i, c := range chosen {
		if parts[i] > 0 {
			out = append(out, share{c.host, parts[i] / sum})
		}
	}
	return out
}
