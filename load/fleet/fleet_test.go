package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/fleet"
	"github.com/taremesh/tare/load/openloop"
	"github.com/taremesh/tare/stat"
)

// The test binary is its own generator when this is set.
const childEnv = "TARE_FLEET_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	if err := openloop.Serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// crew are workers of this process, each with a generator's process of its own.
type crew struct {
	leave []context.CancelFunc
	ended []chan error
	kept  []*kept
}

// kept is a generator that keeps what its sessions handed over, as it was
// measured.
type kept struct {
	load.Generator
	mu      sync.Mutex
	samples []load.Sample
	ahead   time.Duration // by which its clock is before the machine's
}

func (k *kept) Open(ctx context.Context, targets []load.Target, p load.Population) (load.Session, error) {
	s, err := k.Generator.Open(ctx, targets, p)
	if err != nil {
		return nil, err
	}
	return &keptSession{s.(*openloop.Session), k}, nil
}

type keptSession struct {
	*openloop.Session
	k *kept
}

func (s *keptSession) Epoch() time.Duration { return s.Session.Epoch() + s.k.ahead }

func (s *keptSession) Generate(ctx context.Context, l load.Load, sink load.Sink) (load.Stats, error) {
	take := sink.Samples
	sink.Samples = func(part []load.Sample) error {
		s.k.mu.Lock()
		s.k.samples = append(s.k.samples, part...)
		s.k.mu.Unlock()
		return take(part)
	}
	return s.Session.Generate(ctx, l, sink)
}

// hire starts n workers; the k-th has a clock that is k hours ahead.
func hire(t *testing.T, i fleet.Invitation, n int, check func(load.Target) error) *crew {
	t.Helper()
	launcher, err := process.NewLauncher("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(launcher.Close)
	began := time.Now()
	c := &crew{}
	for k := range n {
		g := openloop.New(openloop.Config{Launcher: launcher, Env: []string{childEnv + "=1", "GORACE=atexit_sleep_ms=0"}})
		ahead := time.Duration(k) * time.Hour
		keep := &kept{Generator: g, ahead: ahead}
		config := fleet.WorkerConfig{Name: fmt.Sprintf("w%d", k), Generator: keep, Check: check}
		if k > 0 { // the first has the clock of the machine
			config.Clock = func() time.Duration { return fleet.Monotonic() + ahead }
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- fleet.Work(ctx, i, config) }()
		c.leave, c.ended, c.kept = append(c.leave, cancel), append(c.ended, ended), append(c.kept, keep)
	}
	t.Cleanup(func() {
		for k := range c.ended {
			c.leave[k]()
			<-c.ended[k]
		}
		t.Logf("the workers were there for %v", time.Since(began))
	})
	return c
}

func gather(t *testing.T, c fleet.Config, targets []load.Target, p load.Population) (load.Session, *crew) {
	t.Helper()
	var joined atomic.Int32
	c.Joined = func(string, int) { joined.Add(1) }
	f := listen(t, c)
	workers := hire(t, invite(t, f), c.Workers, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := f.Open(ctx, targets, p)
	if err != nil {
		t.Fatal(err)
	}
	if int(joined.Load()) != c.Workers {
		t.Errorf("%d workers were announced, of %d", joined.Load(), c.Workers)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, workers
}

func serve(t *testing.T, handler http.HandlerFunc) load.Target {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	target, _, err := load.ParseTarget(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	target.Connections, target.MaxConnections = 8, 64
	return target
}

// two users and two kinds of request.
var mixed = load.Population{
	Users:    []load.User{{Weight: 1, Header: [][2]string{{"X-User", "0"}}}, {Weight: 3, Header: [][2]string{{"X-User", "1"}}}},
	Requests: []load.Request{{Method: "GET", Path: "/a", Weight: 2}, {Method: "GET", Path: "/b", Weight: 1}},
}

// What four workers offer together is the one schedule, request for request,
// each sample as it was measured, whatever their clocks say.
func TestUnionIsTheSchedule(t *testing.T) {
	var mu sync.Mutex
	served := map[string]int{}
	handler := func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		served[r.Header.Get("X-User")+r.URL.Path]++
		mu.Unlock()
	}
	targets := []load.Target{serve(t, handler), serve(t, handler)}
	s, workers := gather(t, fleet.Config{Workers: 4}, targets, mixed)
	for round, l := range []load.Load{{Rate: 2000, Duration: 500 * time.Millisecond, Seed: 7}, {Rate: 2000, Each: 301, Seed: 8}} {
		clear(served)
		for _, k := range workers.kept {
			k.samples = nil
		}
		samples, stats, err := load.Collect(t.Context(), s, l)
		if err != nil {
			t.Fatal(err)
		}
		schedule, err := load.NewSchedule(l, len(targets), mixed)
		if err != nil {
			t.Fatal(err)
		}
		asked := map[string]int{}
		n := 0
		for a, ok := schedule.Next(); ok; a, ok = schedule.Next() {
			if n == len(samples) {
				t.Fatalf("round %d: %d samples, and the schedule has more", round, n)
			}
			x := samples[n]
			if x.Intended != stats.Began+a.At || int(x.Target) != a.Target || int(x.User) != a.User || int(x.Request) != a.Request || x.Class != load.OK {
				t.Fatalf("round %d: sample %d is %+v, the schedule (from %v) wants %+v", round, n, x, stats.Began, a)
			}
			asked[fmt.Sprint(a.User)+mixed.Requests[a.Request].Path]++
			n++
		}
		if n != len(samples) || stats.Scheduled != n || stats.Sent != n {
			t.Errorf("round %d: %d samples, want %d; %+v", round, len(samples), n, stats)
		}
		if fmt.Sprint(asked) != fmt.Sprint(served) {
			t.Errorf("round %d: the services saw %v, the schedule asks %v", round, served, asked)
		}
		holdAgainstPooled(t, samples, workers.kept)
		checkClocks(t, stats.Parts)
	}
}

// checkClocks: the offsets are those that the workers were given.
func checkClocks(t *testing.T, parts []load.Part) {
	t.Helper()
	for _, m := range parts {
		hours, err := strconv.Atoi(m.Name[1:]) // they join in any order
		if err != nil {
			t.Fatal(err)
		}
		ahead := time.Duration(hours) * time.Hour
		if off := (m.Offset - ahead).Abs(); off > m.Bound || m.Lost != "" || m.Missing != 0 || m.Stats.Sent == 0 {
			t.Errorf("%+v: its clock is %v ahead", m, ahead)
		}
	}
}

// holdAgainstPooled compares quantiles of the merged samples with those of what
// the workers' own generators measured, pooled: they are equal to the nanosecond.
func holdAgainstPooled(t *testing.T, merged []load.Sample, workers []*kept) {
	t.Helper()
	var pooled []load.Sample
	for k, w := range workers {
		if len(w.samples) < len(merged)/len(workers) {
			t.Errorf("worker %d measured %d of %d samples", k, len(w.samples), len(merged))
		}
		pooled = append(pooled, w.samples...)
	}
	for name, of := range map[string]func(load.Sample) time.Duration{
		"response": load.Sample.Response, "service": load.Sample.Service, "lateness": load.Sample.Lateness,
	} {
		a, b := sorted(merged, of), sorted(pooled, of)
		for _, q := range []float64{0, .01, .25, .5, .9, .99, .999, 1} {
			if x, y := stat.Quantile(a, q), stat.Quantile(b, q); x != y {
				t.Errorf("quantile %v of %s is %v merged and %v pooled", q, name, x, y)
			}
		}
		if !slices.Equal(a, b) {
			t.Errorf("%s: the merged samples are not the pooled ones", name)
		}
	}
}

func sorted(samples []load.Sample, of func(load.Sample) time.Duration) []float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = float64(of(s))
	}
	slices.Sort(all)
	return all
}

// A closed loop is shared out too: each target gets its count, and the users
// are those that the seed draws.
func TestClosedLoadIsShared(t *testing.T) {
	target := serve(t, func(http.ResponseWriter, *http.Request) {})
	s, _ := gather(t, fleet.Config{Workers: 2}, []load.Target{target}, mixed)
	l := load.Load{Closed: true, Each: 501, Seed: 5}
	samples, stats, err := load.Collect(t.Context(), s, l)
	if err != nil || len(samples) != 501 || stats.Sent != 501 {
		t.Fatalf("%d samples, %+v, error %v", len(samples), stats, err)
	}
	senders, err := load.NewSenders(l, mixed)
	if err != nil {
		t.Fatal(err)
	}
	var got, want [2][2]int
	for _, x := range samples {
		got[x.User][x.Request]++
		user, request := senders.Next()
		want[user][request]++
	}
	if got != want {
		t.Errorf("users and requests were %v, the seed draws %v", got, want)
	}
}

// loseOne offers a load and lets the last worker's connection end after a while.
func loseOne(t *testing.T, rule fleet.Rule) (load.Session, []load.Sample, load.Stats, error) {
	t.Helper()
	var served atomic.Int32
	var workers *crew
	var gone sync.Once
	target := serve(t, func(http.ResponseWriter, *http.Request) {
		if served.Add(1) > 300 {
			gone.Do(workers.leave[2])
		}
	})
	s, hired := gather(t, fleet.Config{Workers: 3, Rule: rule}, []load.Target{target}, load.Population{})
	workers = hired
	samples, stats, err := load.Collect(t.Context(), s, load.Load{Rate: 1000, Duration: 1500 * time.Millisecond, Seed: 3})
	return s, samples, stats, err
}

func lostOf(t *testing.T, parts []load.Part) load.Part {
	t.Helper()
	var lost []load.Part
	for _, m := range parts {
		if m.Lost != "" {
			lost = append(lost, m)
		}
	}
	if len(lost) != 1 || !strings.Contains(lost[0].Lost, lost[0].Name) {
		t.Fatalf("lost: %+v", lost)
	}
	return lost[0]
}

func TestLostWorkerVoidsTheLoad(t *testing.T) {
	s, _, stats, err := loseOne(t, fleet.Void)
	var lost *fleet.LostError
	if !errors.As(err, &lost) || lost.Worker != lostOf(t, stats.Parts).Name {
		t.Fatalf("error %v", err)
	}
	if _, _, again := load.Collect(t.Context(), s, load.Load{Rate: 10, Each: 1}); again == nil {
		t.Error("a session whose messages may be out of step went on")
	}
}

func TestLostWorkerAndTheOthersGoOn(t *testing.T) {
	s, samples, stats, err := loseOne(t, fleet.GoOn)
	if err != nil {
		t.Fatal(err)
	}
	lost := lostOf(t, stats.Parts)
	schedule, err := load.NewSchedule(load.Load{Rate: 1000, Duration: 1500 * time.Millisecond, Seed: 3}, 1, load.Population{})
	if err != nil {
		t.Fatal(err)
	}
	scheduled := 0
	for _, ok := schedule.Next(); ok; _, ok = schedule.Next() {
		scheduled++
	}
	if stats.Scheduled != scheduled || lost.Missing < scheduled/6 || len(samples)+lost.Missing != scheduled {
		t.Errorf("%d samples and %d missing of %d scheduled; %+v", len(samples), lost.Missing, scheduled, stats)
	}
	// The next load is shared out among those that are left.
	samples, stats, err = load.Collect(t.Context(), s, load.Load{Rate: 1000, Each: 100, Seed: 4})
	if err != nil || len(samples) != 100 || stats.Scheduled != 100 {
		t.Errorf("without the lost worker: %d samples, %+v, error %v", len(samples), stats, err)
	}
}

func TestCancelKeepsWhatWasDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var served atomic.Int32
	target := serve(t, func(http.ResponseWriter, *http.Request) {
		if served.Add(1) == 100 {
			cancel()
		}
	})
	s, _ := gather(t, fleet.Config{Workers: 2}, []load.Target{target}, load.Population{})
	samples, stats, err := load.Collect(ctx, s, load.Load{Rate: 500, Duration: time.Hour / 60, Seed: 3})
	if !errors.Is(err, context.Canceled) || len(samples) < 80 || len(samples) > stats.Scheduled {
		t.Fatalf("%d samples, %+v, error %v", len(samples), stats, err)
	}
	samples, _, err = load.Collect(t.Context(), s, load.Load{Rate: 500, Each: 20, Seed: 4})
	if err != nil || len(samples) != 20 {
		t.Errorf("after a load that was canceled: %d samples, error %v", len(samples), err)
	}
}

func TestWorkerRefusesTargets(t *testing.T) {
	f := listen(t, fleet.Config{Workers: 1})
	hire(t, invite(t, f), 1, func(target load.Target) error { return fmt.Errorf("%s is not for this machine", target.Addr) })
	target := serve(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := f.Open(t.Context(), []load.Target{target}, load.Population{}); err == nil || !strings.Contains(err.Error(), "worker w0: "+target.Addr+" is not for this machine") {
		t.Errorf("error %v", err)
	}
}

func TestFleetRefuses(t *testing.T) {
	for _, c := range []fleet.Config{{}, {Workers: 1, Rule: "perhaps"}, {Workers: 1, Listen: "127.0.0.1:99999"}} {
		if f, err := fleet.Listen(c); err == nil {
			_ = f.Close()
			t.Errorf("no error for %+v", c)
		}
	}
	f := listen(t, fleet.Config{Workers: 3})
	few := load.Target{Name: "few", Addr: "127.0.0.1:1", Connections: 2, MaxConnections: 2}
	if _, err := f.Open(t.Context(), []load.Target{few}, load.Population{}); err == nil || !strings.Contains(err.Error(), "2 connections for 3 workers") {
		t.Errorf("fewer connections than workers: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	few.Connections, few.MaxConnections = 3, 3
	if _, err := f.Open(ctx, []load.Target{few}, load.Population{}); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "0 of 3 workers") {
		t.Errorf("nobody came: %v", err)
	}
}
