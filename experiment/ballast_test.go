package experiment_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/testbed"
)

// ballasted notes at each start and end of a block what ballast this process has.
type ballasted struct {
	*machine
	t             *testing.T
	started, down int // how much was held when a block was brought up, and taken down
}

func (w *ballasted) Up(ctx context.Context, ts []testbed.Topology, order []int) (testbed.Setup, error) {
	w.started += ballast(w.t)
	if _, err := w.machine.Up(ctx, ts, order); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *ballasted) Down() error {
	w.down += ballast(w.t)
	return w.machine.Down()
}

// ballast counts what this process holds.
func ballast(t *testing.T) (held int) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		to, err := os.Readlink(f)
		if err == nil && strings.HasPrefix(to, "/memfd:ballast") {
			held++
		}
	}
	return held
}

func weigh(t *testing.T, m *machine, size uint64) (*ballasted, error) {
	t.Helper()
	w := &ballasted{machine: m, t: t}
	a, err := experiment.NewApparatus(planOf(t, strings.Replace(fakeStudy, "blocks: 12", "blocks: 3", 1)), catalog(t, m, countdown(nil)))
	if err != nil {
		t.Fatal(err)
	}
	r := experiment.Runner{Testbed: w, Journal: &journal{}, Settle: time.Microsecond, Ballast: size}
	_, err = r.Run(context.Background(), "x", a, nil)
	if left := ballast(t); left > 0 {
		t.Errorf("%d are left of the ballast", left)
	}
	return w, err
}

// TestBallastIsHeldWhileABlockStands: from before its processes start to after
// they have ended, and no longer; where a block does not come up, too.
func TestBallastIsHeldWhileABlockStands(t *testing.T) {
	w, err := weigh(t, newMachine(0, 0, 0), 1<<20)
	if err != nil || w.started != 3 || w.down != 3 {
		t.Errorf("held at the start of %d blocks, at the end of %d, want 3 each; %v", w.started, w.down, err)
	}
	m := newMachine(0, 0, 0)
	m.failUp = errors.New("no machine")
	if w, err := weigh(t, m, 1<<20); !errors.Is(err, m.failUp) || w.started != 1 {
		t.Errorf("held at the start of %d blocks, %v", w.started, err)
	}
	if w, err := weigh(t, newMachine(0, 0, 0), 0); err != nil || w.started+w.down > 0 {
		t.Errorf("without: %d, %d; %v", w.started, w.down, err)
	}
}
