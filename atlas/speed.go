package atlas

import (
	"strings"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/study"
)

// Speed is what one cell adds to a request, against the same apparatus without
// it: one service, or, for a function that chooses between copies of one, as many,
// asked in turn. Intervals are those of the batch's report.
type Speed struct {
	Cell
	P50 *report.Interval `json:"p50_us"` // null: the batch could not say
	CPU *report.Interval `json:"cpu_us_per_request"`
	// NoopP50 and NoopCPU are what the same form adds when it does nothing;
	// null without such a control.
	NoopP50 *report.Interval `json:"noop_p50_us"`
	NoopCPU *report.Interval `json:"noop_cpu_us_per_request"`
	// OneP50 and OneCPU are of a function that chooses between copies of a service:
	// against one service, without the choice.
	OneP50    *report.Interval `json:"one_service_p50_us,omitempty"`
	OneCPU    *report.Interval `json:"one_service_cpu_us_per_request,omitempty"`
	PrivateMB *float64         `json:"private_mb"` // more than its baseline
	Requests  int              `json:"requests"`
	Blocks    int              `json:"blocks"`
	Screening bool             `json:"screening"`             // too few blocks for a verdict
	Judge     string           `json:"judge_found,omitempty"` // what the function's judge found wrong under load
	Result    string           `json:"result"`                // id of the batch's result
}

// IsBatch reports whether a study of that name is a batch of an atlas.
func IsBatch(study string) bool { return strings.HasPrefix(study, batchPrefix) }

// Speeds reads the cells of a batch out of its report. routes tells the functions
// that choose between different services, of which a proxy without them has one.
func Speeds(r *report.Report, routes func(function string) bool) []Speed {
	var all []Speed
	for i := range r.Treatments {
		t := &r.Treatments[i]
		form := formIn(t)
		if form == "" {
			continue
		}
		s := Speed{Cell: Cell{Function: t.Name, Form: form}, Requests: t.Requests, Blocks: r.Blocks, Screening: r.Screening, Result: r.ID}
		if t.DataPlane != nil {
			s.Plane = *t.DataPlane
		}
		if t.Site != nil {
			s.Site = study.Site(*t.Site)
		}
		if t.JudgeFound != nil {
			s.Judge = *t.JudgeFound
		}
		s.P50, s.CPU = added(r, t.Name, *t.Baseline, experiment.P50), added(r, t.Name, *t.Baseline, experiment.CPU)
		if base := treatment(r, *t.Baseline); base != nil && base.Set[replicas] != "" && base.Baseline != nil {
			s.OneP50, s.OneCPU = added(r, t.Name, *base.Baseline, experiment.P50), added(r, t.Name, *base.Baseline, experiment.CPU)
		}
		if s.OneCPU != nil && routes(t.Name) {
			s.P50, s.CPU, s.OneP50, s.OneCPU = s.OneP50, s.OneCPU, nil, nil
		}
		noop := *t.Baseline + noopSuffix
		s.NoopP50, s.NoopCPU = added(r, noop, *t.Baseline, experiment.P50), added(r, noop, *t.Baseline, experiment.CPU)
		if base := treatment(r, *t.Baseline); base != nil && base.PrivateMB != nil && t.PrivateMB != nil {
			more := *t.PrivateMB - *base.PrivateMB
			s.PrivateMB = &more
		}
		all = append(all, s)
	}
	return all
}

// formIn is the form of a cell in a batch's report; empty: it is no cell.
func formIn(t *report.Treatment) study.Form {
	switch {
	case t.Control != nil || t.Baseline == nil:
		return ""
	case t.Form != nil:
		return study.Form(*t.Form)
	case *t.Baseline == sidecars: // what it has are settings, of the proxies' own
		return study.FormNative
	}
	return ""
}

func added(r *report.Report, name, baseline string, e experiment.Endpoint) *report.Interval {
	for _, c := range r.Comparisons {
		if c.Treatment == name && c.Baseline == baseline && c.Endpoint == string(e) {
			x := c.Interval
			return &x
		}
	}
	return nil
}

func treatment(r *report.Report, name string) *report.Treatment {
	for i := range r.Treatments {
		if r.Treatments[i].Name == name {
			return &r.Treatments[i]
		}
	}
	return nil
}
