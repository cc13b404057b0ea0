package cli_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/taremesh/tare/report"
)

// A result's advice is given, tried by a run of real processes, kept, and the
// change of the mean reported with its interval.
func TestAdviceIsTried(t *testing.T) {
	dir := t.TempDir()
	if r := tare(t, dir, "run", write(t, tiny)); r.code != 0 {
		t.Fatalf("exit %d\n%s", r.code, r.err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"advice", "nothing"}, "nothing"},
		{[]string{"advice", "last", "--treatment", "nobody"}, "it has no histogram (those that have: [plain"},
		{[]string{"advice", "last", "--time", "2m"}, "--time is of a trial: give --try too"},
		{[]string{"advice"}, "takes an id"},
		{[]string{"advice", "last", "-o", "yaml"}, "unknown output format"},
		{[]string{"advice", "last", "--try", "--time", "-1s"}, "want a time above 0"},
	} {
		if r := tare(t, dir, c.args...); r.code != 2 || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%v: exit %d, %s%s", c.args, r.code, r.out, r.err)
		}
	}
	only := tare(t, dir, "advice", "last")
	if only.code != 0 || !strings.Contains(only.out, "A suggestion, no finding") || !strings.Contains(only.out, "--try") || strings.Contains(only.out, "TRIED") {
		t.Errorf("exit %d\n%s%s", only.code, only.out, only.err)
	}
	r := tare(t, dir, "advice", "last", "--try", "--treatment", "plain", "--time", "8s", "-o", "json")
	if r.code != 0 {
		t.Fatalf("exit %d\n%s", r.code, r.err)
	}
	var a report.Advice
	if err := json.Unmarshal([]byte(r.out), &a); err != nil {
		t.Fatalf("%v\n%s", err, r.out)
	}
	x := a.Trial
	if x == nil || x.Treatment != "plain" || x.Own != 2 || x.Blocks < 2 || !x.Screening || len(x.Changes) < 1 {
		t.Fatalf("trial %+v", x)
	}
	for _, b := range a.Buckets {
		if b.Treatment == "plain" && (x.Suggested != b.PerCore || x.Bounded == "" && float64(x.Tried) != math.Round(b.PerCore)) {
			t.Errorf("suggested %v, tried %d, the bucket says %+v", x.Suggested, x.Tried, b)
		}
	}
	if c := x.Changes[0]; c.Endpoint != "mean" || c.Primary || !(c.Low <= c.Estimate && c.Estimate <= c.High) || !strings.Contains(x.Sentence, "the mean response time of plain changes by") {
		t.Errorf("%+v\n%s", x.Changes, x.Sentence)
	}
	kept := decode(t, tare(t, dir, "report", x.ID, "-o", "json").out)
	for _, c := range kept.Comparisons {
		if c.Endpoint == "mean" && c.Estimate == x.Changes[0].Estimate {
			return
		}
	}
	t.Errorf("the kept result %s does not have the change of the mean", x.ID)
}
