package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	lua "github.com/yuin/gopher-lua"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

const typeURL = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"

// Limit is how long a script may take for one request or response.
const Limit = 100 * time.Millisecond

// honoured is what is done of the message.
var honoured = protofield.Honoured{
	"envoy.extensions.filters.http.lua.v3.Lua": {"default_source_code"},
	"envoy.config.core.v3.DataSource":          {"inline_string"},
}

// Type is the lua filter.
func Type() function.FilterType {
	return function.FilterType{URL: typeURL, New: func(config *anypb.Any) (function.Filter, error) {
		var m luav3.Lua
		if err := config.UnmarshalTo(&m); err != nil {
			return nil, fmt.Errorf("read %s: %w", typeURL, err)
		}
		if err := protofield.Check(&m, honoured); err != nil {
			return nil, err
		}
		if _, inline := m.GetDefaultSourceCode().GetSpecifier().(*corev3.DataSource_InlineString); !inline {
			return nil, errors.New("field default_source_code.inline_string: is required")
		}
		return New(m.GetDefaultSourceCode().GetInlineString(), func(text string) { fmt.Fprintf(os.Stderr, "lua: %s\n", text) })
	}}
}

// Filter is a script at work.
type Filter struct {
	mu                    sync.Mutex
	state                 *lua.LState
	onRequest, onResponse *lua.LFunction // nil: the script has none
	handle                *lua.LUserData
	call                  call
	log                   func(string)
}

var _ function.Responder = (*Filter)(nil)

// New runs the script itself, which defines envoy_on_request or
// envoy_on_response. What goes wrong later is told to log.
func New(source string, log func(string)) (*Filter, error) {
	f := &Filter{state: lua.NewState(lua.Options{SkipOpenLibs: true}), log: log}
	f.open()
	ctx, cancel := context.WithTimeout(context.Background(), Limit)
	defer cancel()
	f.state.SetContext(ctx)
	if err := f.state.DoString(source); err != nil {
		f.state.Close()
		return nil, fmt.Errorf("run the script: %w", err)
	}
	f.onRequest, _ = f.state.GetGlobal("envoy_on_request").(*lua.LFunction)
	f.onResponse, _ = f.state.GetGlobal("envoy_on_response").(*lua.LFunction)
	if f.onRequest == nil && f.onResponse == nil {
		f.state.Close()
		return nil, errors.New("run the script: it defines neither envoy_on_request nor envoy_on_response")
	}
	return f, nil
}

// Handle runs envoy_on_request.
func (f *Filter) Handle(x function.Exchange) (proceed bool) {
	if f.onRequest == nil {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.call = call{x: x, log: f.log}
	f.run(f.onRequest)
	return !f.call.replied
}

// Respond runs envoy_on_response.
func (f *Filter) Respond(x function.Exchange, r function.Response) {
	if f.onResponse == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.call = call{x: x, r: r, log: f.log}
	f.run(f.onResponse)
}

// run calls a function of the script with the handle.
func (f *Filter) run(fn *lua.LFunction) {
	ctx, cancel := context.WithTimeout(context.Background(), Limit)
	defer cancel()
	f.state.SetContext(ctx)
	f.state.Push(fn)
	f.state.Push(f.handle)
	err := f.state.PCall(1, 0, nil)
	f.call.x, f.call.r = nil, nil
	f.state.SetTop(0)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		f.log(fmt.Sprintf("the script took more than %v and was ended", Limit))
	default:
		f.log(strings.TrimSpace(err.Error()))
	}
}

// Close ends the script.
func (f *Filter) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.Close()
	f.onRequest, f.onResponse = nil, nil
	return nil
}
