// Package echo is the smallest service, with busy work as a parameter: it is
// there for calibration, where the truth is known because it was planted.
//
// Every request, whatever its path and its body (which is read to its end and
// counted), is answered with a fixed body. With the
// parameter work, the handler first keeps its OS thread busy until the thread's
// own CPU clock has advanced by that much, so that being preempted does not
// shorten the work, and adds the CPU time to its Stats as a witness
// that is independent of all latencies. Without work there is no witness
// either: that handler reads no clock and locks no thread.
//
// It has no users, no tokens and no state.
package echo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

// params are the workload's parameters in a study.
type params struct {
	Work     time.Duration `yaml:"work" json:"work_ns"`
	Response workload.Size `yaml:"response" json:"response"`
}

const maxWork = time.Second

func defaults() params { return params{Response: 64} }

// Workload is the echo service as a study sees it.
func Workload() workload.Workload {
	return workload.Workload{
		Name:    "echo",
		Doc:     "the smallest service; each request does `work` of busy work and is answered with `response` bytes",
		Command: []string{"serve", "echo"},
		Prepare: func([]workload.User) (*workload.Prepared, error) {
			return &workload.Prepared{Method: http.MethodGet, Path: "/", Host: "echo.test"}, nil
		},
		Service: service,
	}
}

func service(_ *workload.Prepared, p study.Params) (json.RawMessage, error) {
	wanted := defaults()
	if err := p.Decode(&wanted); err != nil {
		return nil, fmt.Errorf("workload echo: %w", err)
	}
	if err := wanted.check(); err != nil {
		return nil, fmt.Errorf("workload echo: %w", err)
	}
	return json.Marshal(wanted)
}

func (p params) check() error {
	if p.Work < 0 || p.Work > maxWork {
		return fmt.Errorf("work is %s, not between 0s and %s", p.Work, maxWork)
	}
	return nil
}

// Serve runs the service as a process of a study, with functions in library
// form around its handler, the first one outermost.
func Serve(ctx context.Context, cfg workload.Config, middlewares []workload.Middleware, ready func(workload.Ready)) error {
	p := defaults()
	if len(cfg.Service) > 0 {
		d := json.NewDecoder(bytes.NewReader(cfg.Service))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil {
			return fmt.Errorf("read configuration of echo: %w", err)
		}
	}
	if err := p.check(); err != nil {
		return fmt.Errorf("read configuration of echo: %w", err)
	}
	e := newEcho(p)
	return workload.Run(ctx, cfg, workload.Service{Handler: workload.Wrap(e.handler(), middlewares), Stats: e.stats}, ready)
}

type echo struct {
	body        []byte
	length      []string
	contentType []string
	work        time.Duration
	read        time.Duration // what one reading of the thread clock costs

	served, worked, workCPU atomic.Int64
	intake                  workload.Intake
}

func newEcho(p params) *echo {
	e := &echo{
		body:        bytes.Repeat([]byte{'.'}, int(p.Response)),
		length:      []string{strconv.Itoa(int(p.Response))},
		contentType: []string{"application/octet-stream"},
		work:        p.Work,
	}
	if p.Work > 0 {
		e.read = readCost()
	}
	return e
}

func (e *echo) handler() http.Handler {
	if e.work > 0 {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e.labour()
			e.answer(w, r)
		})
	}
	return http.HandlerFunc(e.answer)
}

// answer reads the request to its end and counts before it writes, so that
// whoever has seen an answer finds it counted.
func (e *echo) answer(w http.ResponseWriter, r *http.Request) {
	if err := e.intake.Take(r); err != nil {
		return // the client is gone
	}
	e.served.Add(1)
	h := w.Header()
	h["Content-Type"], h["Content-Length"] = e.contentType, e.length
	_, _ = w.Write(e.body) // a client that is gone need not be told
}

// labour uses the wanted CPU time on this thread. Of the first and the last
// reading about half lies outside of what they span; one reading's cost is
// therefore counted in, both in the end that is worked towards and in the
// witness. What is left is an overshoot of less than one reading, which the
// witness includes.
func (e *echo) labour() {
	runtime.LockOSThread()
	start := measure.ThreadCPU()
	now := start
	for end := start + e.work - e.read; now < end; {
		now = measure.ThreadCPU()
	}
	runtime.UnlockOSThread()
	e.workCPU.Add(int64(now - start + e.read))
	e.worked.Add(1)
}

// readCost is the smallest mean, over batches, of what a reading of the thread
// clock costs: what disturbs a batch only makes it larger.
func readCost() time.Duration {
	const batches, reads = 20, 100
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	least := time.Duration(1<<63 - 1)
	for range batches {
		start := measure.ThreadCPU()
		for range reads - 1 {
			measure.ThreadCPU()
		}
		least = min(least, (measure.ThreadCPU()-start)/reads)
	}
	return least
}

func (e *echo) stats() workload.Stats {
	return workload.Stats{Served: e.served.Load(), Worked: e.worked.Load(), WorkCPU: e.workCPU.Load(), Received: e.intake.Received()}
}
