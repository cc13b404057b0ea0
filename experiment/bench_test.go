package experiment_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/taremesh/tare/experiment"
)

// A study of 30 treatments and 60 blocks, with its raw samples: 1,500 requests
// to each treatment in each block.
func BenchmarkAnalyse(b *testing.B) {
	var text strings.Builder
	text.WriteString("tare: study/1\nname: large\nworkload: {name: fake}\nload: {rate: 500/s}\ntreatments:\n  - {name: base, control: direct}\n  - {name: base-aa, control: aa, baseline: base}\n")
	for i := range 28 {
		fmt.Fprintf(&text, "  - {name: t%02d, workload: {x: %d}, baseline: base}\n", i, i)
	}
	text.WriteString("design: {blocks: 60, latency: 3s, stop: fixed}\n")
	m := planted{study: text.String(), seed: 9, requests: 1500, start: 1.5, mood: 8, adds: func(_ []int, i, _, _ int) float64 { return float64(i) }}
	p := planAt(b, m.study, m.seed)
	blocks := m.blocks(p)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := experiment.Analyse(p, blocks); err != nil {
			b.Fatal(err)
		}
	}
}
