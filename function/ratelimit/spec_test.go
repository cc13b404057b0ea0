package ratelimit

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

func decode(t *testing.T, text string) (function.Spec, error) {
	t.Helper()
	p, err := study.JSONParams("params", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Decode(p)
}

func TestDecode(t *testing.T) {
	want := DefaultSpec()
	for _, text := range []string{`{}`, `{"limits":{"Personal":"10/min","Team":"100/min","Enterprise":"1000/min"},"paths":["/pull"]}`} {
		if got, err := decode(t, text); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v, %v", text, err, cmp.Diff(want, got))
		}
	}
	if got, err := Decode(study.Params{}); err != nil || !cmp.Equal(got, want) {
		t.Errorf("nothing: %+v, %v", got, err)
	}
	got, err := decode(t, `{"limits":{"Gold":"3/h"},"others":"5/s","paths":["/a","/b"],"users":7}`)
	want = Spec{Limits: map[string]Rate{"Gold": {3, time.Hour}}, Others: Rate{5, time.Second}, Paths: []string{"/a", "/b"}, Users: 7}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %s", err, cmp.Diff(want, got))
	}
}

func TestSpecSurvivesJSON(t *testing.T) {
	for _, s := range []Spec{DefaultSpec(), {Limits: map[string]Rate{"A b": {1, time.Hour}}, Others: Rate{2, time.Second}, Paths: []string{"/x"}, Users: 1}} {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decode(t, string(text)); err != nil || !cmp.Equal(got, function.Spec(s)) {
			t.Errorf("%s: %v, %s", text, err, cmp.Diff(s, got))
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"limit":{}}`:                    "limit",
		`{"limits":{}}`:                   "at least one subscription",
		`{"limits":{"A":"10"}}`:           "no unit",
		`{"limits":{"A":"10/day"}}`:       "s, min and h",
		`{"limits":{"A":"ten/s"}}`:        "no whole number",
		`{"limits":{"A":"-1/s"}}`:         "no whole number",
		`{"limits":{"A":"0/s"}}`:          "from 1 to",
		`{"limits":{"A":"1e3/s"}}`:        "no whole number",
		`{"limits":{"A":"2000000000/s"}}`: "from 1 to",
		`{"limits":{"A":"999999937/h"}}`:  "cannot be counted without rounding",
		`{"limits":{"A":""}}`:             "no unit",
		`{"limits":{"":"1/s"}}`:           "no name",
		`{"limits":{"A\n":"1/s"}}`:        "no name",
		`{"paths":[]}`:                    "at least one path",
		`{"paths":["pull"]}`:              "is no path",
		`{"paths":["/a?b"]}`:              "is no path",
		`{"paths":["/a","/a"]}`:           "listed twice",
		`{"users":-1}`:                    "users: -1",
		`{"users":10000001}`:              "users: 10000001",
	} {
		if _, err := decode(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

func TestFormsRefuseForeignSpecs(t *testing.T) {
	fn := Function()
	if _, err := fn.Library.Middleware("x"); err == nil {
		t.Error("library takes a string")
	}
	if _, err := fn.Native.Config(Spec{}); err == nil {
		t.Error("native takes an empty Spec")
	}
	if err := fn.Judge(nil, function.Evidence{}); err == nil {
		t.Error("the judge takes nothing")
	}
}

func FuzzRate(f *testing.F) {
	for _, text := range []string{"10/min", "1/s", "1000000000/h", "007/s", "1//s", "9999999999999999999/s", "٣/s", "1/s "} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r Rate
		if r.UnmarshalText([]byte(text)) != nil {
			if r != (Rate{}) {
				t.Fatalf("%q: an error, and %v", text, r)
			}
			return
		}
		written, err := r.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var again Rate
		if err := again.UnmarshalText(written); err != nil || again != r {
			t.Fatalf("%q: %v written as %s reads %v, %v", text, r, written, again, err)
		}
		l, err := r.limit()
		if err != nil || l.full/l.token != r.Tokens || l.gain < 1 {
			t.Fatalf("%q: limit %+v, %v", text, l, err)
		}
	})
}
