package proxywasm_test

import (
	"context"
	"testing"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/taremesh/tare/dataplane/proxywasm"
)

// tally counts calls between a guest and its host.
type tally struct{ ofHost, ofGuest int }

// NewFunctionListener makes the engine tell it of the functions that one side
// has for the other.
func (c *tally) NewFunctionListener(d api.FunctionDefinition) experimental.FunctionListener {
	switch {
	case d.GoFunction() != nil && d.ModuleName() == "env":
		return notes(func() { c.ofHost++ })
	case d.GoFunction() == nil && len(d.ExportNames()) > 0:
		return notes(func() { c.ofGuest++ })
	}
	return nil
}

type notes func()

func (f notes) Before(context.Context, api.Module, api.FunctionDefinition, []uint64, experimental.StackIterator) {
	f()
}
func (notes) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}
func (notes) Abort(context.Context, api.Module, api.FunctionDefinition, error)    {}

// TestRustCalls counts what a request costs in calls, each of which takes longer
// than most of what it does.
func TestRustCalls(t *testing.T) {
	const limit = `{"limits":{"Enterprise":"1000000000/min"},"others":"10/min","paths":["/pull"]}`
	for _, c := range []struct {
		name, way, configuration string
		want                     tally
	}{
		{"ratelimit", "whole", limit, tally{ofHost: 2, ofGuest: 1}},
		{"ratelimit", "lent", limit, tally{ofHost: 9, ofGuest: 4}},
		{"ratelimit", "plain", limit, tally{ofHost: 9, ofGuest: 4 + 4}}, // four values come from its allocator
		{"noop", "whole", "", tally{ofGuest: 1}},
		{"noop", "plain", "", tally{ofGuest: 4}},
	} {
		var seen tally
		ctx := experimental.WithFunctionListenerFactory(t.Context(), &seen)
		p, err := proxywasm.Load(ctx, proxywasm.Config{Name: c.name, Module: ways(filter(t, c.name))[c.way], Configuration: []byte(c.configuration)})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for range 3 { // the first makes the bucket
			seen = tally{}
			s := stream(t, p, newStill())
			s.RequestHeaders(true)
			s.ResponseHeaders(true)
			if err := s.Err(); err != nil || s.Reply() != nil {
				t.Fatalf("%v %+v", err, s.Reply())
			}
			s.End()
		}
		if seen != c.want {
			t.Errorf("%s, %s: %+v, not %+v", c.name, c.way, seen, c.want)
		}
	}
}
