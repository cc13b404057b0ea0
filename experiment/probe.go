package experiment

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/testbed"
)

// process is one process to read in every phase.
type process struct {
	treatment int
	role      string
	pid       int
	// instructions counts its instructions; nil: they are not counted.
	instructions counter
}

// counter counts something in a process from when it was made.
type counter interface {
	Read() (uint64, error)
	Close() error
}

// Counting says how instructions were counted in a block.
type Counting struct {
	// UserOnly: the kernel's work for the processes is not in the figures.
	UserOnly bool `json:"user_only,omitempty"`
	// Not says why there are none; empty: they were counted.
	Not string `json:"not,omitempty"`
}

// countInstructions is measure.Count of instructions; it says whether the
// kernel's work is left out.
func countInstructions(pid int) (c counter, userOnly bool, err error) {
	n, err := measure.Count(pid, measure.Instructions)
	if err != nil {
		return nil, false, err
	}
	return n, n.UserOnly, nil
}

// count begins to count the instructions of every process of the treatments,
// or of none: a figure of some would be compared with nothing.
func (s *stage) count() error {
	for i := range s.ps {
		p := &s.ps[i]
		if p.treatment < 0 {
			continue
		}
		c, userOnly, err := s.counter(p.pid)
		if err != nil {
			return s.uncount(err)
		}
		p.instructions, s.block.Counting.UserOnly = c, s.block.Counting.UserOnly || userOnly
	}
	return nil
}

// uncount ends all counting; a reason is kept.
func (s *stage) uncount(why error) error {
	var errs []error
	for i := range s.ps {
		if c := s.ps[i].instructions; c != nil {
			errs = append(errs, c.Close())
			s.ps[i].instructions = nil
		}
	}
	if errors.Is(why, measure.ErrNotCounted) {
		s.block.Counting, why = Counting{Not: reason(why)}, nil
	}
	return errors.Join(append(errs, why)...)
}

// reason is an error of counting without the process that it happened to be at.
func reason(err error) string {
	_, why, _ := strings.Cut(err.Error(), measure.ErrNotCounted.Error())
	return measure.ErrNotCounted.Error() + why
}

// countingIn is how instructions were counted in blocks.
func countingIn(blocks []*Block) Counting {
	all := Counting{}
	for _, b := range blocks {
		if b.Counting.Not != "" {
			return b.Counting
		}
		all.UserOnly = all.UserOnly || b.Counting.UserOnly
	}
	return all
}

// medianInstructions is nil where a block has none.
func medianInstructions(us []Usage) *float64 {
	var vs []float64
	for _, u := range us {
		if u.Instructions == nil {
			return nil
		}
		vs = append(vs, *u.Instructions)
	}
	m := median(vs)
	return &m
}

func processes(up testbed.Setup, arms []int, session load.Session) []process {
	var ps []process
	for k, i := range arms {
		for _, p := range up.Processes(k) {
			ps = append(ps, process{treatment: i, role: string(p.Role), pid: p.PID})
		}
	}
	return append(ps, process{treatment: PartGenerator, role: "generator", pid: session.PID()}, process{treatment: PartSelf, role: "tare", pid: os.Getpid()})
}

// edge is one reading of all clocks, at the start or the end of a phase.
type edge struct {
	at   time.Time
	cpu  []time.Duration
	wait []time.Duration
	// instructions by process; nil of one that has no counter.
	instructions []*uint64
	notCounted   error // why one that has a counter is nil
	host         measure.HostCPU
}

// readEdge reads the clocks only: memory takes longer and would be billed to
// the phase.
func readEdge(ps []process) (edge, error) {
	e := edge{at: time.Now(), cpu: make([]time.Duration, len(ps)), wait: make([]time.Duration, len(ps)), instructions: make([]*uint64, len(ps))}
	var err error
	for i, p := range ps {
		if e.cpu[i], err = measure.CPU(p.pid); err != nil {
			return e, fmt.Errorf("probe the %s of treatment %d: %w", p.role, p.treatment, err)
		}
	}
	for i, p := range ps {
		if e.wait[i], err = measure.Wait(p.pid); err != nil {
			return e, fmt.Errorf("probe the %s of treatment %d: %w", p.role, p.treatment, err)
		}
	}
	for i, p := range ps {
		if p.instructions == nil {
			continue
		}
		n, err := p.instructions.Read()
		if errors.Is(err, measure.ErrNotCounted) {
			e.notCounted = err
			continue
		}
		if err != nil {
			return e, fmt.Errorf("probe the %s of treatment %d: %w", p.role, p.treatment, err)
		}
		e.instructions[i] = &n
	}
	e.host, err = measure.Host()
	return e, err
}

// parts are what the processes used between two edges, with their memory now.
func parts(ps []process, from, to edge) ([]Part, error) {
	out := make([]Part, len(ps))
	for i, p := range ps {
		m, err := measure.MemoryOf(p.pid)
		if err != nil {
			return nil, fmt.Errorf("probe the %s of treatment %d: %w", p.role, p.treatment, err)
		}
		out[i] = Part{Treatment: p.treatment, Role: p.role, CPU: to.cpu[i] - from.cpu[i], Wait: to.wait[i] - from.wait[i], Memory: m}
		if a, b := from.instructions[i], to.instructions[i]; a != nil && b != nil {
			n := *b - min(*a, *b) // scaled counts may fall a little
			out[i].Instructions = &n
		}
	}
	return out, nil
}
