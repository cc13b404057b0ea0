package loadtest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// TestTraffic holds a generator to all that a load can be beside Poisson
// arrivals of equal requests: profiles, traces, requests that differ each time,
// pauses for thinking, connections that do not last.
func TestTraffic(t *testing.T, g load.Generator) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, load.Generator)
	}{
		{"Profiles", testProfiles},
		{"Trace", testTrace},
		{"Varied", func(t *testing.T, g load.Generator) { testVaried(t, g, load.HTTP1) }},
		{"Think", testThink},
		{"ThinkAtRandom", testThinkAtRandom},
		{"ThinkCount", testThinkCount},
		{"Fresh", testFresh},
		{"FreshKept", testFreshKept},
		{"FreshCap", testFreshCap},
		{"FreshClosed", testFreshClosed},
		{"Churn", testChurn},
		{"ChurnOfBusy", testChurnBusy},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, g) })
	}
}

// TestTrafficHTTP2 is what of it HTTP/2 does otherwise.
func TestTrafficHTTP2(t *testing.T, g load.Generator) {
	t.Helper()
	t.Run("Varied", func(t *testing.T) { testVaried(t, g, load.HTTP2) })
	t.Run("Fresh", testHTTP2Fresh(g))
	t.Run("Churn", testHTTP2Churn(g))
}

func testProfiles(t *testing.T, g load.Generator) {
	p := population(5)
	session := open(t, g, p, listen(t, always(ok)).target(8, 512), listen(t, always(ok)).target(8, 512))
	for text, process := range map[string]load.Arrivals{
		"200/s..3000/s for 200ms, 500/s for 50ms": load.Poisson,
		"4000/s for 20ms, 0/s for 40ms; repeat":   load.Poisson,
		"0/s..2000/s for 200ms, 1000/s for 50ms":  load.Uniform,
	} {
		profile, err := load.ParseProfile(text)
		if err != nil {
			t.Fatal(err)
		}
		l := load.Load{Profile: &profile, Arrivals: process, Seed: 6}
		if profile.Repeat {
			l.Duration = 250 * time.Millisecond
		}
		samples, stats := generate(t, session, l)
		checkSchedule(t, l, 2, p, samples, stats)
		checkClasses(t, samples, load.OK)
		if stats.Sent != len(samples) {
			t.Errorf("%s: %d sent of %d", text, stats.Sent, len(samples))
		}
	}
}

func testTrace(t *testing.T, g load.Generator) {
	trace, err := load.ReadTrace(strings.NewReader("tare-trace/1\ntime,user\n0,2\n0,1\n0.010000001,0\n0.2,2\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := population(3)
	l := load.Load{Trace: trace, Seed: 9}
	samples, stats := generate(t, open(t, g, p, listen(t, always(ok)).target(2, 8)), l)
	checkSchedule(t, l, 1, p, samples, stats)
	checkClasses(t, samples, load.OK)
	for i, user := range []uint32{2, 1, 0, 2} {
		if samples[i].User != user {
			t.Errorf("arrival %d is of user %d, the trace says %d", i, samples[i].User, user)
		}
	}
}

// heard is what a server was asked.
type heard struct {
	method, path, pick string
	body               []byte
}

// variedRequests differ each time, in every way there is. One carries more than
// a kernel takes at once.
func variedRequests() []load.Request {
	numbered := [2]string{"X-N", "{n}"}
	return []load.Request{
		{Weight: 3, Method: "GET", Path: "/u{user}/{n}?r={random:1..1000}&id={uuid}", Template: true, Header: [][2]string{numbered, {"X-Pick", "{pick:a|b|c}-{hex:9}"}}},
		{Weight: 2, Method: "POST", Path: "/a", Template: true, Header: [][2]string{numbered}, Content: []byte(`{{"n":{n},"pad":"` + strings.Repeat("x", 3<<20) + `","by":{user}}}`)},
		{Weight: 2, Method: "POST", Path: "/sized", Template: true, Header: [][2]string{numbered}, Size: &load.Distribution{Shape: load.Evenly, Low: 0, High: 2 << 20}},
		{Weight: 2, Method: "PUT", Path: "/short", Template: true, Header: [][2]string{numbered}, Content: []byte("{random:0..9}")},
		{Weight: 1, Method: "PUT", Path: "/{n}", Header: [][2]string{{"X-N", "none"}}, Content: []byte("{alike each time}")},
	}
}

// testVaried: every request is what its templates, its number and the seed say.
func testVaried(t *testing.T, g load.Generator, protocol load.Protocol) {
	var mu sync.Mutex
	got, alike := map[string]heard{}, 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it shows as a request that was not heard
		}
		mu.Lock()
		defer mu.Unlock()
		n, h := r.Header.Get("X-N"), heard{r.Method, r.RequestURI, r.Header.Get("X-Pick"), body}
		if n == "none" && h.path == "/{n}" && string(body) == "{alike each time}" {
			alike++
			return
		}
		if _, twice := got[n]; twice || r.ContentLength >= 0 && r.ContentLength != int64(len(body)) {
			h.method = "twice, or of a length that it does not say"
		}
		got[n] = h
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	addr := s.Listener.Addr().String()
	target := load.Target{Name: addr, Addr: addr, Protocol: protocol, Connections: 3, MaxConnections: 64}
	if protocol == load.HTTP2 {
		target.Streams = 4
	}
	p := population(3)
	p.Requests = variedRequests()
	l := load.Load{Rate: 300, Each: 40, Seed: 31}
	samples, stats := generate(t, open(t, g, p, target), l)
	checkSchedule(t, l, 1, p, samples, stats)
	checkClasses(t, samples, load.OK)

	schedule, err := load.NewSchedule(l, 1, p)
	if err != nil {
		t.Fatal(err)
	}
	unheard := 0
	for a, more := schedule.Next(); more; a, more = schedule.Next() {
		if a.Request == len(p.Requests)-1 {
			unheard++
			continue
		}
		want, h := wantOf(t, p.Requests[a.Request], l.Seed, a), got[fmt.Sprint(a.Number)]
		if h.method != want.method || h.path != want.path || h.pick != want.pick || !bytes.Equal(h.body, want.body) {
			t.Errorf("request %d of kind %d: the server heard %s %s %q and a body of %d bytes, want %s %s %q and %d", a.Number, a.Request,
				h.method, h.path, h.pick, len(h.body), want.method, want.path, want.pick, len(want.body))
		}
	}
	if alike != unheard {
		t.Errorf("%d requests of the kind that is alike each time, want %d", alike, unheard)
	}
}

// wantOf is what a request is to be.
func wantOf(t *testing.T, r load.Request, seed uint64, a load.Arrival) heard {
	t.Helper()
	render := func(text string, place uint64) []byte {
		parsed, err := load.ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed.Append(nil, load.Vars{Seed: seed, Number: uint64(a.Number), User: a.User, Place: place})
	}
	want := heard{method: r.Method, path: string(render(r.Path, load.PathPlace)), body: render(string(r.Content), load.ContentPlace)}
	for i, h := range r.Header {
		if h[0] == "X-Pick" {
			want.pick = string(render(h[1], load.HeaderPlace+uint64(i)))
		}
	}
	if r.Size != nil {
		sizes, err := r.Sizes(seed)
		if err != nil {
			t.Fatal(err)
		}
		want.body = bytes.Repeat([]byte{'.'}, int(sizes.Draw(uint64(a.Number))))
	}
	return want
}

// testThink: between an answer and the next request of a connection lies the
// pause, and no response time holds it.
func testThink(t *testing.T, g load.Generator) {
	const pause = 30 * time.Millisecond
	target := listen(t, always(ok)).target(2, 2)
	l := load.Load{Closed: true, Duration: 300 * time.Millisecond, Seed: 3, Think: &load.Distribution{Shape: load.Fixed, Mean: float64(pause)}}
	samples, stats := generate(t, open(t, g, load.Population{}, target), l)
	checkClasses(t, samples, load.OK)
	// Two loops of at most 300/30 requests each.
	if n := len(samples); n < 2 || n > 20 {
		t.Errorf("%d requests, at most 20 fit with a pause of %v", n, pause)
	}
	// The requests of a loop are every other one's at the least: the k-th of all
	// cannot come before ⌊k/2⌋ pauses have passed.
	for k, s := range samples {
		checkSample(t, s)
		if s.Intended != s.Written {
			t.Errorf("request %d: intended %v, written %v", k, s.Intended, s.Written)
		}
		if since := s.Written - stats.Began; since < time.Duration(k/2)*pause {
			t.Errorf("request %d was written after %v: %d pauses had to pass", k, since, k/2)
		}
	}
}

// testThinkAtRandom: the pauses of a single loop are those that the seed draws.
func testThinkAtRandom(t *testing.T, g load.Generator) {
	l := load.Load{Closed: true, Each: 25, Seed: 8, Think: &load.Distribution{Shape: load.Exponential, Mean: float64(8 * time.Millisecond)}}
	samples, _ := generate(t, open(t, g, load.Population{}, listen(t, always(ok)).target(1, 1)), l)
	checkClasses(t, samples, load.OK)
	if len(samples) != 25 {
		t.Fatalf("%d requests, want 25", len(samples))
	}
	pauses, err := l.Thinking()
	if err != nil {
		t.Fatal(err)
	}
	for i := range samples[1:] {
		if got, want := samples[i+1].Written-samples[i].LastByte, time.Duration(pauses.Draw(uint64(i))); got < want {
			t.Errorf("pause %d was %v, want %v", i, got, want)
		}
	}
}

// testThinkCount: a load of a number of requests makes them all, pauses or not.
func testThinkCount(t *testing.T, g load.Generator) {
	l := load.Load{Closed: true, Each: 40, Seed: 8, Think: &load.Distribution{Shape: load.Evenly, High: float64(10 * time.Millisecond)}}
	one, other := listen(t, always(ok)), listen(t, func(*net.TCPConn, []string) bool { return false })
	samples, _ := generate(t, open(t, g, load.Population{}, one.target(4, 4), other.target(4, 4)), l)
	counts := map[uint16]int{}
	for _, s := range samples {
		counts[s.Target]++
	}
	if counts[0] != 40 || counts[1] != 40 {
		t.Errorf("requests per target %v, want 40 each", counts)
	}
}
