package load_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

func containsText(err error, want string) bool { return strings.Contains(err.Error(), want) }

func traceOf(tb testing.TB, text string) *load.Trace {
	tb.Helper()
	trace, err := load.ReadTrace(strings.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	return trace
}

func ExampleReadTrace() {
	trace, err := load.ReadTrace(strings.NewReader("tare-trace/1\ntime,user\n0.0015,1\n0.0015,0\n2.25,1\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := load.NewSchedule(load.Load{Trace: trace}, 1, load.Population{Users: []load.User{{Weight: 1}, {Weight: 1}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for a, ok := s.Next(); ok; a, ok = s.Next() {
		fmt.Println(a.At, a.User)
	}
	// Output:
	// 1.5ms 1
	// 1.5ms 0
	// 2.25s 1
}

func TestTraceIsOffered(t *testing.T) {
	p := weights(1, 1, 1)
	p.Requests = []load.Request{{Method: "GET", Path: "/a", Weight: 1}, {Method: "GET", Path: "/b", Weight: 1}}
	trace := traceOf(t, "tare-trace/1\n# recorded in May\ntime, request ,user\n\n0.000000001,1,2\n0.5,0,0\n1,1,1\n1.000000000,0,2\n")
	var got []string
	l := load.Load{Trace: trace, Seed: 3}
	for _, a := range arrivals(t, l, 2, p) {
		got = append(got, fmt.Sprint(a.At.Nanoseconds(), a.Request, a.User))
	}
	if want := []string{"1 1 2", "500000000 0 0", "1000000000 1 1", "1000000000 0 2"}; !slices.Equal(got, want) {
		t.Errorf("arrivals %v, want %v", got, want)
	}
	l.Duration = time.Second
	if n := len(arrivals(t, l, 2, p)); n != 2 {
		t.Errorf("%d arrivals before a second, want 2", n)
	}
}

// What a trace does not say is drawn as without one.
func TestTraceLeavesTheRestToBeDrawn(t *testing.T) {
	var b strings.Builder
	b.WriteString("tare-trace/1\ntime\n")
	plain := arrivals(t, load.Load{Rate: 1000, Duration: time.Second, Seed: 6}, 3, weights(1, 2))
	for _, a := range plain {
		fmt.Fprintf(&b, "%d.%09d\n", a.At/time.Second, a.At%time.Second)
	}
	if got := arrivals(t, load.Load{Trace: traceOf(t, b.String()), Seed: 6}, 3, weights(1, 2)); !slices.Equal(got, plain) {
		t.Error("a schedule that was written down and read is another one")
	}
}

func TestTraceOfSamples(t *testing.T) {
	samples := []load.Sample{{Intended: 5 * time.Second, User: 1}, {Intended: 5*time.Second + 7, Request: 1}, {Intended: 8 * time.Second}}
	var file bytes.Buffer
	if err := load.EncodeSamples(&file, samples); err != nil {
		t.Fatal(err)
	}
	trace, err := load.ReadTrace(&file)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := trace.Write(&text); err != nil {
		t.Fatal(err)
	}
	const want = "tare-trace/1\ntime,request,user\n0.000000000,0,1\n0.000000007,1,0\n3.000000000,0,0\n"
	if text.String() != want || trace.Len() != 3 || trace.Last() != 3*time.Second {
		t.Errorf("the trace is %d arrivals until %v:\n%s", trace.Len(), trace.Last(), text.String())
	}
	if _, err := load.TraceOf(nil); err == nil {
		t.Error("a trace of no samples")
	}
}

func TestReadTraceRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                                 "no arrivals",
		"time\n1\n":                                        `line 1: it is "time"`,
		"tare-trace/2\ntime\n1\n":                          "line 1",
		"tare-trace/1\n1\n":                                "line 2: the columns",
		"tare-trace/1\ntime,time\n1,1\n":                   "line 2: the columns",
		"tare-trace/1\nuser\n1\n":                          "line 2: the columns",
		"tare-trace/1\ntime\n":                             "no arrivals",
		"tare-trace/1\ntime\n1\n2\n1.9\n":                  "line 5: the time 1.9s comes after 2s",
		"tare-trace/1\ntime\n-1\n":                         `line 3: the time: "-1"`,
		"tare-trace/1\ntime\n1e3\n":                        `line 3: the time: "1e3"`,
		"tare-trace/1\ntime\n.5\n":                         `line 3: the time: ".5"`,
		"tare-trace/1\ntime\n1.-5\n":                       "line 3",
		"tare-trace/1\ntime\n0.1234567890\n":               "nine digits",
		"tare-trace/1\ntime\n99999999\n":                   "line 3: the time is",
		"tare-trace/1\ntime\n1,2\n":                        "line 3: it has not as many fields",
		"tare-trace/1\ntime,user\n1\n":                     "line 3: it has not as many fields",
		"tare-trace/1\ntime,user\n1,-2\n":                  `line 3: the user: "-2"`,
		"tare-trace/1\ntime,request\n1,70000\n":            "line 3: the request is 70000",
		"tare-trace/1\ntime\n" + strings.Repeat("1", 2000): "bytes",
		"tare-samples/2\nx":                                "samples",
	} {
		if _, err := load.ReadTrace(strings.NewReader(text)); err == nil || !containsText(err, want) {
			t.Errorf("%.40q: error %v, want %q in it", text, err, want)
		}
	}
	trace := traceOf(t, "tare-trace/1\ntime,request,user\n1,1,1\n")
	both := weights(1, 1)
	both.Requests = []load.Request{{Method: "GET", Path: "/", Weight: 1}, {Method: "GET", Path: "/", Weight: 1}}
	if err := (load.Load{Trace: trace}).Check(1, both); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		l load.Load
		p load.Population
	}{
		"no such user":    {load.Load{Trace: trace}, load.Population{Requests: both.Requests}},
		"no such request": {load.Load{Trace: trace}, weights(1, 1)},
		"a rate beside":   {load.Load{Trace: trace, Rate: 1}, both},
		"a process":       {load.Load{Trace: trace, Arrivals: load.Poisson}, both},
		"a count":         {load.Load{Trace: trace, Each: 1}, both},
		"a profile":       {load.Load{Trace: trace, Profile: profileOf(t, "1/s for 1s")}, both},
		"closed":          {load.Load{Trace: trace, Closed: true}, both},
		"empty":           {load.Load{Trace: &load.Trace{}}, both},
	} {
		if c.l.Check(1, c.p) == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := load.NewSchedule(c.l, 1, c.p); err == nil {
			t.Errorf("%s: scheduled", name)
		}
	}
}

// A trace goes to the generator's process within its load.
func TestTraceAsJSON(t *testing.T) {
	p := weights(1, 1)
	l := load.Load{Trace: traceOf(t, "tare-trace/1\ntime,user\n1,0\n1.5,1\n1000,1\n")}
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	var back load.Load
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if got, want := arrivals(t, back, 1, p), arrivals(t, l, 1, p); !slices.Equal(got, want) {
		t.Errorf("arrivals %v, want %v", got, want)
	}
	for _, bad := range []string{`{"records":"!"}`, `{"records":"/w=="}`, `{"records":1}`, `{"records":"AQ==","users":true}`, `{"records":"////////////AQ=="}`} {
		if json.Unmarshal([]byte(bad), new(load.Trace)) == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

func FuzzReadTrace(f *testing.F) {
	f.Add([]byte("tare-trace/1\ntime,request,user\n0,0,0\n0.5,1,2\n# x\n1,0,0\n"))
	f.Add([]byte("tare-trace/1\ntime\n0.1\n9\n"))
	var file bytes.Buffer
	_ = load.EncodeSamples(&file, []load.Sample{{Intended: 1}, {Intended: 9, User: 3}})
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		trace, err := load.ReadTrace(bytes.NewReader(b))
		if err != nil {
			return
		}
		var text bytes.Buffer
		if err := trace.Write(&text); err != nil {
			t.Fatal(err)
		}
		again, err := load.ReadTrace(&text)
		if err != nil || again.Len() != trace.Len() || again.Last() != trace.Last() {
			t.Fatalf("written and read again: %v", err)
		}
	})
}

func FuzzTraceJSON(f *testing.F) {
	f.Add([]byte(`{"records":"AQIDBAU=","users":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		trace := new(load.Trace)
		if json.Unmarshal(b, trace) != nil || trace.Len() == 0 {
			return
		}
		s, err := load.NewSchedule(load.Load{Trace: trace}, 1, load.Population{})
		if err != nil {
			return // it names users that there are not
		}
		n := 0
		for _, ok := s.Next(); ok; _, ok = s.Next() {
			n++
		}
		if n != trace.Len() {
			t.Fatalf("%d arrivals of %d", n, trace.Len())
		}
	})
}
