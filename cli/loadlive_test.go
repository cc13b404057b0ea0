package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// What a load's line says, by what it is told.
func TestLiveLine(t *testing.T) {
	for _, c := range []struct {
		name string
		load load.Load
		told []load.Progress // the last is shown
		want string
	}{
		{"open", load.Load{Rate: 100, Duration: 90 * time.Second},
			[]load.Progress{{Elapsed: time.Second, Sent: 90}, {Elapsed: 3 * time.Second, Sent: 300, Done: 299, Failed: 2, P50: 123_456, P99: 98_765_432}},
			"1:27 left · 105/s · 300 sent · 2 errors · p50 ≈ 120µs · p99 ≈ 99ms"},
		{"too few for quantiles", load.Load{Rate: 100, Duration: 2 * time.Second}, []load.Progress{{Elapsed: time.Second, Sent: 90}},
			"0:01 left · 90/s · 90 sent · 0 errors · p50 – · p99 –"},
		{"answers outlive the schedule", load.Load{Rate: 100, Duration: 2 * time.Second}, []load.Progress{{Elapsed: 4 * time.Second, Sent: 200}},
			"0:00 left · 50/s · 200 sent · 0 errors · p50 – · p99 –"},
		{"closed", load.Load{Closed: true, Duration: time.Minute}, []load.Progress{{Elapsed: time.Second, Sent: 50_000}},
			"0:59 left · 50000/s · 50000 sent · 0 errors · p50 – · p99 –"},
		{"counted", load.Load{Closed: true, Each: 400}, []load.Progress{{Elapsed: time.Second, Sent: 101, Done: 100}},
			"0:03 left · 101/s · 101 sent · 0 errors · p50 – · p99 –"},
		{"counted, and none is answered", load.Load{Closed: true, Each: 400}, []load.Progress{{Elapsed: time.Second, Sent: 1}},
			"– left · 1/s · 1 sent · 0 errors · p50 – · p99 –"},
	} {
		l := &live{w: new(bytes.Buffer), load: c.load}
		for _, p := range c.told[:len(c.told)-1] {
			l.show(p)
		}
		if got := l.line(c.told[len(c.told)-1]); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
}

// Off a terminal a load has a plain line for each tenth of it, and the floor none.
func TestLivePlain(t *testing.T) {
	var out bytes.Buffer
	whole := &live{w: &out, load: load.Load{Rate: 10, Duration: time.Hour}}
	floor := &live{w: &out, name: "floor", load: load.Load{Rate: 10, Duration: time.Second}}
	for s := range 2 * 3600 {
		whole.show(load.Progress{Elapsed: time.Duration(s) * time.Second})
		floor.show(load.Progress{Elapsed: time.Duration(s) * time.Second})
	}
	whole.end()
	lines := strings.SplitAfter(out.String(), "\n")
	if len(lines) != 11 || lines[10] != "" || !strings.HasPrefix(lines[0], "54:00 left") || !strings.HasPrefix(lines[9], "0:00 left") || strings.ContainsAny(out.String(), "\r\x1b") {
		t.Errorf("%q", lines)
	}
}
