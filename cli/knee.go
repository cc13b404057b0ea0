package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

func newKnee(s State) *cobra.Command {
	var f planFlags
	var data *string
	var out *outputs
	objective, treatments, rate := "", []string(nil), ""
	c := &cobra.Command{
		Use:   "knee FILE --objective OBJECTIVE",
		Short: "Find the greatest rate that keeps an objective, for each treatment of a study",
		Long: `Find the greatest rate at which each treatment of a study keeps an objective,
with an interval, and compare the treatments by it.

An objective is a list of conditions that must all hold: quantiles of the
response time (from the intended time to the last byte, so that overload shows)
and the share of requests that are not answered well. Each treatment is probed
alone, the others stopped, with Poisson arrivals: first by steps of ×1.5 until
the knee lies between two rates, then at rates around it, in random order, in
block after block of fresh processes. The interval is over blocks. Where no rate
keeps the objective, or the greatest that can be offered still does, that is said
instead of a number.

The study may be any with treatments; its load.rate is where the search begins.
A study of its own has design: {name: knee, objective: …}. The result is kept as
that of tare run is: tare run --resume goes on with it, tare report prints it.`,
		Example: `  tare knee examples/knee.yaml
  tare knee examples/imagehub.yaml --objective 'p99<5ms,errors<0.1%' --treatments router,native --time 10m
  tare knee examples/imagehub.yaml --objective 'p50<2ms' --rate 2000/s --html knee.html`,
		Args: exactly(1, "one study file"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := out.check(c); err != nil {
				return err
			}
			given, notes, err := kneeStudy(args[0], objective, treatments, rate)
			if err != nil {
				return input(err)
			}
			for _, n := range notes {
				fmt.Fprintln(c.ErrOrStderr(), "note:", n)
			}
			r := &runner{state: s, command: c, data: *data, output: out}
			return r.fresh(c.Context(), f, given)
		},
	}
	f.add(c)
	c.Flags().StringVar(&objective, "objective", "", "what a rate must keep, such as 'p99<5ms,errors<0.1%' (default the study's)")
	c.Flags().StringSliceVar(&treatments, "treatments", nil, "treatments whose knee is asked for, by name (default all)")
	c.Flags().StringVar(&rate, "rate", "", "rate to begin at, such as 2000/s (default the study's load.rate)")
	data, out = dataFlag(c), outputFlags(c)
	return c
}

// kneeStudy reads a study file as one that asks for knees.
func kneeStudy(file, objective string, treatments []string, rate string) (*study.Study, []string, error) {
	s, err := study.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	var o study.Objective
	if objective != "" {
		if o, err = study.ParseObjective(objective); err != nil {
			return nil, nil, fmt.Errorf("--objective: %w", err)
		}
	} else if s.Design.Name != study.Knee {
		return nil, nil, fmt.Errorf("%s names no objective: give --objective 'p99<5ms,errors<0.1%%', or design: {name: %s, objective: …}", file, study.Knee)
	}
	if rate != "" {
		if err := s.Load.Rate.UnmarshalText([]byte(rate)); err != nil {
			return nil, nil, fmt.Errorf("--rate: %w", err)
		}
	}
	notes, err := s.AsKnee(o, treatments)
	return s, notes, err
}

// printKnee says what a knee study will do.
func printKnee(out func(string, ...any), p *study.Plan) {
	s := &p.Study
	each := 0
	for _, ph := range p.Blocks[0].Phases {
		if ph.Kind == study.Probe {
			each++
		}
	}
	probed := s.Probed()
	var names []string
	for _, i := range probed {
		names = append(names, s.Treatments[i].Name)
	}
	first := s.ProbeTime(float64(s.Load.Rate))
	out("the greatest rate under %v of: %s", s.Design.Objective, strings.Join(names, ", "))
	out("each alone on %d connections; a probe needs %d requests after its first %.0f %%: %v at %v, where the search begins, and never less than %v", s.Load.Connections,
		s.Design.Objective.Requests(), 100*study.Lead, first, s.Load.Rate, s.ProbeTime(study.MaxProbeRate))
	out("%d probes of each treatment in a block, at most %d blocks: as long as probes take at the rates where the knees are, until the time is spent", each/len(probed), len(p.Blocks))
	for _, i := range probed {
		if base := s.KneeBaseline(i); base >= 0 {
			out("  %-20s %s; its knee is compared with that of %s", s.Treatments[i].Name, describe(s, i), s.Treatments[base].Name)
		} else {
			out("  %-20s %s", s.Treatments[i].Name, describe(s, i))
		}
	}
}

// kneeFigures are the knees so far, for the line of progress.
func kneeFigures(an *experiment.Analysis) []string {
	var parts []string
	for _, c := range an.Capacities {
		name := an.Treatments[c.Treatment].Name
		switch {
		case c.Bound != experiment.Exact:
			parts = append(parts, fmt.Sprintf("%s %s %.4g/s", name, c.Bound, c.Rate.Estimate))
		case c.HasInterval():
			parts = append(parts, fmt.Sprintf("%s %.0f/s (%.0f to %.0f)", name, c.Rate.Estimate, c.Rate.Low, c.Rate.High))
		default:
			parts = append(parts, fmt.Sprintf("%s near %.0f/s", name, c.Rate.Estimate))
		}
	}
	return parts
}
