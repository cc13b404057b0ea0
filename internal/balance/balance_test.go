package balance_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/taremesh/tare/internal/balance"
)

// group is one of n hosts at h0:1, h1:1 ….
func group(t testing.TB, c balance.Config, members ...balance.Member) *balance.Group {
	t.Helper()
	g := balance.NewGroup(nil)
	t.Cleanup(g.Close)
	g.Set(c, members)
	return g
}

func members(n int, change func(int, *balance.Member)) []balance.Member {
	all := make([]balance.Member, n)
	for i := range all {
		all[i].Addr = fmt.Sprintf("10.0.0.%d:80", i+1)
		if change != nil {
			change(i, &all[i])
		}
	}
	return all
}

// picks are the last digits of who was picked.
func picks(g *balance.Group, n int, key func(int) balance.Key) (all []int) {
	for i := range n {
		var k balance.Key
		if key != nil {
			k = key(i)
		}
		h := g.Pick(k)
		if h == nil {
			all = append(all, 0)
			continue
		}
		var who int
		if _, err := fmt.Sscanf(h.Addr, "10.0.0.%d:80", &who); err != nil {
			who = -1
		}
		all = append(all, who)
		g.Release(h)
	}
	return all
}

func counts(picked []int) map[int]int {
	n := map[int]int{}
	for _, p := range picked {
		n[p]++
	}
	return n
}

func TestRoundRobin(t *testing.T) {
	g := group(t, balance.DefaultConfig(), members(3, nil)...)
	if got := picks(g, 7, nil); !slices.Equal(got, []int{1, 2, 3, 1, 2, 3, 1}) {
		t.Errorf("picked %v", got)
	}
	// One that is said to be down gets nothing; its turn is not lost to others.
	g.Set(balance.DefaultConfig(), members(3, func(i int, m *balance.Member) { m.Down = i == 1 }))
	if got := counts(picks(g, 30, nil)); got[1] != 15 || got[3] != 15 {
		t.Errorf("with one down: %v", got)
	}
	g.Set(balance.DefaultConfig(), nil)
	if h := g.Pick(balance.Key{}); h != nil {
		t.Errorf("of nobody: %v", h.Addr)
	}
}

// In every window as long as the weights' sum, each host comes as often as its
// weight, give or take one: deadlines that are equal are so only up to rounding.
func TestWeights(t *testing.T) {
	weights := []int{1, 2, 5}
	g := group(t, balance.DefaultConfig(), members(3, func(i int, m *balance.Member) { m.Weight = weights[i] })...)
	got := picks(g, 80, nil)
	for from := 0; from+8 <= len(got); from++ {
		n := counts(got[from : from+8])
		for i, w := range weights {
			if d := n[i+1] - w; d < -1 || d > 1 {
				t.Fatalf("window %v: %v", got[from:from+8], n)
			}
		}
	}
	if n := counts(got); n[1] < 9 || n[1] > 11 || n[2] < 19 || n[2] > 21 {
		t.Errorf("of 80: %v", n)
	}
}

func TestLeastRequest(t *testing.T) {
	c := balance.DefaultConfig()
	c.Policy = balance.LeastRequest
	g := group(t, c, members(3, nil)...)
	// Two of three are busy: the idle one is picked whenever it is drawn at all,
	// which is 5 times in 9; of the busy ones alike.
	var held []*balance.Host
	for len(held) < 40 {
		h := g.Pick(balance.Key{})
		if h.Addr == "10.0.0.2:80" {
			g.Release(h)
			continue
		}
		held = append(held, h)
	}
	const n = 9000
	idle := counts(picks(g, n, nil))[2]
	want, dev := n*5.0/9, math.Sqrt(n*5.0/9*4/9)
	if math.Abs(float64(idle)-want) > 6*dev {
		t.Errorf("the idle one had %d of %d, want %.0f ± %.0f", idle, n, want, 6*dev)
	}
	c.Choices = 64 // as good as all of them
	g.Set(c, members(3, nil))
	if n := counts(picks(g, 200, nil))[2]; n != 200 {
		t.Errorf("of many choices the idle one had %d of 200", n)
	}
	for _, h := range held {
		g.Release(h)
	}
	for _, s := range g.States() {
		if s.Active != 0 {
			t.Errorf("%s has %d under way", s.Addr, s.Active)
		}
	}
}

// With weights, what is under way lowers a host's weight.
func TestLeastRequestByWeight(t *testing.T) {
	c := balance.DefaultConfig()
	c.Policy = balance.LeastRequest
	g := group(t, c, members(2, func(i int, m *balance.Member) { m.Weight = 1 + i })...)
	if got := counts(picks(g, 300, nil)); got[1] < 99 || got[1] > 101 {
		t.Errorf("idle: %v", got)
	}
}

func TestRandom(t *testing.T) {
	c := balance.DefaultConfig()
	c.Policy = balance.Random
	got := counts(picks(group(t, c, members(4, nil)...), 8000, nil))
	for who, n := range got {
		if math.Abs(float64(n)-2000) > 6*math.Sqrt(8000*.25*.75) {
			t.Errorf("host %d had %d of 8000", who, n)
		}
	}
}

func hashed(i int) balance.Key {
	return balance.Key{Hash: balance.Hash(fmt.Append(nil, "key ", i)), Hashed: true}
}

func TestHashes(t *testing.T) {
	const keys, hosts = 20000, 5
	for _, c := range []struct {
		name   string
		change func(*balance.Config)
		uneven float64 // how far a host's share may be from its own
		// moved is how many keys of others may move when one leaves. On the ring
		// the others then have more points, as Envoy's have, which takes keys.
		moved int
	}{
		{"ring", func(c *balance.Config) { c.Policy = balance.RingHash }, .3, keys / 5},
		{"ring of murmur", func(c *balance.Config) { c.Policy, c.Ring.Murmur = balance.RingHash, true }, .3, keys / 5},
		{"maglev", func(c *balance.Config) { c.Policy = balance.Maglev }, .06, keys / 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := balance.DefaultConfig()
			c.change(&config)
			g := group(t, config, members(hosts, nil)...)
			before := picks(g, keys, hashed)
			if !slices.Equal(before, picks(g, keys, hashed)) {
				t.Error("the same keys had other hosts")
			}
			for who, n := range counts(before) {
				if math.Abs(float64(n)*hosts/keys-1) > c.uneven {
					t.Errorf("host %d has %d of %d keys", who, n, keys)
				}
			}
			// Another order is the same table.
			turned := members(hosts, nil)
			slices.Reverse(turned)
			g.Set(config, turned)
			if !slices.Equal(before, picks(g, keys, hashed)) {
				t.Error("the order of the configuration counts")
			}
			g.Set(config, members(hosts, func(i int, m *balance.Member) { m.Down = i == 1 }))
			moved := 0
			for i, who := range picks(g, keys, hashed) {
				if who == 2 || who == 0 {
					t.Fatalf("key %d went to host %d", i, who)
				}
				if before[i] != 2 && before[i] != who {
					moved++
				}
			}
			if moved > c.moved {
				t.Errorf("%d keys of others moved", moved)
			}
			// An attempt more is somewhere else, mostly.
			other := picks(g, keys, func(i int) balance.Key { k := hashed(i); k.Attempt = 1; return k })
			same := 0
			for i, who := range picks(g, keys, hashed) {
				if who == other[i] {
					same++
				}
			}
			if same > keys/2 {
				t.Errorf("%d of %d second attempts went to the same host", same, keys)
			}
		})
	}
}

func TestHashWeights(t *testing.T) {
	for _, p := range []balance.Policy{balance.RingHash, balance.Maglev} {
		c := balance.DefaultConfig()
		c.Policy = p
		c.Ring.Min = 1 << 14
		got := counts(picks(group(t, c, members(2, func(i int, m *balance.Member) { m.Weight = 1 + 2*i })...), 20000, hashed))
		if share := float64(got[2]) / 20000; math.Abs(share-.75) > .03 {
			t.Errorf("policy %d: three quarters of the weight had %.3f of the keys", p, share)
		}
	}
}

// A ring keeps within its sizes.
func TestRingSize(t *testing.T) {
	c := balance.DefaultConfig()
	c.Policy, c.Ring = balance.RingHash, balance.Ring{Min: 1, Max: 1}
	got := counts(picks(group(t, c, members(3, nil)...), 300, hashed))
	if len(got) != 1 || len(maps.Collect(maps.All(got))) != 1 {
		t.Errorf("a ring of one point has hosts %v", got)
	}
}

func TestPriorities(t *testing.T) {
	// Ten hosts in each of two priorities; so many of the first are healthy.
	for _, c := range []struct {
		name           string
		first, second  int // healthy
		overprovision  int
		panic          int
		want           float64 // share of the first priority
		unhealthyToo   bool    // of those asked there
		nobodyIsAnswer bool
	}{
		{name: "all healthy", first: 10, second: 10, overprovision: 140, panic: 50, want: 1},
		{name: "as many as the factor bears", first: 8, second: 10, overprovision: 140, panic: 50, want: 1},
		{name: "half", first: 5, second: 10, overprovision: 140, panic: 50, want: .70},
		{name: "half without a factor", first: 5, second: 10, overprovision: 100, panic: 50, want: .50},
		{name: "none", first: 0, second: 10, overprovision: 140, panic: 50, want: 0},
		{name: "both few", first: 2, second: 3, overprovision: 140, panic: 0, want: .40 + .01},
		{name: "both few, panic", first: 2, second: 3, overprovision: 140, panic: 50, want: .5, unhealthyToo: true},
		{name: "nobody, panic", first: 0, second: 0, overprovision: 140, panic: 50, want: .5, unhealthyToo: true},
		{name: "nobody", overprovision: 140, nobodyIsAnswer: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := balance.DefaultConfig()
			config.Overprovision, config.Panic = c.overprovision, c.panic
			g := group(t, config, members(20, func(i int, m *balance.Member) {
				m.Priority = i / 10
				m.Down = i < 10 && i >= c.first || i >= 10 && i-10 >= c.second
			})...)
			const n = 10000
			got := counts(picks(g, n, nil))
			if c.nobodyIsAnswer {
				if got[0] != n {
					t.Errorf("picked %v", got)
				}
				return
			}
			first, unwell := 0, 0
			for who, k := range got {
				if who <= 10 {
					first += k
				}
				if who == 0 || who <= 10 && who > c.first || who > 10 && who-10 > c.second {
					unwell += k
				}
			}
			if dev := 6 * math.Sqrt(c.want*(1-c.want)/n); math.Abs(float64(first)/n-c.want) > dev {
				t.Errorf("the first priority had %d of %d, want %.2f ± %.3f", first, n, c.want, dev)
			}
			if unwell > 0 != c.unhealthyToo {
				t.Errorf("unhealthy ones had %d", unwell)
			}
		})
	}
}

func TestLocalities(t *testing.T) {
	for _, p := range []balance.Policy{balance.RoundRobin, balance.LeastRequest, balance.Maglev, balance.Random} {
		config := balance.DefaultConfig()
		config.Policy, config.Localities = p, true
		place := func(down int) []balance.Member {
			return members(8, func(i int, m *balance.Member) {
				m.Locality, m.Share, m.Down = i/4, 1+2*(i/4), i >= 8-down
			})
		}
		g := group(t, config, place(0)...)
		const n = 8000
		share := func() float64 {
			got := counts(picks(g, n, hashed))
			return float64(got[5]+got[6]+got[7]+got[8]) / n
		}
		if s := share(); math.Abs(s-.75) > .03 {
			t.Errorf("policy %d: the heavy locality had %.3f", p, s)
		}
		// Half of its hosts bear 0.7 of its weight: 2.1 of 3.1.
		g.Set(config, place(2))
		if s := share(); math.Abs(s-2.1/3.1) > .03 {
			t.Errorf("policy %d: with half of its hosts it had %.3f", p, s)
		}
	}
}

func TestSameAddressTwice(t *testing.T) {
	g := group(t, balance.DefaultConfig(), append(members(2, nil), members(2, nil)...)...)
	if got := counts(picks(g, 10, nil)); got[1] != 5 || len(g.States()) != 2 {
		t.Errorf("picked %v of %v", got, g.States())
	}
}

// A host that leaves with a request under way is the same when it comes back.
func TestLeavingWithRequests(t *testing.T) {
	c := balance.DefaultConfig()
	g := group(t, c, members(1, nil)...)
	h := g.Pick(balance.Key{})
	g.Set(c, nil)
	if g.Host(h.Addr) != h {
		t.Error("its request cannot come back")
	}
	g.Set(c, members(1, nil))
	if s := g.States(); s[0].Active != 1 {
		t.Errorf("states %+v", s)
	}
	g.Done(g.Host(h.Addr), 200, balance.NoFault)
	if s := g.States(); s[0].Active != 0 {
		t.Errorf("states %+v", s)
	}
}

func TestPickAllocatesNothing(t *testing.T) {
	for _, p := range []balance.Policy{balance.RoundRobin, balance.LeastRequest, balance.RingHash, balance.Maglev, balance.Random} {
		for _, weighted := range []bool{false, true} {
			c := balance.DefaultConfig()
			c.Policy = p
			o := balance.DefaultOutlier()
			c.Outlier = &o
			g := group(t, c, members(3, func(i int, m *balance.Member) {
				if weighted {
					m.Weight = i + 1
				}
			})...)
			if n := testing.AllocsPerRun(100, func() { g.Done(g.Pick(balance.Key{}), 200, balance.NoFault) }); n != 0 {
				t.Errorf("policy %d, weighted %t: %v allocations", p, weighted, n)
			}
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, c := range []struct {
		name   string
		policy balance.Policy
	}{{"round robin", balance.RoundRobin}, {"least request", balance.LeastRequest}, {"ring", balance.RingHash}, {"maglev", balance.Maglev}} {
		b.Run(c.name, func(b *testing.B) {
			config := balance.DefaultConfig()
			config.Policy = c.policy
			g := group(b, config, members(3, nil)...)
			b.ReportAllocs()
			for b.Loop() {
				g.Done(g.Pick(balance.Key{}), 200, balance.NoFault)
			}
		})
	}
}
