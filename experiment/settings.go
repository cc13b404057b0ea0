package experiment

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// draft is what the settings of a treatment make of it before it is built.
type draft struct {
	treatment int
	topology  testbed.Topology
	offer     offer
	workload  []study.Setting // parameters over those that its ladder gives
	function  study.Params
	chain     int                  // no-op filters before its own
	log       *dataplane.AccessLog // nil: off
	encrypted bool                 // mutual TLS between its proxies
}

// offer is how the generator asks one treatment.
type offer struct {
	connections int
	protocol    load.Protocol
	body        study.Size
}

// lever is how the apparatus gives one factor.
type lever struct {
	name   string // one that ends with a dot takes a parameter's name behind it
	levels string // what it can be, for people
	proxy  bool   // only a treatment with a proxy has it
	give   func(a *Apparatus, d *draft, s study.Setting) error
}

// levers are all there are. The factors that treatments are made of (form,
// filter, function, site, mesh, dataplane) are not among them: a design makes
// treatments of their levels before the apparatus is asked.
func levers() []lever {
	return []lever{
		{name: "connections", levels: "1 to 1000", give: number(1, 1000, func(d *draft, n int) { d.offer.connections = n })},
		{name: "rate", levels: "a rate such as 500/s", give: giveRate},
		{name: "arrivals", levels: string(load.Poisson), give: only("arrivals are", string(load.Poisson))},
		{name: "protocol", levels: "http/1.1, http/2", give: giveProtocol},
		{name: "request", levels: "0B to 16MiB", give: giveRequest},
		{name: "response", levels: "a size such as 1KiB", give: giveWorkload},
		{name: "workers", levels: "1 to 64", proxy: true, give: number(1, 64, func(d *draft, n int) { d.topology.Workers = n })},
		{name: "cores", levels: "1 to the cores there are", give: giveCores},
		{name: "chain", levels: "0 to 32", give: giveChain},
		{name: "replicas", levels: "1 to 16", give: giveReplicas},
		{name: "access-log", levels: "off, on", give: giveAccessLog},
		{name: "mtls", levels: "off, on", give: giveMTLS},
		{name: "tracing", levels: "off", give: off("no proxy traces yet")},
		{name: "params.", levels: "a parameter of the function", give: giveParameter},
		{name: "workload.", levels: "a parameter of the workload", give: giveWorkload},
	}
}

// settle makes the draft of treatment i: what its settings ask for is given,
// or refused by the factor's name.
func (a *Apparatus) settle(i int) (*draft, error) {
	s := &a.Plan.Study
	d := &draft{treatment: i, offer: offer{connections: s.Load.Connections}}
	d.topology = testbed.Topology{Name: s.Treatments[i].Name, Workload: a.workload, Workers: 1, Probe: a.probe()}
	d.topology.Service.Workers = 1
	if s.Function != nil {
		d.function = s.Function.Params
	}
	for _, set := range s.SettingsOf(i) {
		if err := a.give(d, set); err != nil {
			return nil, s.Errorf(a.settingAt(i, set.Factor), "treatment %q: factor %s at %s: %w", d.topology.Name, set.Factor, set.Level, err)
		}
	}
	return d, nil
}

func (a *Apparatus) give(d *draft, s study.Setting) error {
	l, err := leverOf(s.Factor)
	if err != nil {
		return err
	}
	if l.proxy && !a.Plan.Study.OnMesh(d.treatment) {
		return errors.New("the treatment has no proxy, and this is the proxy's")
	}
	if b, ok := a.Testbed.(testbed.Limited); ok {
		if err := b.Lacks(s.Factor, s.Level); err != nil {
			return fmt.Errorf("testbed %s: %w", a.Testbed.Name(), err)
		}
	}
	return l.give(a, d, s)
}

func leverOf(factor string) (lever, error) {
	var names []string
	for _, l := range levers() {
		rest, ok := strings.CutPrefix(factor, l.name)
		if ok && (rest == "") != strings.HasSuffix(l.name, ".") {
			return l, nil
		}
		if strings.HasSuffix(l.name, ".") {
			l.name += "NAME"
		}
		names = append(names, l.name)
	}
	return lever{}, fmt.Errorf("nothing gives this factor to a treatment that stands (given are: %s)", strings.Join(names, ", "))
}

// settingAt is the YAML path of the setting of a factor in treatment i: where
// the levels are listed, or the treatment's own.
func (a *Apparatus) settingAt(i int, factor string) string {
	s := &a.Plan.Study
	if slices.ContainsFunc(s.Factors, func(f study.Factor) bool { return f.Name == factor }) {
		return "$.factors.'" + factor + "'"
	}
	for _, j := range slices.Backward(s.Ladder(i)) {
		if _, ok := s.Treatments[j].Set.Level(factor); ok {
			return s.At(j, "set.'"+factor+"'")
		}
	}
	return s.At(i, "name")
}

// number makes a lever's give of a whole number within bounds.
func number(least, most int, set func(d *draft, n int)) func(*Apparatus, *draft, study.Setting) error {
	return func(_ *Apparatus, d *draft, s study.Setting) error {
		n, err := strconv.Atoi(s.Level)
		if err != nil || n < least || n > most {
			return fmt.Errorf("want a whole number from %d to %d", least, most)
		}
		set(d, n)
		return nil
	}
}

// only is for a factor of which the apparatus has one level.
func only(what, level string) func(*Apparatus, *draft, study.Setting) error {
	return func(_ *Apparatus, _ *draft, s study.Setting) error {
		if s.Level != level {
			return fmt.Errorf("%s %s only, so far", what, level)
		}
		return nil
	}
}

// off is for a factor that is not built: off is what stands without it.
func off(why string) func(*Apparatus, *draft, study.Setting) error {
	return func(_ *Apparatus, _ *draft, s study.Setting) error {
		if s.Level != "off" {
			return fmt.Errorf("%s (levels: off)", why)
		}
		return nil
	}
}

// giveRate checks what the plan has done already: one schedule whose requests
// are drawn with weights.
func giveRate(a *Apparatus, d *draft, s study.Setting) error {
	var wanted study.Rate
	if err := wanted.UnmarshalText([]byte(s.Level)); err != nil {
		return err
	}
	got, planned := a.planned(d.treatment)
	if planned && math.Abs(got-float64(wanted)) > 1e-6*float64(wanted) {
		return fmt.Errorf("the plan offers the treatment %v", study.Rate(got))
	}
	return nil
}

// planned is the rate that the plan offers treatment i where latency is
// measured, and whether there is such a phase.
func (a *Apparatus) planned(i int) (rate float64, ok bool) {
	for _, b := range a.Plan.Blocks {
		for _, p := range b.Phases {
			k := slices.Index(p.Targets, i)
			switch {
			case p.Kind != study.Latency || k < 0:
			case len(p.Weights) > 0:
				return p.Weights[k], true
			default:
				return p.Rate / float64(len(p.Targets)), true
			}
		}
	}
	return 0, false
}

// streams is how many requests an HTTP/2 connection may carry at a time: what
// RFC 9113 §6.5.2 recommends that servers let at least.
const streams = 100

func giveProtocol(_ *Apparatus, d *draft, s study.Setting) error {
	d.offer.protocol = load.Protocol(s.Level)
	if d.offer.protocol != load.HTTP1 && d.offer.protocol != load.HTTP2 {
		return fmt.Errorf("want %s or %s", load.HTTP1, load.HTTP2)
	}
	return nil
}

func giveRequest(_ *Apparatus, d *draft, s study.Setting) error {
	return d.offer.body.UnmarshalText([]byte(s.Level))
}

func giveCores(_ *Apparatus, d *draft, s study.Setting) error {
	there := runtime.NumCPU() // those that this process may run on
	n, err := strconv.Atoi(s.Level)
	if err != nil || n < 1 || n > there {
		return fmt.Errorf("want 1 to %d, the cores that this machine allows", there)
	}
	d.topology.Cores = n
	return nil
}

func giveChain(a *Apparatus, d *draft, s study.Setting) error {
	if err := number(0, 32, func(d *draft, n int) { d.chain = n })(a, d, s); err != nil {
		return err
	}
	if d.chain > 0 && !a.Plan.Study.OnMesh(d.treatment) {
		return errors.New("the treatment has no proxy that filters could stand in")
	}
	return nil
}

func giveReplicas(a *Apparatus, d *draft, s study.Setting) error {
	if err := number(1, 16, func(d *draft, n int) { d.topology.Replicas = n })(a, d, s); err != nil {
		return err
	}
	if d.topology.Replicas > 1 && !a.Plan.Study.Balances(d.treatment) {
		return errors.New("the treatment has neither a proxy nor an application that calls its service, and nothing else balances over replicas")
	}
	return nil
}

func giveAccessLog(a *Apparatus, d *draft, s study.Setting) error {
	switch {
	case s.Level == "off":
		d.log = nil
	case s.Level != "on":
		return errors.New("want off or on")
	case !a.Plan.Study.OnMesh(d.treatment):
		return errors.New("the treatment has no proxy that could write a log")
	default:
		d.log = &dataplane.AccessLog{Format: dataplane.LogFormat}
	}
	return nil
}

func giveParameter(a *Apparatus, d *draft, s study.Setting) (err error) {
	if !slices.Contains(a.Plan.Study.Enforced(), d.treatment) {
		return errors.New("the treatment does not carry the study's function")
	}
	d.function, err = with(d.function, strings.TrimPrefix(s.Factor, "params."), s.Level)
	return err
}

// giveWorkload is for the factor response too, a parameter of every workload. It keeps the parameter until the ladder has said what the others are.
func giveWorkload(_ *Apparatus, d *draft, s study.Setting) error {
	d.workload = append(d.workload, s)
	return nil
}

// overlay puts the draft's parameters of the workload over those given.
func (d *draft) overlay(given study.Params) (study.Params, error) {
	var err error
	for _, s := range d.workload {
		if given, err = with(given, strings.TrimPrefix(s.Factor, "workload."), s.Level); err != nil {
			return given, err
		}
	}
	return given, nil
}

// with returns parameters with one more, or another value of one: name is its
// path, with a dot between levels.
func with(p study.Params, name, level string) (study.Params, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return p, err
	}
	if text, err = put(text, strings.Split(name, "."), level); err != nil {
		return p, fmt.Errorf("parameter %s: %w", name, err)
	}
	return study.JSONParams("parameter "+name, text)
}

func put(text json.RawMessage, path []string, level string) (json.RawMessage, error) {
	if len(path) == 0 {
		return value(level)
	}
	fields := map[string]json.RawMessage{}
	if string(text) != "null" && len(text) > 0 {
		if err := json.Unmarshal(text, &fields); err != nil {
			return nil, fmt.Errorf("there is no %s below what is no mapping", path[0])
		}
	}
	inner, err := put(fields[path[0]], path[1:], level)
	if err != nil {
		return nil, err
	}
	fields[path[0]] = inner
	return json.Marshal(fields)
}

// value is a level as JSON: a number or a truth value where it is one in a
// study file too, else text.
func value(level string) (json.RawMessage, error) {
	var scalar any
	if err := json.Unmarshal([]byte(level), &scalar); err == nil {
		switch scalar.(type) {
		case float64, bool:
			return json.RawMessage(level), nil
		}
	}
	return json.Marshal(level)
}
