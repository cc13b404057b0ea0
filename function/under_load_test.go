package function_test

import (
	"testing"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/cors"
	"github.com/taremesh/tare/function/headermutation"
	"github.com/taremesh/tare/function/mirror"
	"github.com/taremesh/tare/function/redirect"
	"github.com/taremesh/tare/function/rewrite"
	"github.com/taremesh/tare/function/routecontext"
	"github.com/taremesh/tare/function/routepath"
	"github.com/taremesh/tare/function/split"
	"github.com/taremesh/tare/study"
)

// Under load a judge knows outcomes alone: with the parameters that a function
// is weighed with none is refused, and an answer that never came is no fault.
func TestJudgesUnderLoad(t *testing.T) {
	for _, fn := range []function.Function{
		cors.Function(), headermutation.Function(), mirror.Function(), rewrite.Function(),
		routecontext.Function(), routepath.Function(), split.Function(), redirect.Function(),
	} {
		params, err := study.JSONParams(fn.Name, []byte(fn.Example))
		if err != nil {
			t.Fatal(err)
		}
		spec, err := fn.Decode(params)
		if err != nil {
			t.Fatal(err)
		}
		seen := func(outcomes ...function.Outcome) (e function.Evidence) {
			e.Served = -1
			for i, o := range outcomes {
				at := time.Duration(i)
				e.Observations = append(e.Observations, function.Observation{Earliest: at, Latest: at + 1, Path: "/pull", Outcome: o})
			}
			return e
		}
		if err := fn.Judge(spec, seen(function.Allowed, function.Unknown, function.Allowed)); err != nil {
			t.Errorf("%s: %v", fn.Name, err)
		}
		if err := fn.Judge(spec, seen(function.Allowed, function.Refused)); err == nil {
			t.Errorf("%s: a refused request was taken", fn.Name)
		}
		if err := fn.Judge("another's", seen()); err == nil {
			t.Errorf("%s: the parameters of another function were taken", fn.Name)
		}
	}
}
