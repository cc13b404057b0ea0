package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"
)

// Adapter offers load with a program of others and reads what that says of its
// run. Such programs give no samples, so an Adapter is no Generator: figures of
// a study never come from one. A program that is not there is an error of
// Find; nothing takes its place.
type Adapter struct {
	Name     string
	Settings []Setting // the tool's defaults first, then its best
	// Find looks for the program. Its error names the command that installs it.
	Find func(ctx context.Context) (Program, error)
	// Run runs the program once.
	Run func(ctx context.Context, p Program, setting string, o Order) (Account, error)
}

// Setting is one way to use a tool.
type Setting struct {
	Name string `json:"name"`
	Doc  string `json:"doc"` // what is set, and what one must know of the figures
	Loop Loop   `json:"loop"`
	From From   `json:"from"`
	// Paced: it keeps to the rate of the order; else it goes as fast as it can.
	Paced bool `json:"paced"`
	// Resolution is the finest step of its quantiles; 0: it gives none.
	Resolution time.Duration `json:"resolution_ns"`
}

// The names of settings: what the tool does when it is told the target, the
// rate, the connections and the time, and what it does at its most exact.
const (
	Defaults = "defaults"
	Best     = "best"
)

// Loop says who decides when the next request is sent.
type Loop string

// The loops.
const (
	ClosedLoop Loop = "closed" // a connection that waits for its answer sends nothing else
	OpenLoop   Loop = "open"   // the schedule
	// Dropping is open until all it may use is busy; what cannot be sent then never is.
	Dropping Loop = "drops"
)

// From says when a latency begins.
type From string

// Where latencies begin.
const (
	FromSent     From = "sent"     // when the request was in fact sent: waiting for that is in no figure
	FromIntended From = "intended" // when it was to be sent
)

// Program is a tool as it was found.
type Program struct {
	Path    string `json:"path"`
	Version string `json:"version"` // in its own words; empty: it does not say
	Digest  string `json:"sha256"`
}

// Order is what an adapter is asked for: GET requests of HTTP/1.1 in the clear.
type Order struct {
	Target  Target
	Request Request
	Rate    float64 // requests per second; a setting that is not paced ignores it
	// Duration in whole seconds: some tools know no others.
	Duration time.Duration
}

// URL is what the tool is told to ask for: the address, so that every tool asks
// the one that was checked.
func (o Order) URL() string { return "http://" + o.Target.Addr + o.Request.Path }

// Check says what is wrong with an order, if anything.
func (o Order) Check() error {
	t := o.Target
	switch {
	case t.Protocol != "" && t.Protocol != HTTP1 || t.TLS != nil:
		return fmt.Errorf("target %s: other generators are asked for HTTP/1.1 in the clear only", t.Name)
	case o.Request.Method != http.MethodGet || o.Request.Body > 0 || t.Body > 0:
		return fmt.Errorf("target %s: other generators are asked for GET requests without a body only", t.Name)
	case !(o.Rate > 0) || math.IsInf(o.Rate, 0):
		return fmt.Errorf("a rate of %v requests per second", o.Rate)
	case o.Duration < time.Second || o.Duration%time.Second != 0:
		return fmt.Errorf("a duration of %v: not every generator knows times that are not whole seconds", o.Duration)
	}
	return errors.Join(t.Check(), Ask(o.Request).Check(t))
}

// Account is what a tool says of one run. A nil pointer: it does not say.
type Account struct {
	Requests   *int           `json:"requests"`            // as the tool counts them
	Errors     *int           `json:"errors"`              // by the tool's own idea of one
	Throughput *float64       `json:"requests_per_second"` // answers
	Mean       *time.Duration `json:"mean_ns"`
	Max        *time.Duration `json:"max_ns"`
	Quantiles  []Quantile     `json:"quantiles"` // in order; empty: it gives none
	// CPU is what its processes used, user and system, by our own measure: from
	// their start to their end, what they do to print included.
	CPU      time.Duration `json:"cpu_ns"`
	Wall     time.Duration `json:"wall_ns"`
	Commands [][]string    `json:"commands"`        // what was run, in order
	Notes    []string      `json:"notes,omitempty"` // what else the tool says that one must know
}

// Quantile is one quantile of the latency.
type Quantile struct {
	Q  float64       `json:"q"`
	At time.Duration `json:"at_ns"`
}

// Quantile returns the quantile q if the tool gave it.
func (a Account) Quantile(q float64) (time.Duration, bool) {
	for _, x := range a.Quantiles {
		if x.Q == q {
			return x.At, true
		}
	}
	return 0, false
}

// CPUPerRequest is the CPU time per answer; false: the tool does not say how
// many there were.
func (a Account) CPUPerRequest() (time.Duration, bool) {
	if a.Requests == nil || *a.Requests < 1 {
		return 0, false
	}
	return a.CPU / time.Duration(*a.Requests), true
}
