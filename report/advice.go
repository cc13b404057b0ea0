package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/picture"
	"github.com/taremesh/tare/stat"
)

// AdviceFormat is the version of the JSON of an Advice.
const AdviceFormat = "advice/1"

// Advice is what the talk makes of the histograms of a result, and what came
// of trying it. Its JSON is documented in docs/formats/advice.md.
type Advice struct {
	Format  string          `json:"tare"`
	ID      string          `json:"id"` // of the result
	Study   string          `json:"study"`
	Source  string          `json:"source"` // of the advice
	Cores   int             `json:"cores"`
	Buckets []AdvisedBucket `json:"treatments"`
	Trial   *AdviceTrial    `json:"trial"` // null where it was not tried
}

// AdvisedBucket is the advice on one treatment.
type AdvisedBucket struct {
	Treatment string `json:"treatment"`
	Bucket
}

// AdviceTrial is what a run with the suggested parallelism gave.
type AdviceTrial struct {
	ID        string  `json:"id"` // of the result of the trial
	State     string  `json:"state"`
	Treatment string  `json:"treatment"`
	Own       int     `json:"connections"`
	Suggested float64 `json:"suggested"`
	Tried     int     `json:"tried"`
	Bounded   string  `json:"bounded,omitempty"` // why tried is not suggested
	Blocks    int     `json:"blocks"`
	Screening bool    `json:"screening"`
	// Changes are those of the mean, of p50 and of the CPU time per request:
	// with the tried number less with the own. None with too few blocks.
	Changes  []Comparison `json:"changes"`
	AA       []AA         `json:"aa"`
	Sentence string       `json:"sentence"`
	Warnings []string     `json:"warnings"`
}

// Advice is the talk's on this result; an error where it has no histogram.
func (r *Report) Advice() (*Advice, error) {
	a := &Advice{Format: AdviceFormat, ID: r.ID, Study: r.Study, Buckets: []AdvisedBucket{}}
	if r.Histogram != nil {
		a.Source, a.Cores = r.Histogram.Source, r.Histogram.Cores
		for _, t := range r.Histogram.Treatments {
			if t.Largest != nil {
				a.Buckets = append(a.Buckets, AdvisedBucket{t.Name, *t.Largest})
			}
		}
	}
	if len(a.Buckets) == 0 {
		return nil, fmt.Errorf("advise on %s: no response of a latency phase is kept, so there is no histogram", r.ID)
	}
	return a, nil
}

// AdviceOn is the advice on a treatment of this result; without a name, on the
// last that is no control, else on the last that is no A/A copy.
func (r *Report) AdviceOn(treatment string) (AdvisedBucket, error) {
	a, err := r.Advice()
	if err != nil {
		return AdvisedBucket{}, err
	}
	find := func(wanted func(Treatment) bool) *AdvisedBucket {
		for _, t := range slices.Backward(r.Treatments) {
			k := slices.IndexFunc(a.Buckets, func(b AdvisedBucket) bool { return b.Treatment == t.Name })
			if k >= 0 && wanted(t) {
				return &a.Buckets[k]
			}
		}
		return nil
	}
	var found *AdvisedBucket
	if treatment != "" {
		found = find(func(t Treatment) bool { return t.Name == treatment })
	} else if found = find(func(t Treatment) bool { return t.Control == nil }); found == nil {
		found = find(func(t Treatment) bool { return !isAA(t) })
	}
	if found != nil {
		return *found, nil
	}
	var names []string
	for _, b := range a.Buckets {
		names = append(names, b.Treatment)
	}
	return AdvisedBucket{}, fmt.Errorf("advise on treatment %q of %s: it has no histogram (those that have: %v)", treatment, r.ID, names)
}

// tried are the endpoints of a trial, the one that is asked for first.
var tried = []experiment.Endpoint{experiment.Mean, experiment.P50, experiment.CPU}

// AddTrial adds what a carried-out trial gave: r is its report, own and tried
// its treatments.
func (a *Advice) AddTrial(t *experiment.Trial, r *Report, of, own, with string) {
	x := &AdviceTrial{ID: r.ID, State: r.State, Treatment: of, Own: t.Own, Suggested: t.Suggested, Tried: t.Tried, Bounded: t.Bounded,
		Blocks: r.Blocks, Screening: r.Screening, AA: r.AA, Changes: []Comparison{}, Warnings: r.Warnings}
	for _, e := range tried {
		if c, ok := r.find(with, own, e); ok {
			x.Changes = append(x.Changes, c)
		}
	}
	x.Sentence = x.sentence()
	a.Trial = x
}

// outcomes of following the advice, by verdict and direction of the mean.
func followed(c Comparison) string {
	switch {
	case c.Verdict == string(stat.Material) && value(c.Direction) == string(stat.Better):
		return "following the advice helped"
	case c.Verdict == string(stat.Material):
		return "following the advice made it worse"
	case c.Verdict == string(stat.Undecided):
		return "whether following the advice helps is not decided"
	}
	return "following the advice makes no difference that matters"
}

func (x *AdviceTrial) sentence() string {
	if len(x.Changes) == 0 || x.Changes[0].Endpoint != string(experiment.Mean) {
		return fmt.Sprintf("%d blocks are too few to say what %d connections instead of %d do to the mean response time.", x.Blocks, x.Tried, x.Own)
	}
	c := x.Changes[0]
	return fmt.Sprintf("With %d connections instead of %d the mean response time of %s changes by %s µs, margin ±%s, %s: %s.",
		x.Tried, x.Own, x.Treatment, between(c.Interval), plain(c.Margin), verdictWords(c), followed(c))
}

// JSON writes the advice as indented JSON.
func (a *Advice) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(a)
}

// Text writes the advice for a person.
func (a *Advice) Text(w io.Writer) error {
	t := &printer{}
	t.line("%s  %s", a.Study, a.ID)
	t.line("A suggestion, no finding: %s", a.Source)
	t.line("")
	rows := [][]string{{"TREATMENT", "largest bucket, µs", ">requests", ">cores", ">suggested connections"}}
	for _, b := range a.Buckets {
		rows = append(rows, []string{b.Treatment, picture.Label(b.Low) + "–" + picture.Label(b.High), fmt.Sprint(b.Count), fmt.Sprint(a.Cores), plain(b.PerCore)})
	}
	t.table(rows)
	t.line("")
	if a.Trial == nil {
		t.line("Try it: tare advice %s --try", a.ID)
	} else {
		a.Trial.print(t)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

func (x *AdviceTrial) print(t *printer) {
	stamp := ""
	if x.Screening {
		stamp = "  SCREENING: too few blocks for verdicts"
	}
	t.line("TRIED  %s with %d connections and with %d, interleaved, %d blocks (%s)%s", x.Treatment, x.Own, x.Tried, x.Blocks, x.State, stamp)
	if x.Bounded != "" {
		t.line("not the suggested %s: %s", plain(x.Suggested), x.Bounded)
	}
	if len(x.Changes) > 0 {
		t.table(comparisonRows(x.Changes))
	}
	t.line("")
	t.line("%s", x.Sentence)
	for _, aa := range x.AA {
		if aa.P50 != nil {
			t.line("A/A at p50: %s µs, margin ±%s", between(aa.P50.Interval), plain(aa.P50.Margin))
		}
	}
	t.line("All of it: tare report %s", x.ID)
	t.list("WARNINGS", x.Warnings)
}
