package loadreport

import (
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/spool"
)

// Format names the JSON of a Result, with its version: docs/formats/load.md.
const Format = "load/1"

// Result is what came of one load. Times are in µs where the name ends in _us.
type Result struct {
	Tare      string    `json:"tare"`
	URL       string    `json:"url"`
	Address   string    `json:"address"` // that the URL's host resolved to, which was connected to
	Protocol  string    `json:"protocol"`
	TLS       bool      `json:"tls"`
	Generator string    `json:"generator"`
	Version   string    `json:"version"`
	Started   time.Time `json:"started"`
	Command   []string  `json:"command"`
	Seed      uint64    `json:"seed"`
	Closed    bool      `json:"closed"`
	Arrivals  string    `json:"arrivals"` // "" of a closed load
	Rate      float64   `json:"rate"`     // requests/s offered, over all of the schedule; 0 of a closed load
	Profile   string    `json:"profile,omitempty"`

	Seconds     float64 `json:"seconds"`
	Scheduled   int     `json:"scheduled"`
	Requests    int     `json:"requests"` // sent
	Throughput  float64 `json:"requests_per_second"`
	In          float64 `json:"in_mbps"`  // goodput of responses
	Out         float64 `json:"out_mbps"` // goodput of requests
	Interrupted bool    `json:"interrupted"`
	Saturated   bool    `json:"saturated"`

	Connections int `json:"connections"`
	Opened      int `json:"connections_opened"`

	Errors     int            `json:"errors"` // all but the class ok
	ErrorShare float64        `json:"error_share"`
	Outcomes   map[string]int `json:"outcomes"`
	Statuses   map[string]int `json:"statuses,omitempty"`
	Classes    []Class        `json:"classes"`
	Kinds      []Kind         `json:"kinds,omitempty"`

	Latency  Quantiles `json:"latency_us"`  // last byte − intended
	Service  Quantiles `json:"service_us"`  // last byte − written
	Lateness Quantiles `json:"lateness_us"` // written − intended; of a closed load none

	CPU       float64 `json:"cpu_us_per_request"` // all of it, without spin
	CPUParts  CPU     `json:"cpu"`
	SpinShare float64 `json:"spin_share"` // of one core
	WorkShare float64 `json:"work_share"` // of the generator's cores
	Threads   int     `json:"threads"`

	Workers    []Worker           `json:"workers,omitempty"`
	Floor      *Floor             `json:"floor"` // null: not measured
	Checks     []Check            `json:"checks"`
	Verdict    Verdict            `json:"verdict"`
	Conditions []ConditionOutcome `json:"conditions"`
	Outcome    State              `json:"outcome"` // of all conditions
	Samples    spool.Kept         `json:"samples"` // where they were held, by which rule
	Spectrum   []Level            `json:"spectrum"`
	Warnings   []string           `json:"warnings"`

	line timeline
}

// CPU is the processes' time per request sent, in µs, but for the spin.
type CPU struct {
	Load   float64 `json:"generator_load_us"`   // the generator, while the load ran
	Around float64 `json:"generator_around_us"` // the generator before and after: its start, its connections, handing over
	Parent float64 `json:"parent_us"`           // tare itself, from its start to the report
}

// Worker is one of several machines that offered the load.
type Worker struct {
	Name     string  `json:"name"`
	Requests int     `json:"requests"`
	Offset   float64 `json:"offset_us"` // its clock less the coordinator's
	Bound    float64 `json:"bound_us"`  // the offset is right to ± this
	Lost     string  `json:"lost,omitempty"`
	Missing  int     `json:"missing,omitempty"` // arrivals of its share of which nothing was heard
}

// Class is one kind of outcome.
type Class struct {
	Class   string    `json:"class"`
	Count   int       `json:"count"`
	Share   float64   `json:"share"` // of all requests
	Latency Quantiles `json:"latency_us"`
	// Failed is the time from the intended one until a request without a whole
	// response failed; nil: there is none.
	Failed *Quantiles `json:"failed_us,omitempty"`
}

// Kind is one kind of request, where there are several.
type Kind struct {
	Name    string    `json:"name"`
	Count   int       `json:"count"`
	Errors  int       `json:"errors"`
	Latency Quantiles `json:"latency_us"`
}

// Floor is what the same engine with the same settings reads of its own echo.
type Floor struct {
	Requests int       `json:"requests"`
	Rate     float64   `json:"rate"` // 0: closed
	Latency  Quantiles `json:"latency_us"`
	Lateness Quantiles `json:"lateness_us"`
}

// Level is one quantile of the spectrum.
type Level struct {
	Level   float64  `json:"level"`
	Latency float64  `json:"latency_us"`
	Service *float64 `json:"service_us"`
}

// Run is what a load was, beside its samples.
type Run struct {
	URL         string
	Target      load.Target
	Generator   string
	Version     string
	Command     []string
	Started     time.Time
	Load        load.Load
	Requests    []load.Request
	Stats       load.Stats
	Interrupted bool
	Workers     []Worker
	// Use is the processors' time, for the whole of it.
	Use Use
	// Floor is a result of the own echo; nil, and NoFloor says why.
	Floor   *Result
	NoFloor string
}

// Use is what processes used from their start to the report.
type Use struct {
	Generator time.Duration // spin included
	Parent    time.Duration
	Cores     int // that the machine has
}
