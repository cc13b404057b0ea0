package study

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

func (s *Study) setDefaults() {
	l, d := &s.Load, &s.Design
	l.Generator = cmp.Or(l.Generator, "openloop")
	l.Arrivals = cmp.Or(l.Arrivals, Poisson)
	s.Testbed = cmp.Or(s.Testbed, DefaultTestbed)
	d.Name = cmp.Or(d.Name, Interleaved)
	if own := s.design().defaults; own != nil {
		own(s)
	}
	s.setFactors()
	l.DefaultRate = l.DefaultRate || l.Rate == 0
	l.Rate = cmp.Or(l.Rate, defaultRate)
	l.Connections = cmp.Or(l.Connections, 8)
	if len(s.DataPlane) == 0 {
		s.DataPlane = Planes{DefaultPlane}
	}
	s.setTime()
	d.Warmup = cmp.Or(d.Warmup, 1000)
	d.Idle = cmp.Or(d.Idle, 500*time.Millisecond)
	d.Latency = cmp.Or(d.Latency, 3*time.Second)
	d.ControlEvery = cmp.Or(d.ControlEvery, 4)
	d.Solo = cmp.Or(d.Solo, 1500*time.Millisecond)
	d.Stop = cmp.Or(d.Stop, StopWidth)
	s.Margin.setDefaults()
	for i := range s.Treatments {
		t := &s.Treatments[i]
		switch {
		case t.Site != "" || t.Form == "":
		case t.Form == FormLibrary:
			t.Site = SiteService
		default:
			t.Site = SiteServer
		}
	}
}

// defaultRate is for each treatment.
const defaultRate Rate = 500

// The default time: so much, or so much for each treatment where that is more.
const (
	leastTime     = 90 * time.Second // 7 treatments
	treatmentTime = 20 * time.Second // more of them
	timeCovers    = 7
)

// setTime gives a study without a time the default for its treatments, which
// become more when it is expanded.
func (s *Study) setTime() {
	d := &s.Design
	if d.Time != 0 && !d.timeDefault {
		return
	}
	d.Time, d.timeDefault = leastTime, true
	if n := len(s.Treatments); n > timeCovers {
		d.Time = time.Duration(n) * treatmentTime
	}
}

// Validate checks a study that was made in code.
func (s *Study) Validate() error {
	s.setDefaults()
	return s.validate()
}

func (s *Study) validate() error {
	for _, check := range []func() error{s.checkHead, s.checkLoad, s.checkTreatments, s.checkTotal, s.checkDesign, s.checkOwn, s.checkFactors, s.checkCopied, s.checkEnforcement, s.checkReference} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

func (s *Study) checkHead() error {
	if s.Format != Format {
		return s.Errorf("$.tare", "%w: the first line must be \"tare: %s\", found %q", ErrFormat, Format, s.Format)
	}
	if !nameRule.MatchString(s.Name) {
		return s.Errorf("$.name", "name %q: want 1 to 40 of a-z, 0-9 and -", s.Name)
	}
	if s.Workload.Name == "" {
		return s.Errorf("$.workload", "no workload is named; write workload: {name: …}")
	}
	if s.Function != nil && s.Function.Name == "" {
		return s.Errorf("$.function", "the function has no name; write function: {name: …}")
	}
	if err := s.DataPlane.check(); err != nil {
		return s.Errorf("$.dataplane", "%w", err)
	}
	return s.checkEndpoints()
}

// maxTreatments is how many stand at once.
const maxTreatments = 60

// standing are the treatments that stand.
func (s *Study) standing() []int {
	var is []int
	for i := range s.Treatments {
		if s.Stands(i) {
			is = append(is, i)
		}
	}
	return is
}

// totalRate is the requests/s that the treatments share.
func (s *Study) totalRate() float64 {
	is := s.standing()
	total, equal := 0.0, float64(s.Load.Rate)*float64(len(is))
	for _, i := range is {
		total += float64(s.RateOf(i))
	}
	if s.ratesDiffer() {
		return total
	}
	return equal // as a product, so that the digests of older plans stay
}

// ratesDiffer reports whether a treatment has a rate of its own.
func (s *Study) ratesDiffer() bool {
	return slices.ContainsFunc(s.standing(), func(i int) bool { return s.RateOf(i) != s.Load.Rate })
}

// maxRate is per treatment: above it a generator on one machine is the subject
// of the measurement. maxTotal is what one schedule accepts (load.MaxRate).
const (
	maxRate  = 200_000
	maxTotal = 1_000_000
)

func (s *Study) checkLoad() error {
	l := s.Load
	if !slices.Contains(arrivals(), l.Arrivals) {
		return s.Errorf("$.load.arrivals", "unknown arrivals %q (known: %s)", l.Arrivals, strings.Join(arrivals(), ", "))
	}
	if r := float64(l.Rate); !(r >= 1 && r <= maxRate) {
		return s.Errorf("$.load.rate", "rate %v: want 1/s to %d/s for each treatment", l.Rate, maxRate)
	}
	if l.Connections < 1 || l.Connections > MaxConnections {
		return s.Errorf("$.load.connections", "%d connections: want 1 to %d for each treatment", l.Connections, MaxConnections)
	}
	if err := s.checkHeaders(); err != nil {
		return err
	}
	return s.checkUsers()
}

// checkTotal: what all treatments share must be a load that can be scheduled.
// It follows ladders, so it comes after their check.
func (s *Study) checkTotal() error {
	if total := s.totalRate(); total > maxTotal {
		return s.Errorf("$.load.rate", "rate %v for each of %d treatments is %.0f/s in all: want at most %d/s", s.Load.Rate, len(s.standing()), total, maxTotal)
	} else if s.Load.Arrivals == Bursts && total > maxTotal/BurstPeak {
		return s.Errorf("$.load.rate", "rate %v for each of %d treatments is %.0f/s in all, and a burst has %d times as many: want at most %d/s", s.Load.Rate, len(s.standing()), total, BurstPeak, maxTotal/BurstPeak)
	}
	return nil
}

// maxWeight keeps the sum of all users' weights a finite number.
const maxWeight = 1e12

func (s *Study) checkUsers() error {
	u := s.Load.Users
	if u == nil {
		return nil
	}
	if u.Count < 1 || u.Count > 100_000 {
		return s.Errorf("$.load.users.count", "%d users: want 1 to 100000", u.Count)
	}
	var share, weight float64
	for i, g := range u.Mix {
		if !(g.Weight >= 0 && g.Weight <= maxWeight) {
			return s.Errorf(fmt.Sprintf("$.load.users.mix[%d].weight", i), "weight %v: want a number from 0 to %g", g.Weight, float64(maxWeight))
		}
		share += float64(g.Share)
		weight += g.Weight * float64(g.Share)
	}
	if math.Abs(share-1) > 1e-9 {
		return s.Errorf("$.load.users.mix", "the shares add up to %.6g%%, not to 100%%", 100*share)
	}
	for i, n := range u.Sizes() {
		if n == 0 {
			return s.Errorf(fmt.Sprintf("$.load.users.mix[%d].share", i), "%v of %d users is nobody", u.Mix[i].Share, u.Count)
		}
	}
	if weight == 0 {
		return s.Errorf("$.load.users.mix", "every group has weight 0: nobody would send a request")
	}
	return nil
}

func (s *Study) checkTreatments() error {
	if len(s.Treatments) == 0 {
		return s.Errorf("$", "the study has no treatments: nothing would be compared")
	}
	if n := len(s.standing()); n > maxTreatments {
		return s.Errorf("$.treatments", "%d treatments: at most %d stand at once", n, maxTreatments)
	}
	for i, t := range s.Treatments {
		at := func(field string) string { return s.At(i, field) }
		if !nameRule.MatchString(t.Name) {
			return s.Errorf(at("name"), "treatment name %q: want 1 to 40 of a-z, 0-9 and -", t.Name)
		}
		if s.Index(t.Name) != i {
			return s.Errorf(at("name"), "two treatments are named %q", t.Name)
		}
		if err := known(s, at("control"), "control", t.Control, Controls()); err != nil {
			return err
		}
		if err := known(s, at("form"), "form", t.Form, Forms()); err != nil {
			return err
		}
		if err := known(s, at("site"), "site", t.Site, Sites()); err != nil {
			return err
		}
		if err := s.checkStep(i, t, at); err != nil {
			return err
		}
		if err := s.checkAgainst(i, t, at("against")); err != nil {
			return err
		}
	}
	return s.checkCopies()
}

// checkAgainst: every further comparison is one that the reader does not have yet.
func (s *Study) checkAgainst(i int, t Treatment, at string) error {
	if len(t.Against) > 0 && (t.Baseline == "" || t.Control == AA) {
		return s.Errorf(at, "treatment %q is not compared with anything: against is for one with a baseline that is no A/A copy", t.Name)
	}
	for k, name := range t.Against {
		j := s.Index(name)
		switch {
		case j < 0 || j >= i:
			return s.Errorf(at, "treatment %q is against %q, which is not a treatment above it (those are: %s)", t.Name, name, s.namesBefore(i))
		case name == t.Baseline || slices.Contains(t.Against[:k], name):
			return s.Errorf(at, "treatment %q is compared with %q already", t.Name, name)
		case s.Treatments[j].Control == AA:
			return s.Errorf(at, "treatment %q is against %q, which is an A/A copy: name what it copies", t.Name, name)
		}
	}
	return nil
}

// checkStep holds a treatment to the rule that it is its baseline plus one thing.
func (s *Study) checkStep(i int, t Treatment, at func(string) string) error {
	if t.Baseline == "" {
		return s.checkRoot(t, at)
	}
	if b := s.Index(t.Baseline); b < 0 || b >= i {
		return s.Errorf(at("baseline"), "baseline %q of treatment %q is not a treatment above it (those are: %s)", t.Baseline, t.Name, s.namesBefore(i))
	}
	if t.Cell != nil {
		return s.checkForm(i, t, at) // of what else it differs in, its maker has taken care
	}
	if err := s.checkSet(i, t); err != nil {
		return err
	}
	things := 0
	for _, has := range []bool{t.Control != "" && t.Control != Noop, t.Form != "", !t.Workload.IsZero(), len(t.Set) > 0} {
		if has {
			things++
		}
	}
	switch {
	case t.Control == Noop && t.Form == "":
		return s.Errorf(at("control"), "control: noop needs the form that it copies")
	case t.Function != nil && (t.Form == "" || t.Control != ""):
		return s.Errorf(at("function"), "treatment %q names a function and has no form of it", t.Name)
	case t.Function != nil && t.Function.Name == "":
		return s.Errorf(at("function"), "the function has no name; write function: {name: …}")
	case things != 1:
		return s.Errorf(at("name"), "treatment %q must differ from its baseline by exactly one of control, form, workload, set", t.Name)
	case t.Control == Direct:
		return s.Errorf(at("control"), "control: direct stands without a baseline")
	case t.Control == Router && !slices.Contains(ProxySites(), cmp.Or(t.Site, SiteServer)):
		return s.Errorf(at("site"), "no proxy stands at site %s (they stand at: %s)", t.Site, strings.Join(words(ProxySites()), ", "))
	case t.Control == Router && s.Routed(s.Index(t.Baseline), cmp.Or(t.Site, SiteServer)), (t.Control == Token || t.Control == Relay) && s.has(s.Index(t.Baseline), t.Control):
		return s.Errorf(at("control"), "baseline %q has a control: %s already", t.Baseline, t.Control)
	}
	return s.checkForm(i, t, at)
}

// checkRoot: what nothing is compared to differs from nothing.
func (s *Study) checkRoot(t Treatment, at func(string) string) error {
	switch {
	case t.Control != Direct && t.Control != Router:
		return s.Errorf(at("name"), "treatment %q has no baseline; only control: direct or control: router can stand without one", t.Name)
	case t.Form != "":
		return s.Errorf(at("form"), "treatment %q has no baseline to add form %s to", t.Name, t.Form)
	case t.Function != nil:
		return s.Errorf(at("function"), "treatment %q names a function and has no form of it", t.Name)
	case t.Control != Router && t.Site != "" || t.Site == SiteService:
		return s.Errorf(at("site"), "treatment %q has no form that could run at site %s", t.Name, t.Site)
	case len(t.Set) > 0:
		return s.Errorf(at("set"), "treatment %q has no baseline that could have %s otherwise; put the setting on a treatment on top of it", t.Name, t.Set[0].Factor)
	case !t.Workload.IsZero():
		return s.Errorf(at("workload"), "treatment %q has no baseline; write its parameters in the study's workload: {params: …}", t.Name)
	}
	return nil
}

func (s *Study) checkForm(i int, t Treatment, at func(string) string) error {
	switch {
	case t.Form == "" && t.Site != "" && t.Control != Router:
		return s.Errorf(at("site"), "treatment %q has no form that could run at site %s", t.Name, t.Site)
	case t.Form == "":
		return nil
	case s.FunctionOf(i) == nil && t.Control != Noop:
		return s.Errorf(at("form"), "treatment %q has a form, but neither it nor the study names a function", t.Name)
	case (t.Form == FormLibrary) != (t.Site == SiteService):
		return s.Errorf(at("site"), "form %s cannot run at site %s", t.Form, t.Site)
	case t.Site == SiteServer && !s.Routed(i, t.Site):
		return s.Errorf(at("form"), "form %s runs in a proxy, and the baseline %q has none; put it on one with a router", t.Form, t.Baseline)
	case t.Site != SiteService && !s.Routed(i, t.Site):
		return s.Errorf(at("site"), "the baseline %q has no proxy at site %s; put treatment %q on one with control: router, site: %s", t.Baseline, t.Site, t.Name, t.Site)
	}
	return nil
}

// checkCopies: the gate is one A/A copy, as it is written; a second would be
// started and never looked at.
func (s *Study) checkCopies() error {
	first := ""
	for i, t := range s.Treatments {
		if t.Control != AA {
			continue
		}
		if first != "" && first != s.Written(i) {
			return s.Errorf(s.At(i, "control"), "a study has one A/A copy, and %q is it", first)
		}
		first = s.Written(i)
	}
	return nil
}

func (s *Study) namesBefore(i int) string {
	var names []string
	for _, t := range s.Treatments[:i] {
		names = append(names, t.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func known[T ~string](s *Study, path, kind string, v T, all []T) error {
	if v == "" || slices.Contains(all, v) {
		return nil
	}
	names := make([]string, len(all))
	for i, a := range all {
		names[i] = string(a)
	}
	return s.Errorf(path, "unknown %s %q (known: %s)", kind, v, strings.Join(names, ", "))
}

// The names of designs and of stopping rules.
const (
	Interleaved = "interleaved"
	DesignAA    = "aa"
	DesignPairs = "pairs"
	// Windows asks one treatment at a time, the others stopped, in random order.
	Windows = "windows"
	// The designs over factors, interleaved per request like the first: every
	// combination of levels; a 2^(k−p) fraction of them; one factor at a time
	// from the first levels; each factor added to nothing and dropped from all.
	Factorial = "factorial"
	Fraction  = "fraction"
	Sweep     = "sweep"
	AddDrop   = "add-drop"
	// Knee looks for the greatest rate under an objective.
	Knee      = "knee"
	StopWidth = "width"
	StopFixed = "fixed"
)

// The bounds of the time of a run; MaxTime is the longest.
const (
	minTime = time.Second
	MaxTime = 24 * time.Hour
)

func (s *Study) checkDesign() error {
	d := s.Design
	if err := known(s, "$.design.name", "design", d.Name, Designs()); err != nil {
		return err
	}
	if err := known(s, "$.design.stop", "stopping rule", d.Stop, []string{StopWidth, StopFixed}); err != nil {
		return err
	}
	for _, b := range []struct {
		path     string
		v        time.Duration
		min, max time.Duration
	}{
		{"$.design.time", d.Time, minTime, MaxTime},
		{"$.design.idle", d.Idle, 50 * time.Millisecond, time.Minute},
		{"$.design.latency", d.Latency, 100 * time.Millisecond, time.Hour},
		{"$.design.solo", d.Solo, 100 * time.Millisecond, time.Hour},
	} {
		if b.v < b.min || b.v > b.max {
			return s.Errorf(b.path, "%v is not between %v and %v", b.v, b.min, b.max)
		}
	}
	if d.Warmup < 1 || d.Warmup > 1_000_000 {
		return s.Errorf("$.design.warmup", "%d requests: want 1 to 1000000 for each treatment", d.Warmup)
	}
	if d.ControlEvery != -1 && (d.ControlEvery < 2 || d.ControlEvery > 10_000) {
		return s.Errorf("$.design.control_every", "%d: want 2 to 10000, or -1 for never (which treatment is the heaviest is known after a block)", d.ControlEvery)
	}
	if d.Blocks < 0 || d.Blocks > 10_000 {
		return s.Errorf("$.design.blocks", "%d blocks: want 1 to 10000, or none to fill the time", d.Blocks)
	}
	return nil
}

// checkArms: the design aa pairs identical arms, so all must be the same root.
func (s *Study) checkArms() error {
	if len(s.DataPlane) > 1 {
		return s.Errorf("$.dataplane", "design aa compares identical arms, so they stand on one data plane, not on %s", strings.Join(s.DataPlane, " and "))
	}
	if len(s.Treatments)%2 != 0 {
		return s.Errorf("$.treatments", "design aa compares pairs, and %d arms do not pair", len(s.Treatments))
	}
	for i, t := range s.Treatments {
		if t.Baseline != "" || t.Control != s.Treatments[0].Control {
			return s.Errorf(s.At(i, "name"), "design aa needs identical arms, and %q is not as %q", t.Name, s.Treatments[0].Name)
		}
	}
	return nil
}

func (s *Study) checkEnforcement() error {
	e := s.Enforcement
	if e == nil {
		return nil
	}
	if s.Function == nil || s.Load.Users == nil {
		return s.Errorf("$.enforcement", "enforcement needs a function and users")
	}
	sizes := s.Load.Users.Sizes()
	members := 0
	for i, g := range s.Load.Users.Mix {
		if g.Subscription == e.Subscription {
			members += sizes[i]
		}
	}
	enforced := s.Enforced()
	switch {
	case len(enforced) == 0 && s.OverFactors() && !s.expanded():
		return nil // its cells may carry it
	case len(enforced) == 0:
		return s.Errorf("$.enforcement", "no treatment carries the function: nothing would be enforced")
	case members == 0:
		return s.Errorf("$.enforcement.subscription", "no group of users has subscription %q", e.Subscription)
	case e.Share <= 0 || e.Requests < 1 || e.Requests > 10_000:
		return s.Errorf("$.enforcement", "want a share above 0%% and 1 to 10000 requests")
	case s.OverUsers() > members:
		return s.Errorf("$.enforcement.share", "%v of all users are %d, and only %d have subscription %q", e.Share, s.OverUsers(), members, e.Subscription)
	case e.Duration < 100*time.Millisecond || e.Duration > time.Hour:
		return s.Errorf("$.enforcement.duration", "%v is not between 100ms and 1h", e.Duration)
	}
	if p := s.enforcePhase(); p.Rate > maxTotal {
		return s.Errorf("$.enforcement", "%d requests to each of %d treatments in %v are %.0f/s: want at most %d/s", p.Each, len(enforced), e.Duration, p.Rate, maxTotal)
	}
	return nil
}
