package atlas

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/taremesh/tare/study"
)

// Vector is one side of what a form can do.
type Vector string

// The vectors: what a form sees, changes and calls; where it can keep what it
// knows; and what happens to others when it changes or goes wrong.
const (
	Reach  Vector = "reach"
	State  Vector = "state"
	Safety Vector = "safety"
)

// Vectors lists them all.
func Vectors() []Vector { return []Vector{Reach, State, Safety} }

// Verdict is what became of a try.
type Verdict string

// The verdicts. NotTried is the zero value: nobody knows.
const (
	NotTried Verdict = ""
	Shown    Verdict = "shown"   // a test did it, through a proxy
	Refused  Verdict = "refused" // it was tried, and the words say how it failed
)

// Try is one thing that a form was tried for on one plane.
type Try struct {
	Form    study.Form `json:"form"`
	Plane   string     `json:"plane,omitempty"` // empty: in the application
	Vector  Vector     `json:"vector"`
	What    string     `json:"what"`
	Verdict Verdict    `json:"verdict"`
	Words   string     `json:"words"` // the log of the try, or the plane's words
	Test    string     `json:"test"`  // that does it, as folder.TestName
}

// Abilities lists what the tries of a vector are for, in order.
func Abilities(v Vector) []Ability { return abilities[v] }

// Ability is one thing that a form may be able to do.
type Ability struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
}

var abilities = map[Vector][]Ability{
	Reach: {
		{"read-request-head", "read a header of the request"},
		{"read-request-body", "read the request's body"},
		{"read-response-head", "read a header of the service's response"},
		{"read-response-body", "read the service's response body"},
		{"read-connection", "read who the peer of the connection is"},
		{"change-request-head", "change a header of the request"},
		{"change-request-body", "change the request's body"},
		{"change-response-head", "change a header of the response"},
		{"change-response-body", "change the response's body"},
		{"answer", "answer by itself"},
		{"call", "call another service and use its answer"},
		{"clear-route", "have the route looked for again"},
		{"choose-cluster", "choose the service that gets the request"},
	},
	State: {
		{"per-worker", "remember something from one request to the next on a worker"},
		{"across-workers", "share it between the workers of a proxy"},
		{"across-proxies", "share it between proxies"},
	},
	Safety: {
		{"swap", "be swapped under load without a failed request"},
		{"crash", "crash without taking other requests along"},
		{"loop", "run for ever without taking other requests along"},
		{"memory", "want all memory without taking other requests along"},
	},
}

// triesText is what the tests found; they make it, and hold it.
//
//go:embed tries.json
var triesText []byte

// modulesText is what TestModuleTries found.
//
//go:embed modules.json
var modulesText []byte

// safetyText is what functiontest.TestSafety found.
//
//go:embed safety.json
var safetyText []byte

// Tries lists what forms were tried for, as tests found it.
func Tries() ([]Try, error) {
	var all []Try
	for _, text := range [][]byte{triesText, modulesText, safetyText} {
		var some []Try
		if err := json.Unmarshal(text, &some); err != nil {
			return nil, fmt.Errorf("read the tries: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// Power is what one form can do on one plane: for each vector a verdict for
// each ability, in order.
type Power struct {
	Form    study.Form          `json:"form"`
	Plane   string              `json:"plane,omitempty"`
	Vectors map[Vector][]Answer `json:"vectors"`
}

// Answer is one cell of a vector.
type Answer struct {
	What    string  `json:"what"`
	Verdict Verdict `json:"verdict"` // empty: not tried
	Words   string  `json:"words,omitempty"`
	Test    string  `json:"test,omitempty"`
}

// Name is the form and where it runs.
func (p Power) Name() string {
	if p.Plane == "" {
		return string(p.Form)
	}
	return string(p.Form) + " on " + p.Plane
}

// Powers gathers the tries: one for each form in the application and on each of
// the planes, tried or not.
func Powers(tries []Try, planes []string) []Power {
	var all []Power
	for _, form := range study.Forms() {
		on := planes
		if form == study.FormLibrary {
			on = []string{""}
		}
		for _, plane := range on {
			p := Power{Form: form, Plane: plane, Vectors: map[Vector][]Answer{}}
			for _, v := range Vectors() {
				for _, a := range abilities[v] {
					p.Vectors[v] = append(p.Vectors[v], answer(tries, form, plane, v, a.Name))
				}
			}
			all = append(all, p)
		}
	}
	return all
}

// answer is the first try that showed the ability, else the first there is: a
// form has more than one protocol, and what one of them does the form can do.
func answer(tries []Try, form study.Form, plane string, v Vector, what string) Answer {
	out := Answer{What: what, Words: untried(form, plainly(plane), v, what)}
	found := false
	for _, t := range tries {
		if t.Form != form || t.Plane != plainly(plane) || t.Vector != v || t.What != what {
			continue
		}
		if t.Verdict == Shown {
			return Answer{what, t.Verdict, t.Words, t.Test}
		}
		if !found {
			out, found = Answer{what, t.Verdict, t.Words, t.Test}, true
		}
	}
	return out
}

// shown counts the abilities of a vector that were shown.
func (p Power) shown(v Vector) int {
	n := 0
	for _, a := range p.Vectors[v] {
		if a.Verdict == Shown {
			n++
		}
	}
	return n
}

// Tried reports whether anything of a vector was.
func (p Power) Tried(v Vector) bool {
	return slices.ContainsFunc(p.Vectors[v], func(a Answer) bool { return a.Verdict != NotTried })
}

// Includes reports whether p can do all that q was shown to do.
func (p Power) Includes(q Power, v Vector) bool {
	for i, a := range q.Vectors[v] {
		if a.Verdict == Shown && p.Vectors[v][i].Verdict != Shown {
			return false
		}
	}
	return true
}

// Edge says that one power has all of another's and more, with none between.
type Edge struct{ Above, Below int }

// Order is the powers ordered by inclusion in one vector: those that were tried
// at all, in groups that can do the same.
type Order struct {
	Vector Vector
	Groups [][]int // places in the powers given
	Edges  []Edge  // between groups
	Front  []int   // groups that no other one includes
	Ranks  []int   // of each group: the length of the longest way down from it
}

// Inclusion orders powers by one vector.
func Inclusion(ps []Power, v Vector) Order {
	o := Order{Vector: v}
	for i, p := range ps {
		if !p.Tried(v) {
			continue
		}
		k := slices.IndexFunc(o.Groups, func(g []int) bool { return ps[g[0]].Includes(p, v) && p.Includes(ps[g[0]], v) })
		if k < 0 {
			o.Groups = append(o.Groups, nil)
			k = len(o.Groups) - 1
		}
		o.Groups[k] = append(o.Groups[k], i)
	}
	above := func(a, b int) bool { return a != b && ps[o.Groups[a][0]].Includes(ps[o.Groups[b][0]], v) }
	o.Ranks = make([]int, len(o.Groups))
	order := make([]int, len(o.Groups))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return ps[o.Groups[a][0]].shown(v) - ps[o.Groups[b][0]].shown(v) })
	for _, a := range order {
		top := true
		for b := range o.Groups {
			top = top && !above(b, a)
			if !above(a, b) {
				continue
			}
			o.Ranks[a] = max(o.Ranks[a], o.Ranks[b]+1)
			if !slices.ContainsFunc(order, func(c int) bool { return above(a, c) && above(c, b) }) {
				o.Edges = append(o.Edges, Edge{a, b})
			}
		}
		if top {
			o.Front = append(o.Front, a)
		}
	}
	return o
}

// Weights is what each vector is worth to the user.
type Weights map[Vector]float64

// Score is one number: of each vector the share of its abilities that were
// shown, times the vector's weight. It means what the weights mean.
func (p Power) Score(w Weights) float64 {
	sum := 0.0
	for v, weight := range w {
		sum += weight * float64(p.shown(v)) / float64(len(abilities[v]))
	}
	return sum
}
