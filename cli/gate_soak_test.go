//go:build soak

package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// soakDir is where the results of TestGateSoak are kept, from one call to the
// next; the environment variable names another place. Remove it to begin anew.
const (
	soakDir = "../bin/gate"
	soakEnv = "TARE_GATE_SOAK"
)

// soakRoom is the time that one run may take at most: less is not begun before
// the deadline of the tests.
const soakRoom = 6 * time.Minute

// TestGateSoak carries the studies of examples/gate out for real, runs of three
// minutes each, and gates every result: of 20 runs of the one without a
// regression at most one may fail, and both planted regressions must. It goes on
// where it was stopped, an unfinished run included:
//
//	go test -tags soak -run GateSoak -count 1 -timeout 90m -v ./cli
func TestGateSoak(t *testing.T) {
	dir := soakDir
	if d := os.Getenv(soakEnv); d != "" {
		dir = d
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		study       string
		runs        int
		least, most int // that fail
	}{{"cpu", 1, 1, 1}, {"p50", 1, 1, 1}, {"same", 20, 0, 1}} {
		codes := map[int]int{}
		for _, id := range soaked(t, dir, c.study, c.runs) {
			r := tare(t, dir, "gate", id)
			codes[r.code]++
			t.Logf("exit %d\n%s", r.code, r.out)
		}
		t.Logf("%s: of %d runs %d passed, %d failed, %d were undecided", c.study, c.runs, codes[0], codes[1], codes[4])
		if codes[1] < c.least || codes[1] > c.most || codes[0]+codes[1]+codes[4] != c.runs {
			t.Errorf("%s: exit codes %v of %d runs, want %d to %d that are 1", c.study, codes, c.runs, c.least, c.most)
		}
	}
}

// soaked carries a study out until so many results of it are done, and returns
// their ids.
func soaked(t *testing.T, dir, name string, runs int) []string {
	t.Helper()
	for {
		var all []struct{ ID, Study, State string }
		if err := json.Unmarshal([]byte(tare(t, dir, "list", "-o", "json").out), &all); err != nil {
			t.Fatal(err)
		}
		var done []string
		args := []string{"run", "../examples/gate/" + name + ".yaml"}
		for _, e := range slices.Backward(all) {
			switch {
			case e.Study != "gate-"+name:
			case e.State == "done":
				done = append(done, e.ID)
			default:
				args = []string{"run", "--resume", e.ID}
			}
		}
		if len(done) >= runs {
			return done[:runs]
		}
		if args[1] != "--resume" {
			args = append(args, "--seed", fmt.Sprint(len(done)+1))
		}
		if deadline, has := t.Deadline(); has && time.Until(deadline) < soakRoom {
			t.Fatalf("%d of %d runs of %s are kept in %s; run it again to go on", len(done), runs, name, dir)
		}
		began := time.Now()
		if r := tare(t, dir, args...); r.code != 0 {
			t.Fatalf("run %d of %s: exit %d, %s", len(done)+1, name, r.code, r.err)
		}
		t.Logf("run %d of %d of %s took %v", len(done)+1, runs, name, time.Since(began).Round(time.Second))
	}
}
