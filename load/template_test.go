package load_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/taremesh/tare/load"
)

func ExampleParseTemplate() {
	t, err := load.ParseTemplate("/users/{user}/orders/{n}?as={{json}}")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", t.Append(nil, load.Vars{Number: 17, User: 3}))
	// Output: /users/3/orders/17?as={json}
}

func templateOf(tb testing.TB, text string) load.Template {
	tb.Helper()
	t, err := load.ParseTemplate(text)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestTemplateVariables(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 `^$`,
		"plain":                            `^plain$`,
		"a{{b}}c":                          `^a\{b\}c$`,
		"{n}{user}":                        `^\d+4$`,
		"x{random:7..7}y":                  `^x7y$`,
		"{random:10..19}":                  `^1\d$`,
		"{uuid}":                           `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
		"{hex:1}":                          `^[0-9a-f]$`,
		"{hex:33}":                         `^[0-9a-f]{33}$`,
		"{pick:a|bb|}-":                    `^(a|bb|)-$`,
		"{random:0..18446744073709551615}": `^\d+$`,
	} {
		tmpl, match := templateOf(t, text), regexp.MustCompile(want)
		for n := range uint64(200) {
			got := string(tmpl.Append([]byte("…"), load.Vars{Seed: 9, Number: n, User: 4}))
			if got = strings.TrimPrefix(got, "…"); !match.MatchString(got) || len(got) > tmpl.Most() {
				t.Fatalf("%q renders %q of at most %d bytes, want %s", text, got, tmpl.Most(), want)
			}
		}
	}
}

func TestTemplateRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"{":                          "not closed",
		"a}":                         "closes nothing",
		"{}":                         "known: n, user, random:A..B",
		"{name}":                     "{name} is unknown",
		"{n:1}":                      "{n:1} is unknown",
		"{random}":                   "{random} is unknown",
		"{random:1}":                 "{random:A..B}",
		"{random:2..1}":              "A no more than B",
		"{random:-1..1}":             "{random:A..B}",
		"{random:1..2..3}":           "{random:A..B}",
		"{hex:0}":                    "1 to 256",
		"{hex:257}":                  "1 to 256",
		"{uuid:4}":                   "unknown",
		"{{n}":                       "closes nothing",
		strings.Repeat("{n}", 1<<17): "more than",
	} {
		if _, err := load.ParseTemplate(text); err == nil || !containsText(err, want) {
			t.Errorf("%.20q: error %v, want %q in it", text, err, want)
		}
	}
}

// What is drawn is equally likely, and one place does not follow another.
func TestTemplateDrawsAreApart(t *testing.T) {
	const n, k = 30000, 10
	tmpl := templateOf(t, "{random:0..9} {random:0..9}")
	var pairs, across [k][k]float64
	for i := range uint64(n) {
		var a, b, c, d int
		one := tmpl.Append(nil, load.Vars{Seed: 1, Number: i, Place: load.PathPlace})
		other := tmpl.Append(nil, load.Vars{Seed: 1, Number: i, Place: load.HeaderPlace})
		if _, err := fmt.Sscan(string(one)+" "+string(other), &a, &b, &c, &d); err != nil {
			t.Fatal(err)
		}
		pairs[a][b]++
		across[a][c]++
	}
	for name, table := range map[string][k][k]float64{"within a template": pairs, "across places": across} {
		chi := 0.0
		for _, row := range table {
			for _, x := range row {
				chi += (x - n/k/k) * (x - n/k/k) / (n / k / k)
			}
		}
		if chi > 148.2 { // passed once in 1,000 with 99 degrees of freedom
			t.Errorf("%s: χ² = %.1f", name, chi)
		}
	}
}

func TestUUIDsDiffer(t *testing.T) {
	tmpl, seen := templateOf(t, "{uuid}"), map[string]bool{}
	const n = 50000
	for i := range uint64(n) {
		for place := range uint64(2) {
			seen[string(tmpl.Append(nil, load.Vars{Number: i, Place: place}))] = true
		}
	}
	if len(seen) != 2*n {
		t.Errorf("%d UUIDs of %d are different", len(seen), 2*n)
	}
}

// The texts are part of what a seed means, in any order of rendering.
func TestTemplateIsStable(t *testing.T) {
	tmpl := templateOf(t, "{random:1..1000000} {hex:20} {uuid} {pick:a|b|c}")
	const want = "992758 fc256a778cc65f781288 6f76126f-2d29-4202-a269-e6e9faa683d0 b"
	for range 2 {
		if got := string(tmpl.Append(nil, load.Vars{Seed: 42, Number: 7, User: 1})); got != want {
			t.Errorf("rendered %q, want %q", got, want)
		}
		_ = tmpl.Append(nil, load.Vars{Seed: 42, Number: 8})
	}
}

func TestTemplateAllocatesNothing(t *testing.T) {
	tmpl := templateOf(t, "/a/{user}/{n}/{random:1..9}?x={hex:40}&y={uuid}&z={pick:p|q}")
	b := make([]byte, 0, tmpl.Most())
	number := uint64(0)
	if n := testing.AllocsPerRun(1000, func() {
		number++
		b = tmpl.Append(b[:0], load.Vars{Seed: math.MaxUint64, Number: number, User: 12})
	}); n != 0 {
		t.Errorf("%v allocations per request", n)
	}
}

func FuzzParseTemplate(f *testing.F) {
	for _, text := range []string{"/a/{user}?b={random:1..9}", "{{}}{uuid}", "{hex:8}{n}{pick:a|b}", "{"} {
		f.Add(text, uint64(1))
	}
	f.Fuzz(func(t *testing.T, text string, number uint64) {
		tmpl, err := load.ParseTemplate(text)
		if err != nil {
			return
		}
		got := string(tmpl.Append(nil, load.Vars{Number: number, User: 1}))
		if len(got) > tmpl.Most() {
			t.Fatalf("%q renders %d bytes, at most %d were promised", text, len(got), tmpl.Most())
		}
		if unescaped := strings.NewReplacer("{{", "{", "}}", "}").Replace(text); tmpl.Constant() && got != unescaped {
			t.Fatalf("%q renders %q", text, got)
		}
	})
}

func BenchmarkTemplate(b *testing.B) {
	tmpl := templateOf(b, "/users/{user}/orders/{n}?item={random:1..100000}&trace={uuid}")
	buf := make([]byte, 0, tmpl.Most())
	number := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		number++
		buf = tmpl.Append(buf[:0], load.Vars{Seed: 1, Number: number, User: 3})
	}
}

func TestCookies(t *testing.T) {
	got, err := load.Cookies([2]string{"a", "1"}, [2]string{"session", "x=y+z/%20"})
	if err != nil || got != [2]string{"Cookie", "a=1; session=x=y+z/%20"} {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range [][2]string{{"", "x"}, {"a b", "x"}, {"a", "x y"}, {"a", "x;y"}, {"a", `"x"`}, {"a", "x,y"}, {"a", `\`}, {"a", "ü"}} {
		if _, err := load.Cookies(bad); err == nil {
			t.Errorf("cookie %q: no error", bad)
		}
	}
	if _, err := load.Cookies(); err == nil {
		t.Error("no cookies: no error")
	}
}

func TestCrowd(t *testing.T) {
	users, err := load.Crowd(1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	for k, u := range users {
		if math.Abs(u.Weight*float64(k+1)-1) > 1e-9 {
			t.Fatalf("user %d weighs %v", k, u.Weight)
		}
	}
	if even, _ := load.Crowd(3, 0); even[0].Weight != 1 || even[2].Weight != 1 {
		t.Errorf("without skew: %+v", even)
	}
	for _, c := range []struct {
		n    int
		skew float64
	}{{0, 1}, {load.MaxCrowd + 1, 1}, {5, -1}, {5, 11}, {5, math.NaN()}} {
		if _, err := load.Crowd(c.n, c.skew); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

func TestRequestParts(t *testing.T) {
	size := &load.Distribution{Shape: load.Fixed, Mean: 5}
	good := []load.Request{
		{Method: "POST", Path: "/", Content: []byte("{x}")},
		{Method: "POST", Path: "/", Size: size},
		{Method: "GET", Path: "/{user}?x={pick:a|b}", Template: true},
		{Method: "PUT", Path: "/", Template: true, Header: [][2]string{{"X-Id", "{uuid}"}}, Content: []byte(`{{"n":{n}}}`)},
		{Method: "GET", Path: "/{not-a-template}", Header: [][2]string{{"X", "{"}}},
	}
	for _, r := range good {
		if err := load.Ask(r).Check(); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	for want, r := range map[string]load.Request{
		"more than one":     {Method: "POST", Path: "/", Body: 1, Size: size},
		"of body, size and": {Method: "POST", Path: "/", Content: []byte("x"), Size: size},
		"which has none":    {Method: "GET", Path: "/", Size: size},
		"method HEAD":       {Method: "HEAD", Path: "/", Content: []byte("x")},
		"the size":          {Method: "POST", Path: "/", Size: &load.Distribution{Shape: load.Fixed, Mean: load.MaxBody + 1}},
		"the path: the":     {Method: "GET", Path: "/{nobody}", Template: true},
		"begin with /":      {Method: "GET", Path: "{user}", Template: true},
		"spaces":            {Method: "GET", Path: "/{pick:a b|c}", Template: true},
		"control":           {Method: "GET", Path: "/x\r\n", Template: true},
		"the header X":      {Method: "GET", Path: "/", Template: true, Header: [][2]string{{"X", "{y}"}}},
		"the content: the":  {Method: "POST", Path: "/", Template: true, Content: []byte("{y}")},
		"can become":        {Method: "POST", Path: "/", Template: true, Content: []byte(strings.Repeat(".", load.MaxBody-5) + "{n}")},
		"more than " + strconv.Itoa(load.MaxBody): {Method: "POST", Path: "/", Content: make([]byte, load.MaxBody+1)},
	} {
		if err := load.Ask(r).Check(); err == nil || !containsText(err, want) {
			t.Errorf("%.80v: error %v, want %q in it", r, err, want)
		}
	}
	target := load.Target{Name: "x", Addr: "127.0.0.1:80", Connections: 1, MaxConnections: 1}
	for _, change := range []func(*load.Target){
		func(t *load.Target) { t.Churn = -1 }, func(t *load.Target) { t.Churn = math.NaN() },
		func(t *load.Target) { t.Churn = load.MaxChurn + 1 }, func(t *load.Target) { t.Churn, t.Fresh = 1, true },
	} {
		bad := target
		change(&bad)
		if bad.Check() == nil {
			t.Errorf("no error for %+v", bad)
		}
	}
}
