package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/report"
)

// The sum over several studies: JSON where JSON is asked for, and the gate.
func TestSumOverStudies(t *testing.T) {
	for _, c := range []struct {
		name     string
		n        report.Rejections
		studies  int
		output   string
		code     int
		out, not string
	}{
		{"one study says it itself", report.Rejections{Rejected: 0, Of: 4}, 1, table, 0, "", "pairs"},
		{"table", report.Rejections{Rejected: 5, Of: 100}, 25, table, 0, "5 of 100 pairs", "{"},
		{"json", report.Rejections{Rejected: 5, Of: 100}, 25, asJSON, 0, `"rejected": 5`, "pairs"},
		{"too often", report.Rejections{Rejected: 20, Of: 100}, 25, asJSON, exitGate, `"of": 100`, "pairs"},
		{"too seldom", report.Rejections{Rejected: 0, Of: 200}, 50, table, exitGate, "0 of 200 pairs", "{"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			cmd := &cobra.Command{}
			cmd.SetOut(&out)
			if code := exitCode(judgeAA(cmd, c.n, c.studies, c.output)); code != c.code {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			if !strings.Contains(out.String(), c.out) || strings.Contains(out.String(), c.not) {
				t.Errorf("printed %q", out.String())
			}
			if c.output != asJSON {
				return
			}
			var got struct{ Rejections report.Rejections }
			if err := json.Unmarshal([]byte(out.String()), &got); err != nil || got.Rejections.Of != c.n.Of || got.Rejections.High <= got.Rejections.Low {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// The arms of tare aa are a study that can be planned.
func TestArmsArePlanned(t *testing.T) {
	for _, proxied := range []bool{false, true} {
		p, err := (&planFlags{}).planOf(aaStudy(8, proxied))
		if err != nil || p.Screening || len(p.Study.Treatments) != 8 || p.Study.Load.Connections < 1 || p.Study.OnMesh(7) != proxied {
			t.Errorf("proxied %t: %+v, %v", proxied, p, err)
		}
	}
	if _, err := (&planFlags{}).planOf(aaStudy(62, false)); err == nil || !strings.Contains(err.Error(), "at most 60") {
		t.Errorf("62 arms: %v", err)
	}
}
