package function_test

import (
	"reflect"
	"testing"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/balanceroundrobin"
	"github.com/taremesh/tare/function/routecontext"
	"github.com/taremesh/tare/function/routepath"
	"github.com/taremesh/tare/study"
)

// The published pairs are 24, under different names; the first is the control,
// and the others differ.
func TestPairs(t *testing.T) {
	pairs := function.Pairs()
	if len(pairs) != 24 {
		t.Errorf("%d pairs", len(pairs))
	}
	names := map[string]bool{}
	for i, p := range pairs {
		if names[p.Differs] {
			t.Errorf("%s: twice", p.Differs)
		}
		names[p.Differs] = true
		if same := reflect.DeepEqual(p.A, p.B); same != (i == 0) {
			t.Errorf("%s: the requests are the same: %t", p.Differs, same)
		}
	}
}

// What a type of function can decide by.
func TestDistinct(t *testing.T) {
	for _, c := range []struct {
		fn   function.Function
		want int
	}{
		{routepath.Function(), 7},
		{routecontext.Function(), 12},
		{balanceroundrobin.Function(), 0},
	} {
		params, err := study.JSONParams("decide", []byte(c.fn.Decide.Params))
		if err != nil {
			t.Fatal(err)
		}
		spec, err := c.fn.Decode(params)
		if err != nil {
			t.Fatal(err)
		}
		if got := function.Distinct(c.fn.Decide.Model(spec)); got != c.want {
			t.Errorf("%s tells %d of the pairs apart, not %d", c.fn.Name, got, c.want)
		}
	}
	if got := function.Distinct(func(function.Request) string { return "one" }); got != 0 {
		t.Errorf("one service for all tells %d apart", got)
	}
	turn := 0
	if got := function.Distinct(func(function.Request) string { turn++; return string(rune('a' + turn%2)) }); got != 0 {
		t.Errorf("two services by turns tell %d apart", got)
	}
}
