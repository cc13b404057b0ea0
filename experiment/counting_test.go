package experiment_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/measure"
)

// metre counts a million instructions at every reading, or says no.
type metre struct {
	reads, closed *int
	fails         int // reading at which the kernel takes the counter away; 0: never
}

func (m metre) Read() (uint64, error) {
	*m.reads++
	if m.fails > 0 && *m.reads >= m.fails {
		return 0, fmt.Errorf("read: %w: other counters were in use", measure.ErrNotCounted)
	}
	return uint64(*m.reads) * 1e6, nil
}
func (m metre) Close() error { *m.closed++; return nil }

func counted(t *testing.T, count func(pid int) (experiment.Counter, bool, error)) ([]experiment.Block, error) {
	t.Helper()
	m, j := newMachine(0, 0, 0), &journal{}
	p := planOf(t, strings.Replace(fakeStudy, "blocks: 12", "blocks: 2", 1))
	a, err := experiment.NewApparatus(p, catalog(t, m, countdown(nil)))
	if err != nil {
		t.Fatal(err)
	}
	r := experiment.Runner{Testbed: m, Journal: j, Settle: time.Microsecond}
	r.CountWith(count)
	_, err = r.Run(context.Background(), "x", a, nil)
	return j.blocks, err
}

func TestInstructionsPerRequest(t *testing.T) {
	reads, opened, closed := 0, 0, 0
	blocks, err := counted(t, func(int) (experiment.Counter, bool, error) {
		opened++
		return metre{&reads, &closed, 0}, true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if opened != 6 || closed != opened { // three services, two blocks
		t.Errorf("%d counters were opened, %d closed", opened, closed)
	}
	for _, b := range blocks {
		if !b.Counting.UserOnly || b.Counting.Not != "" {
			t.Errorf("%+v", b.Counting)
		}
		for _, ph := range b.Phases {
			for _, p := range ph.Parts {
				if (p.Instructions != nil) != (p.Treatment >= 0) {
					t.Errorf("%s of treatment %d: %v", p.Role, p.Treatment, p.Instructions)
				}
				if p.Instructions != nil && *p.Instructions != 3e6 { // three counters are read in turn
					t.Errorf("%d instructions in a phase", *p.Instructions)
				}
			}
		}
	}
	an, err := experiment.Analyse(planOf(t, strings.Replace(fakeStudy, "blocks: 12", "blocks: 2", 1)), blocks)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range an.Treatments {
		us := x.UsagePerBlock["service"]
		if len(us) != 2 || us[0].Instructions == nil {
			t.Errorf("%s: %+v", x.Name, us)
		}
	}
}

// A refusal is kept with its reason, there is no figure, and the run goes on:
// also where the kernel takes a counter away in the middle.
func TestInstructionsThatAreNotCounted(t *testing.T) {
	reads, opened, closed := 0, 0, 0
	for name, count := range map[string]func(int) (experiment.Counter, bool, error){
		"by the kernel": nil, // this host's own answer, whatever it is
		"at the second process": func(int) (experiment.Counter, bool, error) {
			if opened++; opened%3 == 2 {
				return nil, false, fmt.Errorf("count of process 7: %w: no such counter", measure.ErrNotCounted)
			}
			return metre{&reads, &closed, 0}, false, nil
		},
		"in the middle": func(int) (experiment.Counter, bool, error) { return metre{&reads, &closed, 10}, false, nil },
	} {
		reads, opened, closed = 0, 0, 0
		blocks, err := counted(t, count)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name == "by the kernel" {
			for _, b := range blocks {
				if (b.Counting.Not == "") != (b.Phases[0].Parts[0].Instructions != nil) {
					t.Errorf("counting %+v, but the figure is %v", b.Counting, b.Phases[0].Parts[0].Instructions)
				}
			}
			continue
		}
		for _, b := range blocks {
			last := b.Phases[len(b.Phases)-1].Parts[0].Instructions
			if !strings.HasPrefix(b.Counting.Not, "not counted: ") || strings.Contains(b.Counting.Not, "process") || last != nil {
				t.Errorf("%s: %+v, in the end %v", name, b.Counting, last)
			}
		}
		if closed == 0 {
			t.Errorf("%s: no counter was closed", name)
		}
	}
	if _, err := counted(t, func(int) (experiment.Counter, bool, error) { return nil, false, errors.New("out of luck") }); err == nil || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("another error: %v", err)
	}
}
