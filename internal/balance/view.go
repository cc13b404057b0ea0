package balance

import (
	"math/rand/v2"
	"sync/atomic"
)

// view is who can be picked, as long as nobody's health changes.
type view struct {
	levels []level
	// until is, for each level, up to which number of 1 to 100 it is taken; nil
	// when all goes to only.
	until   []int
	only    int // the one level that is taken; -1: none
	outlier *Outlier
	// hosts are those of the configuration, by address.
	hosts map[string]*Host
}

// level is the hosts of one priority that are asked.
type level struct{ picker picker }

// picker chooses among the hosts of a level.
type picker interface {
	// pick chooses by the hash, or by itself. An attempt above 0 is another one
	// for the same request.
	pick(hash uint64, attempt int) *Host
}

func (v *view) pick(k Key) *Host {
	if len(v.levels) == 0 {
		return nil
	}
	if !k.Hashed {
		k.Hash = rand.Uint64()
	}
	i := v.only
	if v.until != nil {
		i = v.level(k.Hash)
	}
	if i < 0 || v.levels[i].picker == nil {
		return nil
	}
	return v.levels[i].picker.pick(k.Hash, k.Attempt)
}

// level is the one that the hash falls into.
func (v *view) level(hash uint64) int {
	n := int(hash%100) + 1
	for i, until := range v.until {
		if n <= until {
			return i
		}
	}
	return -1
}

// candidate is a member that may be picked.
type candidate struct {
	Member
	host *Host
}

// rebuild makes the view. The group's mutex is held.
func (g *Group) rebuild() {
	v := &view{hosts: make(map[string]*Host, len(g.hosts)), only: -1, outlier: g.config.Outlier}
	for addr, h := range g.departed {
		v.hosts[addr] = h
	}
	var all, fit [][]candidate
	for _, m := range g.members {
		for len(all) <= m.Priority {
			all, fit = append(all, nil), append(fit, nil)
		}
		c := candidate{m, g.hosts[m.Addr]}
		v.hosts[m.Addr] = c.host
		all[m.Priority] = append(all[m.Priority], c)
		c.host.mu.Lock()
		healthy := c.host.fit()
		c.host.mu.Unlock()
		if healthy && !m.Down {
			fit[m.Priority] = append(fit[m.Priority], c)
		}
	}
	loads, panics := spread(sizes(all), sizes(fit), g.config.Overprovision, g.config.Panic)
	for len(g.turns) < len(all) {
		g.turns = append(g.turns, new(atomic.Uint64))
	}
	for i := range all {
		chosen := fit[i]
		if panics[i] {
			chosen = all[i]
		}
		v.levels = append(v.levels, level{g.picker(i, chosen, all[i])})
	}
	v.loads(loads)
	g.view.Store(v)
}

func sizes(levels [][]candidate) []int {
	n := make([]int, len(levels))
	for i, l := range levels {
		n[i] = len(l)
	}
	return n
}

// loads takes the percentages of the levels.
func (v *view) loads(percent []int) {
	sum, taken := 0, 0
	until := make([]int, len(percent))
	for i, p := range percent {
		sum += p
		until[i] = sum
		if p > 0 {
			taken++
			v.only = i
		}
	}
	if taken > 1 {
		v.until = until
	}
}

// spread is Envoy's distribution of load over priorities: how many percent each
// gets, and which are in panic, where health is disregarded. A priority can
// bear its share of healthy hosts times the overprovisioning factor; what it
// cannot goes on to the next one. Only where all together cannot bear the load
// is panic looked at; when all are in panic, load goes by numbers of hosts.
// (Envoy, "Priority levels" and "Panic threshold" of its load balancing.)
func spread(all, fit []int, overprovision, threshold int) (loads []int, panics []bool) {
	loads, panics = make([]int, len(all)), make([]bool, len(all))
	health, total, hosts := make([]int, len(all)), 0, 0
	for i := range all {
		if all[i] > 0 {
			health[i] = min(100, overprovision*fit[i]/all[i])
		}
		total, hosts = min(100, total+health[i]), hosts+all[i]
	}
	left, first := 100, -1
	for i, h := range health {
		if h == 0 {
			continue
		}
		if first < 0 {
			first = i
		}
		loads[i] = min(left, h*100/total)
		left -= loads[i]
	}
	if first >= 0 {
		loads[first] += left
	}
	if total == 100 {
		return loads, panics
	}
	everywhere := threshold > 0
	for i := range all {
		panics[i] = all[i] == 0 && threshold > 0 || all[i] > 0 && 100*fit[i]/all[i] < threshold
		everywhere = everywhere && panics[i]
	}
	if everywhere && hosts > 0 {
		byNumbers(loads, all, hosts)
	}
	return loads, panics
}

// byNumbers gives each level its share of the hosts; what rounding leaves goes
// to the first that has any.
func byNumbers(loads, all []int, hosts int) {
	left, first := 100, -1
	for i := range all {
		loads[i] = 100 * all[i] / hosts
		left -= loads[i]
		if first < 0 && all[i] > 0 {
			first = i
		}
	}
	loads[first] += left
}
