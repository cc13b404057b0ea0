package experiment_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

func TestRunFindsWhatIsThere(t *testing.T) {
	m := newMachine(0, 0, 30*time.Microsecond)
	j := &journal{}
	p, out, err := run(t, context.Background(), fakeStudy, m, countdown(nil), j, nil)
	if err != nil || out.State != experiment.Done || j.state != experiment.Done {
		t.Fatalf("%v, %v", out.State, err)
	}
	an, err := experiment.Analyse(p, j.blocks)
	if err != nil {
		t.Fatal(err)
	}
	if an.Blocks != 12 || an.Voids != 0 {
		t.Errorf("%d blocks, %d voids", an.Blocks, an.Voids)
	}
	if g := an.Gates[0].By[experiment.P50]; !g.Inside {
		t.Errorf("identical treatments differ: %+v", g)
	}
	for _, c := range an.Comparisons {
		if c.Endpoint != experiment.P50 {
			continue
		}
		if !c.Primary || c.Verdict != stat.Material || c.Direction != stat.Worse || !c.Difference.Contains(30) || c.Difference.Half() > 2 {
			t.Errorf("30 µs were planted, found %+v: %s, %s", c.Difference, c.Verdict, c.Direction)
		}
	}
	if an.Treatments[2].Requests < 12*300 || an.Treatments[2].Values[experiment.P50] < 130 {
		t.Errorf("%+v", an.Treatments[2])
	}
}

func TestDeadProcessVoidsTheBlockAndItIsRepeated(t *testing.T) {
	m := newMachine(0, 0, 0)
	m.dieIn = 3
	j := &journal{}
	p, _, err := run(t, context.Background(), fakeStudy, m, countdown(nil), j, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := indices(j.blocks, true); len(got) != 1 || got[0] != 3 {
		t.Fatalf("void blocks %v, want block 3", got)
	}
	if got := indices(j.blocks, false); len(got) != 12 {
		t.Errorf("blocks that count: %v", got)
	}
	for _, b := range j.blocks {
		if b.Index == 3 && (b.Void == "") != (b.Attempt == 2) {
			t.Errorf("block 3, attempt %d: void %q", b.Attempt, b.Void)
		}
		if b.Void != "" && !strings.Contains(b.Void, "the proxy ended") {
			t.Errorf("void %q does not say why", b.Void)
		}
	}
	if an, err := experiment.Analyse(p, j.blocks); err != nil || an.Voids != 1 {
		t.Errorf("%d voids counted, %v", an.Voids, err)
	}
}

// The generator is a process of the block like the others.
func TestKilledGeneratorVoidsTheBlock(t *testing.T) {
	m := newMachine(0, 0, 0)
	m.gone = 4
	j := &journal{}
	_, out, err := run(t, context.Background(), fakeStudy, m, countdown(nil), j, nil)
	if err != nil || out.State != experiment.Done {
		t.Fatalf("%v, %v", out.State, err)
	}
	if got := indices(j.blocks, true); len(got) != 1 || got[0] != 4 || len(indices(j.blocks, false)) != 12 {
		t.Errorf("void blocks %v of %d", got, len(j.blocks))
	}
	for _, b := range j.blocks {
		if b.Void != "" && !strings.Contains(b.Void, "generator") {
			t.Errorf("void %q does not say what ended", b.Void)
		}
	}
}

func TestWrongFunctionGetsNoVerdict(t *testing.T) {
	j := &journal{}
	p, _, err := run(t, context.Background(), fakeStudy, newMachine(0, 0, 30*time.Microsecond), countdown(errors.New("one more allowed")), j, nil)
	if err != nil {
		t.Fatal(err)
	}
	invalid(t, p, j, "one more allowed")
}

func TestRefusalsInTheOverheadPhaseAreInvalid(t *testing.T) {
	m := newMachine(0, 0, 30*time.Microsecond)
	m.limit = 2
	j := &journal{}
	p, _, err := run(t, context.Background(), fakeStudy, m, countdown(nil), j, nil)
	if err != nil {
		t.Fatal(err)
	}
	invalid(t, p, j, "refused where overhead is measured")
}

// Under a load that is too much some requests never leave the generator: the
// function has not decided on them, and is not to blame.
func TestUnsentRequestsAreNoEvidence(t *testing.T) {
	m := newMachine(0, 0, 0)
	m.unsent = 50
	j := &journal{}
	if _, _, err := run(t, context.Background(), fakeStudy, m, countdown(nil), j, nil); err != nil {
		t.Fatal(err)
	}
	for _, b := range j.blocks {
		if len(b.Judged) != 1 || b.Judged[0].Wrong != "" {
			t.Errorf("block %d: judged %+v", b.Index, b.Judged)
		}
	}
}

func TestServiceIsCounted(t *testing.T) {
	m := newMachine(0, 0, 0)
	j := &journal{}
	f := countdown(nil)
	p, _, err := run(t, context.Background(), fakeStudy, m, f, j, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range j.blocks {
		for _, w := range b.Work {
			if want := len(b.Samples[0])/3 + 0; int(w.Stats.Served) < want {
				t.Errorf("block %d: %d served by treatment %d of %d", b.Index, w.Stats.Served, w.Treatment, want)
			}
		}
		if len(b.Judged) != 1 || b.Judged[0].Treatment != 2 || b.Judged[0].Wrong != "" {
			t.Errorf("block %d: judged %+v", b.Index, b.Judged)
		}
	}
	_ = p
}

func TestResumeRunsOnlyWhatIsMissing(t *testing.T) {
	j := &journal{}
	m := newMachine(0, 0, 0)
	if _, _, err := run(t, context.Background(), fakeStudy, m, countdown(nil), j, nil); err != nil {
		t.Fatal(err)
	}
	done := append([]experiment.Block(nil), j.blocks[:5]...)
	k := &journal{}
	n := newMachine(0, 0, 0)
	_, out, err := run(t, context.Background(), fakeStudy, n, countdown(nil), k, done)
	if err != nil || n.ups != 7 || len(k.blocks) != 7 || len(out.Blocks) != 12 {
		t.Errorf("%d blocks were run, %d kept, %d in all, %v", n.ups, len(k.blocks), len(out.Blocks), err)
	}
}

// A resumed run spends only what is left of the study's time.
func TestResumeSpendsWhatIsLeft(t *testing.T) {
	timed := strings.Replace(fakeStudy, "blocks: 12, ", "time: 60s, ", 1)
	j := &journal{}
	m := newMachine(0, 0, 0)
	p, _, err := run(t, context.Background(), timed, m, countdown(nil), j, nil)
	if err != nil || len(j.blocks) != len(p.Blocks) {
		t.Fatalf("%d of %d blocks, %v", len(j.blocks), len(p.Blocks), err)
	}
	done := append([]experiment.Block(nil), j.blocks[:3]...)
	for i := range done {
		done[i].Took = 15 * time.Second // 15 of the 60 s are left: no block of 15 s fits
	}
	n := newMachine(0, 0, 0)
	if _, out, err := run(t, context.Background(), timed, n, countdown(nil), &journal{}, done); err != nil || n.ups != 0 || len(out.Blocks) != 3 {
		t.Errorf("%d more blocks were run, %v", n.ups, err)
	}
}

func TestCancelKeepsFinishedBlocks(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	j := &journal{}
	_, out, err := run(t, ctx, fakeStudy, newMachine(0, 0, 0), countdown(nil), j, nil)
	if !errors.Is(err, context.Canceled) || out.State != experiment.Interrupted || j.state != experiment.Interrupted {
		t.Errorf("%v, %v, journal %v", out.State, err, j.state)
	}
}

func TestJournalThatFailsEndsTheRun(t *testing.T) {
	j := &journal{full: true}
	_, out, err := run(t, context.Background(), fakeStudy, newMachine(0, 0, 0), countdown(nil), j, nil)
	if err == nil || !strings.Contains(err.Error(), "no space left") || out.State != experiment.Failed {
		t.Errorf("%v, %v", out.State, err)
	}
}

func TestApparatusThatCannotStandUp(t *testing.T) {
	m := newMachine(0, 0, 0)
	m.failUp = errors.New("the service of b ended before it was ready; its last lines:\n  panic: no")
	_, out, err := run(t, context.Background(), fakeStudy, m, countdown(nil), &journal{}, nil)
	if err == nil || !strings.Contains(err.Error(), "panic: no") || out.State != experiment.Failed {
		t.Errorf("%v, %v", out.State, err)
	}
}

// A run may stop early on width, at the looks of the plan only.
func TestStopsOnWidth(t *testing.T) {
	j := &journal{}
	text := strings.Replace(fakeStudy, "stop: fixed", "stop: width", 1)
	text = strings.Replace(text, "blocks: 12", "blocks: 30", 1) + "margin: {p50: 20us, cpu: 1000s}\n"
	_, out, err := run(t, context.Background(), text, newMachine(0, 0, 0), countdown(nil), j, nil)
	if err != nil || !out.Enough || len(j.blocks) != 10 {
		t.Errorf("%d blocks, enough %t, %v", len(j.blocks), out.Enough, err)
	}
}

func invalid(t *testing.T, p *study.Plan, j *journal, why string) {
	t.Helper()
	an, err := experiment.Analyse(p, j.blocks)
	if err != nil {
		t.Fatal(err)
	}
	if len(an.Comparisons) == 0 || !strings.Contains(strings.Join(an.Warnings, "\n"), "b ") {
		t.Fatalf("no comparison or no warning: %v", an.Warnings)
	}
	for _, c := range an.Comparisons {
		found := false
		for _, w := range c.Warnings {
			found = found || strings.Contains(w.Text, why)
		}
		if c.Verdict != stat.Undecided || !found {
			t.Errorf("%s: verdict %s, warnings %v; want undecided, with %q", c.Name, c.Verdict, c.Warnings, why)
		}
	}
}

// However slow the host is for the time of a study, there are two blocks: one
// alone would give no interval.
func TestTimeThatIsSpent(t *testing.T) {
	m := newMachine(0, 0, 0)
	a, err := experiment.NewApparatus(planOf(t, strings.Replace(fakeStudy, "blocks: 12", "time: 60s", 1)), catalog(t, m, countdown(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if planned := len(a.Plan.Blocks); planned < 3 {
		t.Fatalf("%d blocks are planned, want more than are carried out", planned)
	}
	r := experiment.Runner{Testbed: m, Journal: &journal{}, Settle: time.Microsecond, Spent: time.Hour}
	out, err := r.Run(t.Context(), "x", a, nil)
	if err != nil || out.State != experiment.Done || len(out.Blocks) != 2 {
		t.Errorf("%s with %d blocks, want 2; %v", out.State, len(out.Blocks), err)
	}
}
