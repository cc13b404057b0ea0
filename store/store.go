// Package store keeps experiments: what a Journal is told while one runs, and
// the reading of it afterwards.
//
// A Store is a Journal that can be read. A block is kept whole or not at all,
// with the SHA-256 of its samples and of its record, and is never changed
// afterwards. Row is the one form in which every database keeps a block;
// docs/formats/store.md describes it. Acquire holds a data directory for one
// run at a time. Export and Import write and read the one file in which an
// experiment travels, docs/formats/transfer.md. The package knows no database: each has a folder of its own
// (store/sqlite), held against package storetest.
package store

import (
	"context"
	"time"

	"github.com/taremesh/tare/experiment"
)

// Store keeps experiments. Its methods may be called at the same time.
//
// The Journal's methods keep these rules. Begin of an id that is known already
// resumes: the plan must have the same digest, the state is Running again, and
// what was kept stays as it was. Append refuses a block whose index and attempt
// are there already, and a second one of an index that counts. End takes every
// state but Running. Times are kept in UTC, to the nanosecond. A context that
// is done is an error, and then nothing was written.
//
// Whoever writes brings an older schema forward. A reader reads it as it is:
// what its version did not have is empty.
type Store interface {
	experiment.Journal
	Labels
	Transfer
	// List returns every experiment, newest first. It reads no samples.
	List(ctx context.Context) ([]Entry, error)
	// Load returns all that is kept of one experiment, blocks in the order of
	// index and attempt, voids among them. What does not have the SHA-256 that
	// it was kept with is an error.
	Load(ctx context.Context, id string) (Record, error)
	// Blocks lists the kept blocks of one experiment in the same order. It
	// reads no samples.
	Blocks(ctx context.Context, id string) ([]BlockEntry, error)
	// Resolve finds the experiment that a user means: see Resolve.
	Resolve(ctx context.Context, name string) (id string, err error)
	// Remove takes an experiment away with its blocks, note and tags. What a
	// baseline or the tag keep holds is ErrHeld, unless it is forced. That the
	// experiment is not running is for the caller to know, who holds the lock.
	Remove(ctx context.Context, id string, h Holds) error
	// Compact gives the space of what was removed back to the disk.
	Compact(ctx context.Context) error
	Close() error
}

// Entry is one experiment in a list.
type Entry struct {
	ID      string           `json:"id"`
	Study   string           `json:"study"`
	Started time.Time        `json:"started"`
	State   experiment.State `json:"state"`
	Blocks  int              `json:"blocks"` // finished ones that count
	Voids   int              `json:"voids"`  // finished ones that do not
	Digest  string           `json:"digest"` // of the plan
	// What people say of it: see Labels.
	Note      string   `json:"note,omitempty"`
	Tags      []string `json:"tags,omitempty"`      // in order
	Baselines []string `json:"baselines,omitempty"` // names that name it, in order
}

// BlockEntry is one kept block without what it holds.
type BlockEntry struct {
	Block   int       `json:"block"` // its index in the plan
	Attempt int       `json:"attempt"`
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	SHA256  string    `json:"sha256"`         // of the samples as they are kept, in hex
	Void    string    `json:"void,omitempty"` // why it does not count
}

// Record is all that is kept of one experiment.
type Record struct {
	Experiment experiment.Experiment
	State      experiment.State
	Ended      time.Time // zero while it runs, and after a kill
	Blocks     []experiment.Block
}
