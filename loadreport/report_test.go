package loadreport_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
	"github.com/taremesh/tare/stat"
)

// The quantiles are those of the samples, exactly, however they came.
func TestQuantilesAreExact(t *testing.T) {
	m := troubled()
	samples := m.samples(t)
	r := m.report(t, "errors<5%")
	var response, service, late []float64
	never := 0
	for _, s := range samples {
		late = append(late, float64(s.Lateness())/1e3)
		if !s.Whole() {
			never++
			continue
		}
		response, service = append(response, float64(s.Response())/1e3), append(service, float64(s.Service())/1e3)
	}
	if never == 0 {
		t.Fatal("the load has no request without an answer, so it shows nothing")
	}
	for name, c := range map[string]struct {
		got   loadreport.Quantiles
		want  []float64
		never int
	}{"latency": {r.Latency, response, never}, "service": {r.Service, service, never}, "lateness": {r.Lateness, late, 0}} {
		slices.Sort(c.want)
		endless := append(slices.Clone(c.want), slices.Repeat([]float64{1e300}, c.never)...)
		for _, q := range []struct {
			got *float64
			q   float64
		}{{c.got.P50, 0.5}, {c.got.P90, 0.9}, {c.got.P99, 0.99}} {
			if want := stat.Quantile(endless, q.q); q.got == nil || math.Abs(*q.got-want) > 1e-9*want {
				t.Errorf("%s: the quantile %g is %v, want %v", name, q.q, q.got, want)
			}
		}
		if c.got.P999 != nil || !strings.Contains(c.got.Why["p99.9"], "needs 100000") {
			t.Errorf("%s: p99.9 of %d requests: %v, %v", name, c.got.Count, c.got.P999, c.got.Why)
		}
		for _, level := range []string{"p50", "p90", "p99"} {
			x, ok := c.got.Intervals[level]
			v := map[string]*float64{"p50": c.got.P50, "p90": c.got.P90, "p99": c.got.P99}[level]
			// In the stalls' tail it has no upper end: some were never answered.
			if open := level == "p99" && c.never > 0; ok == open || ok && !(x.Low <= *v && *v <= x.High) {
				t.Errorf("%s: the interval of %s is %+v around %v", name, level, x, *v)
			}
		}
		if *c.got.Max != c.want[len(c.want)-1] {
			t.Errorf("%s: the greatest is %v", name, *c.got.Max)
		}
	}
	byClass := map[string][]float64{}
	for _, s := range samples {
		if s.Whole() {
			byClass[s.Class.String()] = append(byClass[s.Class.String()], float64(s.Response())/1e3)
		}
	}
	for _, c := range r.Classes {
		if c.Count != r.Outcomes[c.Class] || c.Latency.Count != len(byClass[c.Class]) {
			t.Errorf("class %s: %+v, outcomes %v", c.Class, c, r.Outcomes)
		}
		want := byClass[c.Class]
		if slices.Sort(want); len(want) >= 200 && math.Abs(*c.Latency.P50-stat.Quantile(want, 0.5)) > 1e-9 {
			t.Errorf("class %s: p50 %v", c.Class, *c.Latency.P50)
		}
	}
	if r.Errors != len(samples)-r.Outcomes["ok"] || r.Statuses["429"] != r.Outcomes["limited"] || len(r.Kinds) != 2 || r.Kinds[0].Count+r.Kinds[1].Count != len(samples) || r.Kinds[0].Name != "read" || r.Kinds[1].Name != "POST /orders" {
		t.Errorf("%d errors, %v, %+v", r.Errors, r.Statuses, r.Kinds)
	}
}

// When requests fail that are not answered is told for each class, and is in no
// latency.
func TestFailuresAreTimedApart(t *testing.T) {
	m := steady()
	m.answer = func(n int, _ *rand.Rand) (time.Duration, load.Class) {
		switch n % 20 {
		case 3:
			return 0, load.Reset
		case 4:
			return 0, load.Refused
		case 5:
			return time.Millisecond, load.Limited
		}
		return time.Millisecond, load.OK
	}
	want := map[string][]float64{}
	samples := m.samples(t)
	for _, s := range samples {
		if d, failed := s.Failure(); failed {
			want[s.Class.String()] = append(want[s.Class.String()], float64(d)/1e3)
		}
	}
	r := m.report(t, "errors<20%")
	for _, c := range r.Classes {
		times := want[c.Class]
		if (c.Failed != nil) != (len(times) > 0) {
			t.Errorf("class %s: %d requests failed, told of %+v", c.Class, len(times), c.Failed)
		}
		if c.Failed == nil {
			continue
		}
		slices.Sort(times)
		if c.Failed.Count != len(times) || c.Latency.Count != 0 || c.Latency.Max != nil || *c.Failed.Max != times[len(times)-1] || math.Abs(*c.Failed.P50-stat.Quantile(times, 0.5)) > 1e-6 ||
			c.Failed.P99 != nil || c.Failed.Why["p99"] == "" {
			t.Errorf("class %s: %+v, latency %+v", c.Class, c.Failed, c.Latency)
		}
	}
	if len(want) != 2 || *r.Latency.Max > 1100 || r.Latency.Count != len(samples)-len(want["reset"])-len(want["refused"]) {
		t.Errorf("%d classes; latency %+v", len(want), r.Latency)
	}
	var text, page, data bytes.Buffer
	if err := errors.Join(r.Text(&text), r.HTML(&page), json.NewEncoder(&data).Encode(r)); err != nil {
		t.Fatal(err)
	}
	for _, where := range []struct{ in, want string }{{text.String(), "µs after the intended time"}, {page.String(), "How long until they failed"}, {data.String(), `"failed_us":{"count":`}} {
		if !strings.Contains(where.in, where.want) {
			t.Errorf("no %q in:\n%.2000s", where.want, where.in)
		}
	}
	var none bytes.Buffer
	if err := steady().report(t, "errors<1%").Text(&none); err != nil || strings.Contains(none.String(), "after the intended time") {
		t.Errorf("%v; without a failure:\n%s", err, none.String())
	}
}

// The interval of a run whose times hang together is wider.
func TestIntervalsKnowStalls(t *testing.T) {
	width := func(m *made) float64 {
		r := m.report(t, "p50<1s")
		x := r.Latency.Intervals["p50"]
		return (x.High - x.Low) / *r.Latency.P50
	}
	even, stalled := steady(), steady()
	even.answer, stalled.answer = inRuns(1), inRuns(500)
	a, b := width(even), width(stalled)
	if !(b > 3*a) {
		t.Errorf("relative widths: %v of independent times, %v of those alike in a row", a, b)
	}
}

// inRuns answers so many requests in a row equally fast.
func inRuns(length int) func(int, *rand.Rand) (time.Duration, load.Class) {
	return func(n int, _ *rand.Rand) (time.Duration, load.Class) {
		r := rand.New(rand.NewPCG(uint64(n/length), 9))
		return time.Millisecond + time.Duration(r.IntN(10_000))*time.Microsecond, load.OK
	}
}

func TestChecks(t *testing.T) {
	for _, c := range []struct {
		name, check string
		want        loadreport.State
		verdict     loadreport.Verdict
		change      func(m *made)
	}{
		{"a sound load", "lateness p99", loadreport.OK, loadreport.Sound, nil},
		{"its work", "work", loadreport.OK, loadreport.Sound, nil},
		{"its arrivals", "arrivals", loadreport.OK, loadreport.Sound, nil},
		{"its goodput", "goodput", loadreport.OK, loadreport.Sound, nil},
		{"without a floor", "floor", loadreport.NotPossible, loadreport.Sound, nil},
		{"work at the limit", "work", loadreport.Failed, loadreport.Bottleneck, func(m *made) { m.stats.CPU = 6200 * time.Millisecond }},
		{"spin is no work", "work", loadreport.OK, loadreport.Sound, func(m *made) { m.stats.CPU, m.stats.Spin = 9*time.Second, 8*time.Second }},
		{"late at the median", "lateness p50", loadreport.Failed, loadreport.Late, func(m *made) { m.late = every(6 * time.Microsecond) }},
		{"late in the tail", "lateness p99", loadreport.Failed, loadreport.Late, func(m *made) {
			m.late = func(n int, _ *rand.Rand) time.Duration { return time.Duration(n%50/49) * 60 * time.Microsecond }
		}},
		{"requests that were not sent", "sent", loadreport.Failed, loadreport.Bottleneck, func(m *made) { m.stats.Scheduled = 25000 }},
		{"interrupted: not all were to be sent", "sent", loadreport.Failed, loadreport.Sound, func(m *made) { m.stats.Scheduled, m.interrupt = 25000, true }},
		{"all connections were busy", "work", loadreport.OK, loadreport.Queued, func(m *made) { m.stats.Saturated = true }},
		{"sent in bunches", "arrivals", loadreport.Failed, loadreport.Late, func(m *made) {
			at := 0
			m.late = func(n int, _ *rand.Rand) time.Duration {
				at = n % 40
				return time.Duration(40-at) * 500 * time.Microsecond
			}
		}},
		{"arrivals that are to be even", "arrivals", loadreport.NotPossible, loadreport.Sound, func(m *made) { m.load.Arrivals = load.Uniform }},
		{"too few for p99", "lateness p99", loadreport.NotPossible, loadreport.Sound, func(m *made) { m.load.Duration = time.Second }},
		{"a generator that counts no bytes", "goodput", loadreport.NotPossible, loadreport.Sound, func(m *made) { m.noBytes = true }},
		{"a target near the floor", "floor", loadreport.Failed, loadreport.Sound, func(m *made) { m.floor = steady().report(t, "p50<1s") }},
		{"a target far from the floor", "floor", loadreport.OK, loadreport.Sound, func(m *made) {
			m.floor = steady().report(t, "p50<1s")
			m.answer = func(int, *rand.Rand) (time.Duration, load.Class) { return time.Millisecond, load.OK }
		}},
	} {
		m := steady()
		if c.change != nil {
			c.change(m)
		}
		r := m.report(t, "errors<1%")
		i := slices.IndexFunc(r.Checks, func(k loadreport.Check) bool { return k.Name == c.check })
		if i < 0 || r.Checks[i].State != c.want || r.Verdict != c.verdict {
			t.Errorf("%s: verdict %s, want %s; check %s wanted %s: %+v", c.name, r.Verdict, c.verdict, c.check, c.want, r.Checks)
			continue
		}
		if k := r.Checks[i]; k.Words == "" || (k.State == loadreport.NotPossible) != (k.Figure == nil) {
			t.Errorf("%s: %+v", c.name, k)
		}
	}
}

func every(d time.Duration) func(int, *rand.Rand) time.Duration {
	return func(int, *rand.Rand) time.Duration { return d }
}

// CPU is that of all processes, without the spin.
func TestCPU(t *testing.T) {
	m := steady() // 120 ms under load of which 20 ms spin, 40 ms around it, 20 ms of the parent
	r := m.report(t, "errors<1%")
	n := float64(r.Requests)
	for name, x := range map[string][2]float64{
		"whole": {r.CPU, 160e3 / n}, "load": {r.CPUParts.Load, 100e3 / n}, "around": {r.CPUParts.Around, 40e3 / n}, "parent": {r.CPUParts.Parent, 20e3 / n},
		"spin": {r.SpinShare, 0.002}, "work": {r.WorkShare, 0.01},
	} {
		if math.Abs(x[0]-x[1]) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, x[0], x[1])
		}
	}
}

// A profile's arrivals are Poisson in the time that its rate makes.
func TestProfileArrivals(t *testing.T) {
	p, err := load.ParseProfile("200/s..4000/s for 5s, 100/s for 1s")
	if err != nil {
		t.Fatal(err)
	}
	m := &made{load: load.Load{Profile: &p, Seed: 3}, stats: load.Stats{Wall: 6 * time.Second}}
	r := m.report(t, "errors<1%")
	i := slices.IndexFunc(r.Checks, func(k loadreport.Check) bool { return k.Name == "arrivals" })
	if r.Checks[i].State != loadreport.OK || r.Profile == "" || math.Abs(r.Rate-10600.0/6) > 1 {
		t.Errorf("%+v, %q, rate %v", r.Checks[i], r.Profile, r.Rate)
	}
}

func TestJSONHasWhatIsPromised(t *testing.T) {
	text, err := json.Marshal(troubled().report(t, "p99<5ms"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"requests", "errors", "latency_us", "lateness_us", "cpu_us_per_request", "spin_share", "checks", "verdict", "floor", "conditions", "outcome", "classes", "spectrum", "warnings"} {
		if _, ok := got[field]; !ok {
			t.Errorf("no field %s", field)
		}
	}
	if got["tare"] != loadreport.Format || len(text) > 200<<10 {
		t.Errorf("%v, %d bytes", got["tare"], len(text))
	}
	var empty map[string]any
	m := steady()
	m.load.Rate, m.load.Duration = 1, time.Nanosecond
	if text, err = json.Marshal(m.report(t, "p99<5ms")); err != nil || json.Unmarshal(text, &empty) != nil {
		t.Errorf("a load without requests: %v", err)
	}
}

// The rows add up to the load, also when slots were joined.
func TestCSV(t *testing.T) {
	for _, seconds := range []int{1, 10, 100} {
		m := troubled()
		m.load.Duration, m.load.Rate = time.Duration(seconds)*time.Second, 20000/float64(seconds)
		r := m.report(t, "p99<5ms")
		var b bytes.Buffer
		if err := r.CSV(&b); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(rows) < 60 || len(rows) > 130 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		requests, errs := 0, 0
		for _, row := range rows[1:] {
			n, _ := strconv.Atoi(row[2])
			e, _ := strconv.Atoi(row[3])
			requests, errs = requests+n, errs+e
		}
		if requests != r.Requests || errs != r.Errors {
			t.Errorf("%d s: %d requests, %d errors; want %d, %d", seconds, requests, errs, r.Requests, r.Errors)
		}
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := troubled().report(t, "p99<5ms,p99.9<1s").Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"http/1.1, poisson arrivals at 2,000/s for 10 s, 16 connections, seed 7", "server-error", "POST /orders", "percentile   latency µs", "\n        99 ",
		"lateness p99 failed", "verdict    the generator was late", "condition  p99<5ms:", "FAILED", "condition  p99.9<1s: – undecided: p99.9 needs 100000 samples",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	m := steady()
	m.load = load.Load{Closed: true, Duration: time.Second, Seed: 1}
	c := loadreport.NewCollector(m.load, load.Population{})
	defer c.Close()
	r, err := c.Report(loadreport.Run{Load: m.load, NoFloor: "none"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Reset()
	if err := r.Text(&b); err != nil || !strings.Contains(b.String(), "closed loop") || r.Outcome != loadreport.OK {
		t.Errorf("a closed load without a request: %v\n%s", err, b.String())
	}
	if err := r.HTML(io.Discard); err != nil {
		t.Errorf("its page: %v", err)
	}
}

// The page is well-formed, has its pictures, and needs nothing from elsewhere.
func TestPage(t *testing.T) {
	m := troubled()
	m.requests[0].Name = `<b>&"`
	var b bytes.Buffer
	if err := m.report(t, "p99<5ms").HTML(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
	}
	for _, want := range []string{`id="heat-t"`, `id="heat-n-t"`, `id="spectrum-t"`, `id="lateness-t"`, `id="errors-t"`, "Content-Security-Policy", "&lt;b&gt;&amp;"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s on the page", want)
		}
	}
	for _, foreign := range []string{"<script", "<link", "<img", "@import", "url(", `href="`} {
		if strings.Contains(text, foreign) {
			t.Errorf("the page has %s", foreign)
		}
	}
	if len(text) > 400<<10 {
		t.Errorf("the page has %d bytes", len(text))
	}
}
