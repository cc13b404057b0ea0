package loadtest

import (
	"fmt"
	"math"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// testBodies: every request carries its target's body, whole, with its length
// before it, whether the kernel takes it at once or in parts; a target without
// one is asked as it would be alone.
func testBodies(t *testing.T, g load.Generator) {
	const each = 8
	sizes := []int{0, 1, 64 << 10, load.MaxBody}
	var targets []load.Target
	servers := make([]*server, len(sizes))
	wrong := make([]atomic.Int64, len(sizes))
	for i, size := range sizes {
		servers[i] = listen(t, func(c *net.TCPConn, request []string) bool {
			if header(request, "Content-Length") != fmt.Sprint(size) {
				wrong[i].Add(1)
			}
			return always(ok)(c, nil)
		})
		target := servers[i].target(2, 64)
		target.Body = size
		targets = append(targets, target)
	}
	samples, _ := generate(t, open(t, g, posting(population(7)), targets...), load.Load{Rate: 500, Each: each, Seed: 3})
	checkClasses(t, samples, load.OK)
	for i, size := range sizes {
		if got, want := servers[i].bodies.Load(), int64(each*size); got != want || wrong[i].Load() != 0 {
			t.Errorf("the server of bodies of %d bytes received %d bytes, want %d; %d requests said another length", size, got, want, wrong[i].Load())
		}
		if servers[i].pipelined() {
			t.Errorf("bodies of %d bytes: more came behind a body", size)
		}
	}
}

// posting is a population that posts.
func posting(p load.Population) load.Population {
	p.Requests = []load.Request{{Method: "POST", Path: "/"}}
	return p
}

// testLongHead: a head that no kernel takes at once comes before its body.
func testLongHead(t *testing.T, g load.Generator) {
	const length, size, each = 12 << 20, 1000, 3
	s := listen(t, func(c *net.TCPConn, request []string) bool {
		if len(header(request, "X-Long")) != length {
			return false
		}
		return always(ok)(c, nil)
	})
	target := s.target(1, 1)
	target.Body = size
	p := load.Population{Users: []load.User{{Weight: 1, Header: [][2]string{{"X-Long", strings.Repeat("x", length)}}}}}
	samples, _ := generate(t, open(t, g, posting(p), target), load.Load{Rate: 100, Each: each, Seed: 3})
	checkClasses(t, samples, load.OK)
	if got := s.bodies.Load(); got != each*size {
		t.Errorf("the server received %d bytes of bodies, want %d", got, each*size)
	}
}

// testEarlyAnswer: a server that answers before it has read the body is
// answered, and its connection is not used again.
func testEarlyAnswer(t *testing.T, g load.Generator) {
	s := listen(t, always("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"))
	s.early.Store(true)
	target := s.target(1, 1)
	target.Body = 8 << 20
	samples, _ := generate(t, open(t, g, posting(load.Population{}), target), load.Load{Rate: 200, Each: 5, Seed: 3})
	checkClasses(t, samples, load.Limited)
}

// testWeights: targets are drawn in proportion to their weights, from one
// schedule, and a weight of 0 gets nothing.
func testWeights(t *testing.T, g load.Generator) {
	weights := []float64{300, 0, 1200}
	var targets []load.Target
	for range weights {
		targets = append(targets, listen(t, always(ok)).target(4, 256))
	}
	l := load.Load{Rate: 1500, Duration: 800 * time.Millisecond, Weights: weights, Seed: 8}
	samples, stats := generate(t, open(t, g, load.Population{}, targets...), l)
	checkSchedule(t, l, len(targets), load.Population{}, samples, stats)
	checkClasses(t, samples, load.OK)
	var counts [3]float64
	for _, s := range samples {
		counts[s.Target]++
	}
	n := float64(len(samples))
	if z := (counts[0] - n/5) / math.Sqrt(n*0.16); counts[1] != 0 || math.Abs(z) > 4 {
		t.Errorf("weights %v drew %v of %.0f requests", weights, counts, n)
	}
}
