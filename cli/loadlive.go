package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
)

// gathered takes a load's samples while it runs.
type gathered struct {
	mu        sync.Mutex // samples and progress may come from two goroutines
	collector *loadreport.Collector
	live      *live
}

func newGathered(l load.Load, p load.Population, shown *live) *gathered {
	return &gathered{collector: loadreport.NewCollector(l, p), live: shown}
}

func (g *gathered) sink() load.Sink {
	return load.Sink{
		Samples: func(part []load.Sample) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.collector.Take(part)
		},
		Progress: func(p load.Progress) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.live.show(p)
		},
	}
}

// live says on standard error how far a load is: on a terminal in one line that
// is written anew, elsewhere in a plain line for each tenth of the load.
type live struct {
	w      io.Writer
	name   string // of what is loaded beside the target; on a terminal only
	load   load.Load
	before load.Progress
	tenths int // told in plain lines
}

func (l *live) show(p load.Progress) {
	line := l.line(p)
	terminal := newProgress(l.w, nil) // its width may have changed
	switch tenths := int(10 * l.done(p)); {
	case terminal.width > 0:
		terminal.rewrite(line)
	case l.name == "" && tenths > l.tenths:
		l.tenths = tenths
		fmt.Fprintln(l.w, line)
	}
	l.before = p
}

// line begins with what matters most: a narrow terminal shows no more.
func (l *live) line(p load.Progress) string {
	rate := 0.0
	if over := p.Elapsed - l.before.Elapsed; over > 0 {
		rate = float64(p.Sent-l.before.Sent) / over.Seconds()
	}
	line := fmt.Sprintf("%s left · %.0f/s · %d sent · %d errors · p50 %s · p99 %s", l.left(p), rate, p.Sent, p.Failed, about(p.P50), about(p.P99))
	if l.name != "" {
		line = l.name + ": " + line
	}
	return line
}

// about is a time that is known to a sixteenth, in two digits.
func about(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	digit := time.Duration(1)
	for d >= 100*digit {
		digit *= 10
	}
	return "≈ " + d.Round(digit).String()
}

// left is how long a load still takes: by its schedule, or by its answers.
func (l *live) left(p load.Progress) string {
	whole := l.load.Length()
	if l.load.Each > 0 {
		if p.Done == 0 {
			return "–"
		}
		whole = time.Duration(float64(p.Elapsed) / l.done(p))
	}
	return seconds(max(0, whole-p.Elapsed))
}

// done is the share of a load that is over, at most 1.
func (l *live) done(p load.Progress) float64 {
	if l.load.Each > 0 {
		return min(1, float64(p.Done)/float64(l.load.Each))
	}
	return min(1, float64(p.Elapsed)/float64(max(1, l.load.Length())))
}

// end leaves the terminal's line free.
func (l *live) end() { newProgress(l.w, nil).end() }
