package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

// idRule is what an id from elsewhere may look like: it is printed, and typed.
var idRule = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,79}$`)

// Decode reads the experiment and holds it against what every analysis takes
// for granted of a plan, since a record may come from anywhere. An error is
// ErrDamaged.
func (h Head) Decode() (experiment.Experiment, error) {
	e, err := h.decode()
	if err != nil {
		return experiment.Experiment{}, fmt.Errorf("experiment %.80q: %w: %w", h.ID, ErrDamaged, err)
	}
	return e, nil
}

func (h Head) decode() (e experiment.Experiment, err error) {
	if !idRule.MatchString(h.ID) || h.ID == Last {
		return e, errors.New("that is no id")
	}
	if err := json.Unmarshal(h.Record, &e); err != nil {
		return e, fmt.Errorf("its record: %w", err)
	}
	switch h.State {
	case experiment.Running, experiment.Done, experiment.Interrupted, experiment.Failed:
	default:
		return e, fmt.Errorf("%.40q is no state", h.State)
	}
	if e.ID != h.ID {
		return e, fmt.Errorf("its record is that of experiment %.80q", e.ID)
	}
	if err := errors.Join(CheckNote(h.Note), CheckTags(h.Tags)); err != nil {
		return e, err
	}
	// Validate fills in what is missing, which the record must keep to itself.
	var again experiment.Experiment
	if err := json.Unmarshal(h.Record, &again); err != nil {
		return e, fmt.Errorf("its record: %w", err)
	}
	if err := again.Plan.Study.Validate(); err != nil {
		return e, fmt.Errorf("its study: %w", err)
	}
	return e, soundPlan(&e.Plan)
}

// soundPlan checks the numbers by which a plan's parts refer to each other.
func soundPlan(p *study.Plan) error {
	if len(p.Study.DataPlane) == 0 {
		return errors.New("its study has no data plane")
	}
	if !(p.Rule.Level > 0 && p.Rule.Level < 1) {
		return fmt.Errorf("its intervals have the level %g", p.Rule.Level)
	}
	if len(p.Blocks) == 0 {
		return errors.New("its plan has no blocks")
	}
	n := len(p.Study.Treatments)
	for i, b := range p.Blocks {
		if b.Index != i {
			return fmt.Errorf("block %d of its plan says that it is block %d", i, b.Index)
		}
		if len(b.Arms) == 1 || p.Study.Design.Name == study.DesignPairs && len(b.Arms) != 2 {
			return fmt.Errorf("block %d of its plan has %d arms", i, len(b.Arms))
		}
		for _, is := range [][]int{b.Arms, b.Start} {
			if err := within(is, n); err != nil {
				return fmt.Errorf("block %d of its plan: %w", i, err)
			}
		}
		for k, ph := range b.Phases {
			if err := within(ph.Targets, n); err != nil {
				return fmt.Errorf("phase %d of block %d of its plan: %w", k, i, err)
			}
		}
	}
	return nil
}

func within(is []int, n int) error {
	if i := slices.IndexFunc(is, func(i int) bool { return i < 0 || i >= n }); i >= 0 {
		return fmt.Errorf("treatment %d of %d", is[i], n)
	}
	return nil
}

// sound holds a block against the plan that it is said to come from.
func sound(e experiment.Experiment, b experiment.Block) error {
	if b.Index < 0 || b.Index >= len(e.Plan.Blocks) || b.Attempt < 1 {
		return fmt.Errorf("the plan has %d blocks", len(e.Plan.Blocks))
	}
	if len(b.Samples) != len(b.Phases) {
		return fmt.Errorf("it has %d phases, and samples of %d", len(b.Phases), len(b.Samples))
	}
	n := len(e.Plan.Study.Treatments)
	latency := false
	for k, ph := range b.Phases {
		if err := within(ph.Phase.Targets, n); err != nil {
			return fmt.Errorf("phase %d: %w", k, err)
		}
		switch kind := ph.Phase.Kind; {
		case (kind == study.Solo || kind == study.Closed) && len(ph.Phase.Targets) == 0:
			return fmt.Errorf("phase %d is of kind %s and has no target", k, kind)
		case ph.Wall < 0 || (kind == study.Idle || kind == study.Latency) && ph.Wall == 0:
			return fmt.Errorf("phase %d took %v", k, ph.Wall)
		case kind == study.Latency:
			latency = true
		}
	}
	if b.Void == "" && !latency {
		return errors.New("it counts and has no latency phase")
	}
	return nil
}
