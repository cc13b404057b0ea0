// Package study reads a study file and plans it.
//
// A Study is the question: a workload, a function, the treatments to compare,
// the load, the design. Parse reads one from strict YAML, where an unknown
// field is an error with file and line; MakePlan makes it into blocks of
// phases with seeds, the same for the same seed byte for byte. The package
// knows names and numbers, not proxies: whether a form exists on a plane is
// checked by whoever holds the catalogue.
package study

import (
	"cmp"
	"slices"
	"time"
)

// Form is a way to realise a function.
type Form string

// The forms.
const (
	FormLibrary  Form = "library"
	FormNative   Form = "native"
	FormLua      Form = "lua"
	FormWasm     Form = "wasm"
	FormWasmGo   Form = "wasm-go"
	FormDynmod   Form = "dynmod"
	FormDynmodGo Form = "dynmod-go"
	FormExternal Form = "external"
)

// Forms lists all forms.
func Forms() []Form {
	return []Form{FormLibrary, FormNative, FormLua, FormWasm, FormWasmGo, FormDynmod, FormDynmodGo, FormExternal}
}

// Site is where on the path a function runs.
type Site string

// The sites.
const (
	SiteService Site = "service" // in the application
	SiteServer  Site = "server"  // the server's sidecar
	SiteClient  Site = "client"  // the client's sidecar
	SiteIngress Site = "ingress" // the gateway by which requests come into the mesh
	SiteEgress  Site = "egress"  // the gateway by which they leave it
)

// Sites lists all sites.
func Sites() []Site { return append([]Site{SiteService, SiteServer}, HopSites()...) }

// HopSites lists the sites of proxies in front of the server's, in the order
// in which a request meets them.
func HopSites() []Site { return []Site{SiteIngress, SiteClient, SiteEgress} }

// ProxySites lists the sites that are proxies.
func ProxySites() []Site { return append([]Site{SiteServer}, HopSites()...) }

// Control says that a treatment is part of the apparatus of comparison.
type Control string

// The controls.
const (
	Direct Control = "direct" // no proxy
	Router Control = "router" // a proxy that only routes, at a site
	Relay  Control = "relay"  // an application that calls the service, in front of all else
	Token  Control = "token"  // router and the workload's token check
	Noop   Control = "noop"   // a filter that does nothing, in the same form
	AA     Control = "aa"     // a second copy of its baseline
)

// Controls lists all controls.
func Controls() []Control { return []Control{Direct, Router, Relay, Token, Noop, AA} }

// DefaultTestbed is where the treatments of a study stand that names no place.
const DefaultTestbed = "local"

// Format is the version of study files that this package reads.
const Format = "study/1"

// Study is one question and how it is to be answered.
type Study struct {
	Format      string       `yaml:"tare" json:"tare"` // Format
	Name        string       `yaml:"name" json:"name"`
	Question    string       `yaml:"question" json:"question,omitempty"`
	DataPlane   Planes       `yaml:"dataplane" json:"dataplane"` // of every treatment with a proxy
	Testbed     string       `yaml:"testbed" json:"testbed"`     // where they stand; default local
	Workload    Part         `yaml:"workload" json:"workload"`
	Function    *Part        `yaml:"function" json:"function,omitempty"`
	Load        Load         `yaml:"load" json:"load"`
	Treatments  []Treatment  `yaml:"treatments" json:"treatments"`
	Factors     Factors      `yaml:"factors" json:"factors,omitempty"`
	Design      Design       `yaml:"design" json:"design"`
	Enforcement *Enforcement `yaml:"enforcement" json:"enforcement,omitempty"`
	Margin      Margins      `yaml:"margin" json:"margin"`
	Reference   *Reference   `yaml:"reference" json:"reference,omitempty"`
	// Endpoints names further figures to compare by, beside those that every
	// study has; they are exploratory. See FurtherEndpoints.
	Endpoints []string `yaml:"endpoints" json:"endpoints,omitempty"`
	// SMP is what the test file of Service Mesh Performance that the study was
	// made of says beyond a study. Only package smp reads it.
	SMP Params `yaml:"smp" json:"smp,omitzero"`

	source source
}

// Part names a workload or a function and carries its parameters.
type Part struct {
	Name   string `yaml:"name" json:"name"`
	Params Params `yaml:"params" json:"params"`
}

// Load is the traffic that every treatment gets.
type Load struct {
	Generator   string `yaml:"generator" json:"generator"`     // default openloop
	Arrivals    string `yaml:"arrivals" json:"arrivals"`       // poisson (default), uniform or bursts
	Rate        Rate   `yaml:"rate" json:"rate"`               // per treatment; default 500/s, lowered where that narrows the intervals
	Connections int    `yaml:"connections" json:"connections"` // per treatment; default 8
	Users       *Users `yaml:"users" json:"users,omitempty"`
	// Headers are header fields that every request of every treatment carries.
	Headers Headers `yaml:"headers" json:"headers,omitempty"`
	// Lowered says why the rate is below the default; empty: it is not.
	Lowered string `yaml:"-" json:"lowered,omitempty"`
	// DefaultRate: the study gives no rate, so a run may lower it.
	DefaultRate bool `yaml:"-" json:"default_rate,omitempty"`
}

// Users is the population that sends the requests.
type Users struct {
	Count int     `yaml:"count" json:"count"`
	Mix   []Group `yaml:"mix" json:"mix"`
}

// Group is the users of one subscription.
type Group struct {
	Subscription string  `yaml:"subscription" json:"subscription"`
	Share        Percent `yaml:"share" json:"share"`   // of the users
	Weight       float64 `yaml:"weight" json:"weight"` // relative frequency of requests of one such user
}

// Treatment is its baseline plus one thing: a control, a form of a function, or
// other parameters of the workload.
type Treatment struct {
	Name     string  `yaml:"name" json:"name"`
	Baseline string  `yaml:"baseline" json:"baseline,omitempty"` // empty: a root, direct or router
	Control  Control `yaml:"control" json:"control,omitempty"`
	Form     Form    `yaml:"form" json:"form,omitempty"`
	Site     Site    `yaml:"site" json:"site,omitempty"`
	// Function is what the form is of; nil: the study's.
	Function *Part `yaml:"function" json:"function,omitempty"`
	// Workload replaces the study's workload parameters as a whole.
	Workload Params `yaml:"workload" json:"workload"`
	// Set puts factors at levels that the study has otherwise.
	Set Settings `yaml:"set" json:"set,omitempty"`
	// Against names further treatments above it that it is compared with,
	// beside its baseline.
	Against []string `yaml:"against" json:"against,omitempty"`
	// DataPlane is that of a copy made for one of several planes; see PlaneOf.
	DataPlane string `yaml:"-" json:"dataplane,omitempty"`
	// Level is that of a copy made for one level of a pairs design.
	Level Level `yaml:"-" json:"level,omitzero"`
	// Cell is that of a copy made for one combination of the factors' levels:
	// the index of the level of each.
	Cell []int `yaml:"-" json:"cell,omitempty"`
	// Of is the name in the study file of what it is a copy of; see Written.
	Of string `yaml:"-" json:"of,omitempty"`

	written int // place in the study file, from 1; 0: not a copy
}

// Design says how the study's time is spent. Zero fields take the defaults of
// method.md §9.
type Design struct {
	Name         string        `yaml:"name" json:"name"`                   // see Designs
	Time         time.Duration `yaml:"time" json:"time"`                   // for the whole run; default see defaultTime
	Blocks       int           `yaml:"blocks" json:"blocks"`               // default: as many as fit the time
	Warmup       int           `yaml:"warmup" json:"warmup"`               // requests per treatment; default 1000
	Idle         time.Duration `yaml:"idle" json:"idle"`                   // default 500ms
	Latency      time.Duration `yaml:"latency" json:"latency"`             // default 3s
	ControlEvery int           `yaml:"control_every" json:"control_every"` // interference control in every n-th block; default 4, -1 never
	Solo         time.Duration `yaml:"solo" json:"solo"`                   // of one solo window; default 1.5s
	Stop         string        `yaml:"stop" json:"stop"`                   // width (default) or fixed
	// Of design pairs: the two treatments, baseline first, the levels of the
	// load, and the length of one window of a closed loop.
	Pair   []string      `yaml:"pair" json:"pair,omitempty"`
	Levels []Level       `yaml:"levels" json:"levels,omitempty"`
	Closed time.Duration `yaml:"closed" json:"closed,omitempty"`
	// Of the designs over factors: the treatment that is copied for each
	// combination of levels (default the last), and of a fraction the
	// resolution that it must have.
	Of         string `yaml:"of" json:"of,omitempty"`
	Resolution int    `yaml:"resolution" json:"resolution,omitempty"`

	// Of design knee: what a rate must keep, the length of one probe, and the
	// treatments whose knee is asked for; default: the least that the objective
	// needs, at least a second, and all.
	Objective  Objective     `yaml:"objective" json:"objective,omitempty"`
	Probe      time.Duration `yaml:"probe" json:"probe,omitempty"`
	Treatments []string      `yaml:"treatments" json:"treatments,omitempty"`

	timeDefault bool // the study gives no time
}

// Enforcement is the last phase of a block: some users offer more than their limit.
type Enforcement struct {
	Subscription string        `yaml:"subscription" json:"subscription"` // whose users
	Share        Percent       `yaml:"share" json:"share"`               // of all users that go over
	Requests     int           `yaml:"requests" json:"requests"`         // each of them sends, to each treatment
	Duration     time.Duration `yaml:"duration" json:"duration"`
}

// Index returns the index of the treatment of that name, -1 without one.
func (s *Study) Index(name string) int {
	return slices.IndexFunc(s.Treatments, func(t Treatment) bool { return t.Name == name })
}

// Ladder returns the indices from the root treatment to treatment i: what it
// is made of, step by step.
func (s *Study) Ladder(i int) []int {
	var steps []int
	for ; i >= 0; i = s.Index(s.Treatments[i].Baseline) {
		steps = append(steps, i)
	}
	slices.Reverse(steps)
	return steps
}

// has reports whether a control is on the ladder of treatment i.
func (s *Study) has(i int, c Control) bool {
	return slices.ContainsFunc(s.Ladder(i), func(j int) bool { return s.Treatments[j].Control == c })
}

// OnMesh reports whether treatment i stands behind a proxy.
func (s *Study) OnMesh(i int) bool { return s.has(i, Router) || s.has(i, Token) }

// Balances reports whether something in front of treatment i's service can
// choose between replicas of it: a proxy, or an application that calls them.
func (s *Study) Balances(i int) bool { return s.OnMesh(i) || s.has(i, Relay) }

// Routed reports whether a proxy stands at the site on the way to treatment i's
// service.
func (s *Study) Routed(i int, at Site) bool {
	return slices.ContainsFunc(s.Ladder(i), func(j int) bool {
		t := s.Treatments[j]
		return t.Control == Router && cmp.Or(t.Site, SiteServer) == at
	})
}

// Carried lists the steps of treatment i's ladder that add a function: its own
// one, or the study's.
func (s *Study) Carried(i int) []int {
	return slices.DeleteFunc(s.Ladder(i), func(j int) bool {
		return s.Treatments[j].Form == "" || s.Treatments[j].Control != ""
	})
}

// FunctionOf returns the function whose form treatment i is, nil without one.
func (s *Study) FunctionOf(i int) *Part {
	if t := s.Treatments[i]; t.Function != nil {
		return t.Function
	}
	return s.Function
}

// Enforced lists the treatments that stand and carry the study's function: by their own
// form, or by that of what they are built on.
func (s *Study) Enforced() []int {
	var is []int
	for i := range s.Treatments {
		if s.Stands(i) && s.carries(i) {
			is = append(is, i)
		}
	}
	return is
}

// OverUsers is how many users go over their limit in the enforcement phase; 0
// without one.
func (s *Study) OverUsers() int {
	if s.Enforcement == nil || s.Load.Users == nil {
		return 0
	}
	return max(1, int(float64(s.Enforcement.Share)*float64(s.Load.Users.Count)+0.5))
}

// Sizes is how many users each group of the mix has. They add up to Count: the
// users that rounding down leaves over go to the groups with the largest
// remainders, the earlier of equals first.
func (u *Users) Sizes() []int {
	sizes, order := make([]int, len(u.Mix)), make([]int, len(u.Mix))
	rest := make([]float64, len(u.Mix))
	left := u.Count
	for i, g := range u.Mix {
		exact := float64(g.Share) * float64(u.Count)
		sizes[i] = int(exact + 1e-6) // a product such as 0.07·100 falls short of its whole number
		rest[i], order[i] = exact-float64(sizes[i]), i
		left -= sizes[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rest[b], rest[a]) })
	for _, i := range order[:max(0, min(left, len(order)))] {
		sizes[i]++
	}
	return sizes
}

// FormOf returns the form that treatment i realises: its own, or for a no-op
// or an A/A copy the form that it copies.
func (s *Study) FormOf(i int) Form {
	t := s.Treatments[i]
	if t.Control == AA {
		return s.FormOf(s.Index(t.Baseline))
	}
	return t.Form
}
