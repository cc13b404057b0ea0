package study_test

import (
	"strings"
	"testing"

	"github.com/taremesh/tare/study"
)

const full = `tare: study/1
name: full
workload: {name: imagehub}
function: {name: ratelimit}
load:
  rate: 100/s
  users:
    count: 500
    mix:
      - {subscription: Personal, share: 20%, weight: 10}
      - {subscription: Team, share: 80%, weight: 100}
treatments:
  - {name: direct, control: direct}
  - {name: router, control: router, baseline: direct}
  - {name: token, control: token, baseline: router}
  - {name: token-aa, control: aa, baseline: token}
  - {name: native, form: native, baseline: token}
  - {name: big, workload: {response: 1MiB}, baseline: native}
enforcement: {subscription: Personal, share: 2%, requests: 30, duration: 1s}
`

// What no run could carry out, or what a run would leave out without a word,
// is refused where it is written.
func TestParseRefusesWhatCannotBeCarriedOut(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"a root with a form", "{name: direct, control: direct}", "{name: direct, control: direct, form: library}", "s.yaml:13:43: treatment \"direct\" has no baseline to add form library to"},
		{"a root with parameters", "{name: direct, control: direct}", "{name: direct, control: direct, workload: {response: 1KiB}}", "has no baseline; write its parameters"},
		{"a root with a site", "{name: direct, control: direct}", "{name: direct, control: direct, site: server}", "no form that could run at site"},
		{"a site without form", "control: token, baseline: router}", "control: token, baseline: router, site: server}", "no form that could run at site"},
		{"parameters of nothing", "workload: {response: 1MiB}", "workload: ", "exactly one of"},
		{"router on a router", "control: token, baseline: router", "control: router, baseline: router", `baseline "router" has a control: router already`},
		{"router over the token check", "form: native, baseline: token", "control: router, baseline: token", `baseline "token" has a control: router already`},
		{"token check twice", "form: native, baseline: token", "control: token, baseline: token", `baseline "token" has a control: token already`},
		{"no-op without form", "form: native, baseline: token", "control: noop, baseline: token", "noop needs the form that it copies"},
		{"two A/A copies", "form: native, baseline: token", "control: aa, baseline: token", `one A/A copy, and "token-aa" is it`},
		{"A/A of the A/A", "form: native, baseline: token", "control: aa, baseline: token-aa", `one A/A copy`},
		{"A/A with other parameters", "control: aa, baseline: token}", "control: aa, baseline: token, workload: {response: 2KiB}}", "exactly one of"},
		{"native without a proxy", "form: native, baseline: token", "form: native, baseline: direct", "runs in a proxy"},
		{"native in the service", "form: native, baseline", "form: native, site: service, baseline", "cannot run at site service"},
		{"library in the proxy", "form: native, baseline", "form: library, site: server, baseline", "cannot run at site server"},
		{"control in every block", "workload: {name: imagehub}", "workload: {name: imagehub}\ndesign: {control_every: 1}", "2 to 10000, or -1 for never"},
		{"control every -7", "workload: {name: imagehub}", "workload: {name: imagehub}\ndesign: {control_every: -7}", "or -1 for never"},
		{"a group of nobody", "share: 20%, weight: 10}", "share: 0.01%, weight: 10}\n      - {subscription: Enterprise, share: 19.99%, weight: 1}", "0.01% of 500 users is nobody"},
		{"shares", "share: 20%", "share: 30%", "add up to 110%"},
		{"endless weight", "weight: 100}", "weight: 1e300}", "want a number from 0 to 1e+12"},
		{"nothing to enforce", "{name: native, form: native, baseline: token}\n  - {name: big, workload: {response: 1MiB}, baseline: native}", "{name: big, workload: {response: 1MiB}, baseline: token}", "no treatment carries the function"},
		{"more over the limit than there are", "share: 2%, requests", "share: 50%, requests", "50% of all users are 250, and only 100 have"},
		{"enforcement faster than a schedule", "requests: 30, duration: 1s", "requests: 10000, duration: 100ms", "want at most 1000000/s"},
		{"load faster than a schedule", "rate: 100/s", "rate: 200000/s", "1200000/s in all"},
		{"odd arms", "workload: {name: imagehub}", "workload: {name: imagehub}\ndesign: {name: aa}", "identical arms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(full, c.from) {
				t.Fatalf("the study has no %q", c.from)
			}
			_, err := study.Parse("s.yaml", []byte(strings.Replace(full, c.from, c.to, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "s.yaml:") {
				t.Errorf("got %v, want s.yaml:… %s", err, c.want)
			}
		})
	}
	parse(t, full)
}

func TestArmsMustPair(t *testing.T) {
	text := "tare: study/1\nname: arms\nworkload: {name: echo}\ndesign: {name: aa}\ntreatments:\n  - {name: a, control: direct}\n"
	if _, err := study.Parse("s.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "1 arms do not pair") {
		t.Errorf("one arm: %v", err)
	}
	if _, err := study.Parse("s.yaml", []byte(text+"  - {name: b, control: router}\n")); err == nil || !strings.Contains(err.Error(), "identical arms") {
		t.Errorf("two unlike arms: %v", err)
	}
	parse(t, text+"  - {name: b, control: direct}\n")
}

// A treatment carries the function also where something was put on top of it.
func TestEnforcedByLadder(t *testing.T) {
	s := parse(t, full)
	if got := s.Enforced(); len(got) != 2 || got[0] != 4 || got[1] != 5 {
		t.Errorf("treatments %v carry the function, want 4 and 5", got)
	}
}

func TestGroupsAddUpToTheUsers(t *testing.T) {
	for _, c := range []struct {
		count  int
		shares []study.Percent
		want   []int
	}{
		{2000, []study.Percent{.20, .50, .30}, []int{400, 1000, 600}},
		{100, []study.Percent{.07, .93}, []int{7, 93}},
		{3, []study.Percent{.5, .5}, []int{2, 1}},
		{10, []study.Percent{1. / 3, 1. / 3, 1. / 3}, []int{4, 3, 3}},
		{100, []study.Percent{.335, .335, .33}, []int{34, 33, 33}},
		{1, []study.Percent{1. / 3, 1. / 3, 1. / 3}, []int{1, 0, 0}},
		{7, []study.Percent{1}, []int{7}},
	} {
		u := study.Users{Count: c.count}
		for _, s := range c.shares {
			u.Mix = append(u.Mix, study.Group{Share: s})
		}
		got, sum := u.Sizes(), 0
		for i, n := range got {
			sum += n
			if n != c.want[i] {
				t.Errorf("%d users in %v: %v, want %v", c.count, c.shares, got, c.want)
				break
			}
		}
		if sum != c.count {
			t.Errorf("%d users in %v: %d", c.count, c.shares, sum)
		}
	}
}

func FuzzSharesAreReadBack(f *testing.F) {
	f.Add(7.0)
	f.Add(100.0 / 3)
	f.Fuzz(func(t *testing.T, percent float64) {
		p := study.Percent(percent / 100)
		if !(p >= 0 && p <= 1) {
			return
		}
		var q study.Percent
		if err := q.UnmarshalText([]byte(p.String())); err != nil || p != q {
			t.Errorf("%v is written %s and read %v, %v", float64(p), p, float64(q), err)
		}
	})
}
