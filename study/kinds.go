package study

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// factorKind is what a factor is: how its levels are read, and what they need.
type factorKind struct {
	// name is the factor's, or with a dot at its end the beginning of it.
	name, doc string
	// short goes before a level in the name of a cell; of a factor whose levels
	// are words it is the factor's name there.
	short string
	read  func(s *Study, f, level string) (reading, error)
	// field says what to write instead of a setting; empty: it can be set.
	field string
	// proxy: its levels are about the treatment's proxy, and without one only
	// the level idle means something.
	proxy bool
	idle  string
	// single: nothing that is built gives it a second level, so that no study
	// can have it yet; it is known to say so by name.
	single bool
}

// reading is a level as it is understood.
type reading struct {
	// same is equal for two ways of writing one level.
	same   string
	number float64
	unit   string
	// numeric: number is what a slope is taken over.
	numeric bool
	word    bool // off, none, wasm: not a quantity
}

// Words that several factors take as levels.
const (
	levelNone = "none"
	levelOff  = "off"
	levelOn   = "on"
)

// The names of factors that this package gives a meaning.
const (
	factorConnections = "connections"
	factorRate        = "rate"
	factorResponse    = "response"
	factorFilter      = "filter"
	factorForm        = "form"
	factorFunction    = "function"
	factorSite        = "site"
	factorDataPlane   = "dataplane"
	factorMesh        = "mesh"
	workloadPrefix    = "workload."
	paramsPrefix      = "params."
)

// oneSchedule is why arrivals have no second level in one study.
const oneSchedule = "all treatments of a phase share one schedule: make two studies, with load: {arrivals: …}"

// factorKinds are all there are.
func factorKinds() []factorKind {
	return []factorKind{
		{name: factorConnections, doc: "connections to each treatment, such as [4, 16]", short: "c", read: whole(1, MaxConnections, "connection")},
		{name: factorRate, doc: "requests/s to each treatment, such as [100/s, 500/s]", short: "r", read: readRate},
		{name: "arrivals", single: true, doc: "how requests are spaced in time", short: "arrivals", read: oneOf([]string{Poisson}, map[string]string{Uniform: oneSchedule, Bursts: oneSchedule})},
		{name: "protocol", doc: "what requests are sent by, in the clear: [http/1.1, http/2]", short: "protocol", read: oneOf([]string{"http/1.1", "http/2"}, nil)},
		{name: "request", doc: "size of a request's body, such as [0B, 16KiB]", short: "req", read: readSize},
		{name: factorResponse, doc: "size of a response's body, such as [1KiB, 64KiB]", short: "resp", read: readSize},
		{name: "workers", doc: "worker threads of the proxy, such as [1, 2]", short: "w", proxy: true, read: whole(1, 64, "worker")},
		{name: "cores", doc: "cores that the treatment's processes may run on, such as [1, 2]", short: "cores", read: whole(1, 1024, "core")},
		{name: "chain", doc: "filters that do nothing in front of what the treatment has, such as [0, 4, 16]", short: "chain", proxy: true, idle: "0", read: whole(0, 32, "filter")},
		{name: factorFilter, doc: "a filter that does nothing, in a form: [none, wasm]", short: "filter", field: "write control: noop and its form", read: readForm},
		{name: factorForm, doc: "the study's function, in a form: [none, native, wasm]", short: "form", field: "write form: itself", read: readForm},
		{name: factorFunction, doc: "what is weighed: none, noop (nothing, in the same form), or the study's function", short: "function", field: "write form: or control: noop", read: readFunction},
		{name: factorSite, single: true, doc: "where the function runs: service, server", short: "site", field: "write site: beside form:", read: oneOf(words([]Site{SiteService, SiteServer}), nil)},
		{name: factorDataPlane, doc: "what runs the proxies: [embedded, envoy], or envoy@VERSION", short: "plane", field: "list the planes in the study's dataplane:", proxy: true, read: readPlane},
		{name: "replicas", doc: "processes of the service, such as [1, 3]", short: "x", read: whole(1, 16, "process")},
		{name: "mtls", doc: "mutual TLS between the proxies on the way, such as the client's sidecar and the server's", short: "mtls", proxy: true, idle: levelOff, read: switched("")},
		{name: factorMesh, doc: "off: without a proxy, on: behind one that only routes", short: "mesh", field: "write control: router", read: switched("")},
		{name: "access-log", doc: "a line for each request, written by the proxy", short: "log", proxy: true, idle: levelOff, read: switched("")},
		{name: "tracing", single: true, doc: "spans of each request, sent by the proxy", short: "tracing", proxy: true, idle: levelOff, read: switched("no data plane sends spans yet")},
		{name: paramsPrefix, doc: "a parameter of the study's function, such as params.users", read: readFree},
		{name: workloadPrefix, doc: "a parameter of the workload, such as workload.work", read: readFree},
	}
}

// parameterPattern is a parameter's name: of one below another with a dot between.
const parameterPattern = `[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*`

var parameterRule = regexp.MustCompile(`^` + parameterPattern + `$`)

// kindOf finds a factor's kind; false: there is none.
func kindOf(name string) (factorKind, bool) {
	for _, k := range factorKinds() {
		parameter, ok := strings.CutPrefix(name, k.name)
		if name == k.name && !strings.HasSuffix(k.name, ".") || ok && strings.HasSuffix(k.name, ".") && parameterRule.MatchString(parameter) {
			if k.short == "" {
				k.short = parameter
			}
			return k, true
		}
	}
	return factorKind{}, false
}

// factorNames lists what may stand where a factor is named.
func factorNames() []string {
	var names []string
	for _, k := range factorKinds() {
		if strings.HasSuffix(k.name, ".") {
			names = append(names, k.name+"NAME")
		} else {
			names = append(names, k.name)
		}
	}
	return names
}

// structural factors are fields of a treatment: a cell gets them as its own.
func structural(name string) bool {
	return slices.Contains([]string{factorFilter, factorForm, factorFunction, factorSite, factorDataPlane, factorMesh}, name)
}

// read reads a level of a factor.
func (s *Study) read(factor, level string) (reading, error) {
	k, ok := kindOf(factor)
	if !ok {
		return reading{}, fmt.Errorf("unknown factor %q (known: %s)", factor, strings.Join(factorNames(), ", "))
	}
	if n, err := strconv.ParseFloat(level, 64); err == nil && (math.IsNaN(n) || math.IsInf(n, 0)) || strings.EqualFold(level, ".nan") || strings.EqualFold(strings.TrimLeft(level, "+-"), ".inf") {
		return reading{}, fmt.Errorf("level %s of factor %s is no number", level, factor)
	}
	r, err := k.read(s, factor, level)
	if err != nil {
		return reading{}, fmt.Errorf("level %s of factor %s: %w", level, factor, err)
	}
	if r.same == "" {
		r.same = strconv.FormatFloat(r.number, 'g', -1, 64)
	}
	return r, nil
}

// Number is what a level of a factor is as a number, in the unit of the
// factor's slopes (sizes in KiB, times in µs); false: it is none.
func (s *Study) Number(factor, level string) (x float64, unit string, ok bool) {
	r, err := s.read(factor, level)
	if err != nil || !r.numeric {
		return 0, "", false
	}
	return r.number, r.unit, true
}

func whole(least, most int, unit string) func(*Study, string, string) (reading, error) {
	return func(_ *Study, _, level string) (reading, error) {
		n, err := strconv.Atoi(level)
		if err != nil || n < least || n > most {
			return reading{}, fmt.Errorf("want a whole number from %d to %d", least, most)
		}
		return reading{number: float64(n), unit: unit, numeric: true}, nil
	}
}

// oneOf reads one of some words; those in missing are known, and cannot be had.
func oneOf(words []string, missing map[string]string) func(*Study, string, string) (reading, error) {
	return func(_ *Study, _, level string) (reading, error) {
		if why, ok := missing[level]; ok && why != "" {
			return reading{}, fmt.Errorf("cannot be had: %s", why)
		}
		if !slices.Contains(words, level) {
			return reading{}, fmt.Errorf("nothing that is built gives it (there is: %s)", strings.Join(words, ", "))
		}
		return reading{same: level, word: true}, nil
	}
}

// switched reads off and on; with a reason why it cannot be on.
func switched(why string) func(*Study, string, string) (reading, error) {
	return oneOf([]string{levelOff, levelOn}, map[string]string{levelOn: why})
}

func readRate(_ *Study, _, level string) (reading, error) {
	var r Rate
	if err := r.UnmarshalText([]byte(level)); err != nil {
		return reading{}, err
	}
	if !(r >= 1 && r <= maxRate) {
		return reading{}, fmt.Errorf("want 1/s to %d/s for each treatment", maxRate)
	}
	return reading{number: float64(r), unit: "request/s", numeric: true}, nil
}

func readSize(_ *Study, _, level string) (reading, error) {
	var size Size
	if err := size.UnmarshalText([]byte(level)); err != nil {
		return reading{}, err
	}
	return reading{number: float64(size) / 1024, unit: "KiB", numeric: true}, nil
}

func readForm(_ *Study, _, level string) (reading, error) {
	return oneOf(append([]string{levelNone}, words(Forms())...), nil)(nil, "", level)
}

// readFunction: a study weighs one function.
func readFunction(s *Study, _, level string) (reading, error) {
	known := []string{levelNone, string(Noop)}
	if s.Function != nil {
		known = append(known, s.Function.Name)
	}
	if !slices.Contains(known, level) {
		return reading{}, fmt.Errorf("a study weighs one function, which its field function names (so there is: %s)", strings.Join(known, ", "))
	}
	return reading{same: level, word: true}, nil
}

func readPlane(_ *Study, _, level string) (reading, error) {
	if err := (Planes{level}).check(); err != nil {
		return reading{}, err
	}
	return reading{same: level, word: true}, nil
}

// readFree reads a parameter, which only its owner knows: as a quantity where
// it is one.
func readFree(_ *Study, _, level string) (reading, error) {
	if n, err := strconv.ParseFloat(level, 64); err == nil {
		return reading{number: n, numeric: true}, nil
	}
	var size Size
	if size.UnmarshalText([]byte(level)) == nil {
		return reading{number: float64(size) / 1024, unit: "KiB", numeric: true}, nil
	}
	if d, err := time.ParseDuration(level); err == nil {
		return reading{number: float64(d) / float64(time.Microsecond), unit: "µs", numeric: true}, nil
	}
	var rate Rate
	if rate.UnmarshalText([]byte(level)) == nil {
		return reading{number: float64(rate), unit: "request/s", numeric: true}, nil
	}
	var share Percent
	if share.UnmarshalText([]byte(level)) == nil {
		return reading{number: 100 * float64(share), unit: "%", numeric: true}, nil
	}
	return reading{same: level, word: true}, nil
}
