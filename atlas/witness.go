package atlas

import (
	"fmt"
	"slices"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// witness is a function which could not do its work in a form that lacks the
// abilities: where its trials pass, they are shown.
type witness struct {
	function  string
	vector    Vector
	abilities []string
	forms     []study.Form // empty: any
	test      string       // empty: that of its trials
}

// witnesses are those that the tests of functions hold, form by form and plane
// by plane.
func witnesses() []witness {
	inProxies := slices.DeleteFunc(study.Forms(), func(f study.Form) bool { return f == study.FormLua || f == study.FormLibrary })
	return []witness{
		{function: "route-context", vector: Reach, abilities: []string{"read-request-head", "choose-cluster"}},
		{function: "header-mutation", vector: Reach, abilities: []string{"change-request-head", "change-response-head"}},
		{function: "compression", vector: Reach, abilities: []string{"read-response-head", "read-response-body", "change-response-body"}},
		{function: "body-limit", vector: Reach, abilities: []string{"read-request-body"}},
		{function: "rbac", vector: Reach, abilities: []string{"read-connection", "answer"}},
		{function: "ratelimit", vector: Reach, abilities: []string{"answer"}, forms: inProxies, test: "functiontest.TestRateLimitInProxies"},
		{function: "ratelimit", vector: State, abilities: []string{"per-worker", "across-workers"}, forms: inProxies, test: "functiontest.TestRateLimitInProxies"},
		{function: "ratelimit", vector: State, abilities: []string{"per-worker", "across-workers"}, forms: []study.Form{study.FormLibrary}, test: "functiontest.TestRateLimit"},
		{function: "ratelimit-global", vector: State, abilities: []string{"across-proxies"}},
	}
}

// Witnessed are the tries that functions are: each ability without which the
// function would fail its trials, in every form that it passes them in.
func Witnessed(fs []function.Function, entries []Entry) []Try {
	var all []Try
	for _, w := range witnesses() {
		k := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == w.function })
		if k < 0 || len(fs[k].Trials) == 0 && w.test == "" {
			continue
		}
		for _, p := range entries[k].Places {
			if len(p.Sites) == 0 || len(w.forms) > 0 && !slices.Contains(w.forms, p.Form) {
				continue
			}
			for _, plane := range planesOf(p) {
				for _, what := range w.abilities {
					all = append(all, w.try(p.Form, plane, what))
				}
			}
		}
	}
	return all
}

// planesOf are the planes of a form; the application is the empty one.
func planesOf(p Place) []string {
	if p.Form == study.FormLibrary {
		return []string{""}
	}
	return p.Planes
}

func (w witness) try(form study.Form, plane, what string) Try {
	t := Try{Form: form, Plane: plane, Vector: w.vector, What: what, Verdict: Shown, Test: w.test}
	t.Words = fmt.Sprintf("function %s passes its trials in this form, and needs it", w.function)
	if t.Test == "" {
		t.Test = "functiontest.TestTrials/" + w.function
	}
	return t
}

// Decided counts, for each function that chooses among services by the request,
// how many of the published pairs of requests it tells apart.
func Decided(fs []function.Function) ([]Decisions, error) {
	var all []Decisions
	for _, f := range fs {
		if f.Decide == nil {
			continue
		}
		params, err := study.JSONParams("decisions of "+f.Name, []byte(f.Decide.Params))
		if err != nil {
			return nil, err
		}
		spec, err := f.Decode(params)
		if err != nil {
			return nil, fmt.Errorf("count the decisions of %s: %w", f.Name, err)
		}
		all = append(all, Decisions{f.Name, function.Distinct(f.Decide.Model(spec)), len(function.Pairs())})
	}
	return all, nil
}
