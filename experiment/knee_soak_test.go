//go:build soak

package experiment

import "testing"

// Coverage of the knee over many simulated runs; the figures are in
// docs/EVIDENCE.md.
func TestSoakKneeCovers(t *testing.T) {
	for _, c := range []kneeCase{
		{"p50<3ms", 0.50, 3e-3, "blocks: 14, probe: 4s"},
		{"p50<3ms", 0.50, 3e-3, "blocks: 24, probe: 2s"},
		{"p90<5ms", 0.90, 5e-3, "blocks: 14, probe: 4s"},
	} {
		t.Run(c.objective+", "+c.design, func(t *testing.T) {
			const runs = 200
			got := c.simulate(t, runs)
			t.Logf("%d runs: %.1f %% of knees and %.1f %% of differences covered, bias %+.2f %%, worst %.1f %%, mean half-width %.1f %%", got.runs,
				float64(100*got.knees)/(2*runs), float64(100*got.differences)/runs, 100*got.bias, 100*got.worst, 100*got.half)
			if share := float64(got.knees) / (2 * runs); share < 0.92 || share > 0.98 {
				t.Errorf("%.1f %% of knees covered", 100*share)
			}
			if got.worst > 0.06 || got.bias > 0.01 || got.bias < -0.01 {
				t.Errorf("worst error %.1f %%, bias %+.2f %%", 100*got.worst, 100*got.bias)
			}
		})
	}
}
