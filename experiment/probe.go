package experiment

import (
	"fmt"
	"os"
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
}

func processes(up testbed.Setup, arms []int, session load.Session) []process {
	var ps []process
	for k, i := range arms {
		for _, p := range up.Processes(k) {
			ps = append(ps, process{i, string(p.Role), p.PID})
		}
	}
	return append(ps, process{PartGenerator, "generator", session.PID()}, process{PartSelf, "tare", os.Getpid()})
}

// edge is one reading of all clocks, at the start or the end of a phase.
type edge struct {
	at   time.Time
	cpu  []time.Duration
	wait []time.Duration
	host measure.HostCPU
}

// readEdge reads the clocks only: memory takes longer and would be billed to
// the phase.
func readEdge(ps []process) (edge, error) {
	e := edge{at: time.Now(), cpu: make([]time.Duration, len(ps)), wait: make([]time.Duration, len(ps))}
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
	}
	return out, nil
}
