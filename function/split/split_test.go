package split

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/taremesh/tare/study"

	"github.com/taremesh/tare/function"
)

func decoded(t *testing.T, text string) (Spec, error) {
	t.Helper()
	p, err := study.JSONParams("params", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := Decode(p)
	if err != nil {
		return Spec{}, err
	}
	return function.SpecAs[Spec](spec)
}

func TestDecode(t *testing.T) {
	got, err := decoded(t, `{"weights": [90, 10], "sticky": "X-User"}`)
	want := Spec{Weights: []int{90, 10}, Sticky: "x-user"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := decoded(t, string(text)); err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("%s: %+v, %v", text, again, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                   "weights: 0 are given",
		`{"weight": [1, 2]}`:                   "weight",
		`{"weights": [1]}`:                     "weights: 1 are given",
		`{"weights": [1, 1, 1, 1]}`:            "weights: 4 are given",
		`{"weights": [1, -1]}`:                 "weights[1]: -1",
		`{"weights": [1, 1000001]}`:            "weights[1]: 1000001",
		`{"weights": [0, 0]}`:                  "weights: all are 0",
		`{"weights": [1, 1], "sticky": "a b"}`: "sticky",
	} {
		if _, err := decoded(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// The judge's power is what its package says.
func TestPower(t *testing.T) {
	for _, c := range []struct {
		draws       int
		want, got   float64
		least, most float64
	}{
		{800, 0.1, 0.1, 0, 1e-7},
		{800, 0.9, 0.9, 0, 1e-7},
		{800, 0.1, 0.2, 0.997, 0.998},
		{800, 0.1, 0.5, 1 - 1e-9, 1},
		{80, 0, 1.0 / 80, 0.6, 0.7}, // one that goes astray is enough
		{50, 0.75, 0.5, 0, 0.2},     // what 50 requests, as others use them, would find
	} {
		power, err := Power(c.draws, c.want, c.got)
		if err != nil || power < c.least || power > c.most {
			t.Errorf("%+v: %v, %v", c, power, err)
		}
	}
}

// A value's service stays, in another process as well, and follows the weights.
func TestSticky(t *testing.T) {
	s := Spec{Weights: []int{1, 1, 0}}
	var seen [Services]int
	for i := range 1000 {
		values := []string{"user-" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune('a'+i/26))}
		at := s.at(number(values))
		if again := s.at(number(values)); again != at {
			t.Fatalf("%s: %d, then %d", values, at, again)
		}
		seen[at]++
	}
	if err := s.holds(seen[:]); err != nil {
		t.Error(err)
	}
	if got := number([]string{"ann"}); got != 0x6ef4c3aba814f113 {
		t.Errorf("the number of ann is %#x: it is to be the same in every version", got)
	}
}

func TestTransportRefuses(t *testing.T) {
	if _, err := NewTransport(Spec{Weights: []int{1}}, []string{"a", "b"}); err == nil {
		t.Error("one weight was taken")
	}
	if _, err := NewTransport(Spec{Weights: []int{1, 1}}, []string{"a"}); err == nil || !strings.Contains(err.Error(), "1 services") {
		t.Errorf("one service: %v", err)
	}
}

func BenchmarkTransport(b *testing.B) {
	wrap, err := NewTransport(Spec{Weights: []int{90, 10}}, []string{"a:1", "b:1"})
	if err != nil {
		b.Fatal(err)
	}
	rt := wrap(roundTripper(func(*http.Request) (*http.Response, error) { return nil, nil }))
	r := httptest.NewRequest(http.MethodGet, "http://a/", nil)
	for b.Loop() {
		if _, err := rt.RoundTrip(r); err != nil {
			b.Fatal(err)
		}
	}
}
