package embedded

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/taremesh/tare/dataplane/proxywasm"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/noop"
	"github.com/taremesh/tare/function/ratelimit"
	"github.com/taremesh/tare/internal/http1"
	"github.com/taremesh/tare/study"
)

// BenchmarkChain takes requests and responses through the whole chain of a
// proxy, from the bytes of a head to the bytes of the next one, without
// sockets: the router alone, with the rate limit as the plane's own filter,
// and with modules. What a filter costs is the difference to the router.
func BenchmarkChain(b *testing.B) {
	p := newProxy(envoyLimits)
	defer p.close()
	limit := ratelimit.Function()
	params, err := study.JSONParams("ratelimit", []byte(`{"limits": {"Fast": "5000/s"}}`))
	if err != nil {
		b.Fatal(err)
	}
	spec, err := limit.Decode(params)
	if err != nil {
		b.Fatal(err)
	}
	made, err := newFilters(limit.Native.Types, p)
	if err != nil {
		b.Fatal(err)
	}
	defer made.close()
	for _, c := range []struct {
		name  string
		chain []link
	}{
		{"router", nil},
		{"native", native(b, made, limit, spec)},
		{"noop-wasm", module(b, made, noop.Function(), noop.Spec{})},
		{"wasm", module(b, made, limit, spec)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			x := newPassage(p)
			for b.Loop() {
				if err := x.pass(c.chain); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// native is the plane's own filter, as it is for the path that is limited.
func native(b *testing.B, made *filters, f function.Function, spec function.Spec) []link {
	b.Helper()
	config, err := f.Native.Config(spec)
	if err != nil {
		b.Fatal(err)
	}
	l, err := made.make(config.Routes["/pull"])
	if err != nil {
		b.Fatal(err)
	}
	return []link{l}
}

func module(b testing.TB, made *filters, f function.Function, spec function.Spec) []link {
	b.Helper()
	config, err := f.Wasm.Config(spec)
	if err != nil {
		b.Fatal(err)
	}
	filter, err := xds.WasmFilter(f.Name, f.Wasm.Module, config)
	if err != nil {
		b.Fatal(err)
	}
	l, err := made.make(filter.Config)
	if err != nil {
		b.Fatal(err)
	}
	return []link{l}
}

// TestTakenWhole: a plugin that takes requests whole has one instance for many
// that are under way at a time, and each response has what was left for it.
func TestTakenWhole(t *testing.T) {
	p := newProxy(envoyLimits)
	defer p.close()
	limit := ratelimit.Function()
	made, err := newFilters(limit.Native.Types, p)
	if err != nil {
		t.Fatal(err)
	}
	defer made.close()
	params, err := study.JSONParams("ratelimit", []byte(`{"limits": {"Fast": "5000/h"}}`))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := limit.Decode(params)
	if err != nil {
		t.Fatal(err)
	}
	chain := module(t, made, limit, spec)
	asked := make([]*passage, 20)
	for i := range asked {
		asked[i] = newPassage(p)
		if err := asked[i].ask(chain); err != nil {
			t.Fatal(err)
		}
	}
	for i, x := range asked {
		if err := x.answer(); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("\r\nx-ratelimit-remaining: %d\r\n", 5000-1-i)
		if !bytes.Contains(x.c.out, []byte(want)) {
			t.Errorf("response %d has no %q: %q", i, want, x.c.out)
		}
	}
	if s := chain[0].plugin.Stats(); s.Started != 1 || s.Instances != 1 || s.Idle != 1 {
		t.Errorf("%+v", s)
	}
}

// passage is a connection's part of one exchange, in memory.
type passage struct {
	table             table
	c                 *conn
	request, response []byte
	body              []byte
	turn              int
	digits            []byte // of the user's name, in request
}

// users take turns: a thousand, so that none of them comes near its limit.
const users = 1000

func newPassage(p *proxy) *passage {
	claims, err := json.Marshal(map[string]string{"image": "tare"})
	if err != nil {
		panic(err)
	}
	x := &passage{
		c: &conn{p: p},
		request: []byte("GET /pull?image=tare HTTP/1.1\r\nHost: hub.test\r\nAuthorization: Bearer abc\r\n" +
			function.UserHeader + ": user-000\r\n" + function.SubscriptionHeader + ": Fast\r\n\r\n"),
		response: fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(claims)),
		body:     claims,
	}
	at := bytes.Index(x.request, []byte("user-000")) + len("user-")
	x.digits = x.request[at : at+3]
	return x
}

func (x *passage) pass(chain []link) error {
	if err := x.ask(chain); err != nil {
		return err
	}
	return x.answer()
}

// ask takes a request as far as the bytes for the service.
func (x *passage) ask(chain []link) error {
	c := x.c
	x.turn = (x.turn + 1) % users
	x.digits[0], x.digits[1], x.digits[2] = '0'+byte(x.turn/100), '0'+byte(x.turn/10%10), '0'+byte(x.turn%10)
	if err := c.req.Parse(x.request); err != nil {
		return err
	}
	c.x.begin(&c.req)
	c.gathered = false
	x.table.chain = chain
	c.table, c.way = &x.table, nil
	if !c.filter() {
		return fmt.Errorf("refused with %d", c.x.status)
	}
	c.out = c.req.Append(c.out[:0])
	return nil
}

// answer takes the service's response as far as the bytes for the client.
func (x *passage) answer() error {
	c := x.c
	if err := c.res.Parse(x.response, http1.OtherMethod); err != nil {
		return err
	}
	c.x.res = &c.res
	body := x.body
	if len(c.visits) > 0 && !c.heads(false) {
		return fmt.Errorf("the response became one of %d", c.x.status)
	}
	for _, v := range c.visits {
		if v.plugin != nil && v.plugin.Sees(proxywasm.OnResponseBody) {
			body, _ = v.stream.ResponseBody(body, true)
		}
	}
	c.out = http1.AppendFraming(c.res.AppendStatus(c.out[:0]), int64(len(body)))
	c.out = append(c.appendOwn(c.out, false), body...)
	c.leave()
	return nil
}
