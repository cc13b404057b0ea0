package exposition

import (
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

// hgrmDigits is how many digits of a value are kept.
const hgrmDigits = 4

// hgrmTicks is how many lines each halving of the distance to 100 % has.
const hgrmTicks = 5

// Hgrm writes one treatment's response times as the percentile text of
// HdrHistogram (docs/formats/hgrm.md), in microseconds: every answered request
// of the latency phases of the blocks that count.
func Hgrm(w io.Writer, e experiment.Experiment, blocks []experiment.Block, treatment string) error {
	s := &e.Plan.Study
	i := s.Index(treatment)
	if i < 0 || !s.Stands(i) {
		return fmt.Errorf("percentiles of %s: no treatment %q (known: %s)", e.ID, treatment, strings.Join(standing(e), ", "))
	}
	all := responses(blocks, i)
	if len(all) == 0 {
		return fmt.Errorf("percentiles of %s: treatment %s has no answered request in a latency phase", e.ID, treatment)
	}
	if err := Percentiles(w, slices.Max(all), slices.Values(all)); err != nil {
		return fmt.Errorf("percentiles of %s, treatment %s: %w", e.ID, treatment, err)
	}
	return nil
}

// Percentiles writes times, of which none is above the greatest, as the
// percentile text of HdrHistogram, in microseconds.
func Percentiles(w io.Writer, greatest time.Duration, all iter.Seq[time.Duration]) error {
	h := hdrhistogram.New(1, max(2, int64(greatest)), hgrmDigits)
	for d := range all {
		if err := h.RecordValue(int64(d)); err != nil {
			return err
		}
	}
	if _, err := h.PercentilesPrint(w, hgrmTicks, float64(time.Microsecond)); err != nil {
		return fmt.Errorf("write percentiles: %w", err)
	}
	return nil
}

// responses are those of one treatment's answered requests.
func responses(blocks []experiment.Block, treatment int) []time.Duration {
	var all []time.Duration
	for _, b := range blocks {
		for k, ph := range b.Phases {
			if b.Void != "" || ph.Phase.Kind != study.Latency {
				continue
			}
			for _, s := range b.Samples[k] {
				if int(s.Target) == treatment && s.LastByte >= 0 {
					all = append(all, s.Response())
				}
			}
		}
	}
	return all
}

// standing lists the treatments that stand.
func standing(e experiment.Experiment) []string {
	var names []string
	for i, t := range e.Plan.Study.Treatments {
		if e.Plan.Study.Stands(i) {
			names = append(names, t.Name)
		}
	}
	return names
}
