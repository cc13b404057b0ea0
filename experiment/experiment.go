// Package experiment carries out a plan and analyses what it gave.
//
// A Runner brings up every treatment of a block at once, offers the block's
// phases, reads the probes, holds each function against its judge, and hands
// the finished Block to the Journal before it goes on: what is finished is
// never lost. Analyse turns blocks into figures; every figure can be computed
// again from the journal, since raw samples are kept. The package starts no
// process itself and knows no database: both are given to it.
package experiment

import (
	"context"
	"encoding/json"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

// State is how far an experiment has come.
type State string

// The states. A run that was killed is kept as Running; it is Killed to a reader
// who sees that nobody carries it out.
const (
	Running     State = "running"
	Killed      State = "killed"
	Done        State = "done"
	Interrupted State = "interrupted"
	Failed      State = "failed"
)

// Experiment is one carrying-out of a plan.
type Experiment struct {
	ID          string              `json:"id"` // sorts by start
	Started     time.Time           `json:"started"`
	Plan        study.Plan          `json:"plan"`
	Environment measure.Environment `json:"environment"`
	Program     Program             `json:"program"`
	Command     []string            `json:"command"`
	// Planes is what the proxies are, by data plane; none when the study has none.
	Planes []dataplane.Program `json:"planes,omitempty"`
	// Components are all other parts: what offered the load, what was loaded,
	// what ran in the proxies. None in records of before they were kept.
	Components []Component `json:"components,omitempty"`
}

// UnmarshalJSON also reads records of the time when a study had one data plane.
func (e *Experiment) UnmarshalJSON(text []byte) error {
	type fields Experiment
	old := struct {
		*fields
		Plane *dataplane.Program `json:"plane"`
	}{fields: (*fields)(e)}
	if err := json.Unmarshal(text, &old); err != nil {
		return err
	}
	if old.Plane != nil {
		e.Planes = []dataplane.Program{*old.Plane}
	}
	return nil
}

// Program is the tare that carries an experiment out.
type Program struct {
	Version string `json:"version"`
	SHA256  string `json:"sha256"` // of the executable
}

// Journal keeps experiments while they run.
type Journal interface {
	Begin(ctx context.Context, e Experiment) error
	// Append keeps a finished block, whole or not at all.
	Append(ctx context.Context, id string, b Block) error
	End(ctx context.Context, id string, s State, at time.Time) error
}

// Block is what one carrying-out of a planned block gave.
type Block struct {
	ID      string        `json:"id"`
	Index   int           `json:"index"`   // in the plan
	Attempt int           `json:"attempt"` // from 1; more after voids
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"took"`
	// Void says why the block does not count; empty: it counts.
	Void   string        `json:"void,omitempty"`
	Phases []PhaseRecord `json:"phases"`
	// Judged is what the judge said of each treatment that carries the function.
	Judged   []Judgement `json:"judged,omitempty"`
	Work     []WorkStats `json:"work,omitempty"`
	Warnings []string    `json:"warnings,omitempty"`
	// Counting says how the instructions were counted.
	Counting Counting `json:"counting,omitzero"`
	// Samples are the raw samples, one slice per phase.
	Samples [][]load.Sample `json:"-"`
}

// PhaseRecord is what one phase of a block gave, without its samples.
type PhaseRecord struct {
	Phase study.Phase   `json:"phase"` // its Targets resolved
	Wall  time.Duration `json:"wall"`
	Stats load.Stats    `json:"stats"`
	Parts []Part        `json:"parts"`
	// Host is the host's CPU time during the phase.
	Host measure.HostCPU `json:"host"`
}

// Part is what one process used during a phase. Treatment -1 is the generator,
// -2 is tare itself.
type Part struct {
	Treatment int            `json:"treatment"`
	Role      string         `json:"role"` // proxy, service, generator, tare
	CPU       time.Duration  `json:"cpu"`
	Wait      time.Duration  `json:"wait"` // runnable, but not running
	Memory    measure.Memory `json:"memory"`
	// Instructions are those retired; nil where they were not counted.
	Instructions *uint64 `json:"instructions,omitempty"`
}

// The treatments of parts that belong to the apparatus.
const (
	PartGenerator = -1
	PartSelf      = -2
)

// Judgement is what a function's judge said of one treatment in one block.
type Judgement struct {
	Treatment int    `json:"treatment"`
	Wrong     string `json:"wrong,omitempty"` // empty: every decision was right
	Callers   int    `json:"callers"`         // buckets touched
}

// WorkStats is a service's own count at the end of a block.
type WorkStats struct {
	Treatment int            `json:"treatment"`
	Stats     workload.Stats `json:"stats"`
}
