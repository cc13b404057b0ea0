package ratelimit_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/dataplane/proxywasm"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/ratelimit"
)

// hosted is the module in our own host, without a proxy around it.
type hosted struct {
	plugin *proxywasm.Plugin
	logged []string
}

func host(t testing.TB, config string, limits proxywasm.Limits, shared proxywasm.SharedLimits) *hosted {
	t.Helper()
	h := &hosted{}
	var err error
	h.plugin, err = proxywasm.Load(t.Context(), proxywasm.Config{
		Name: "ratelimit", Module: ratelimit.Function().Wasm.Module, Configuration: []byte(config),
		Limits: limits, Shared: proxywasm.NewShared(shared),
		Log: func(_ proxywasm.Level, text string) { h.logged = append(h.logged, text) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.plugin.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// fields are headers that note what they are asked for.
type fields struct {
	all   [][2]string
	asked []string
}

func (f *fields) Len() int                      { return len(f.all) }
func (f *fields) At(i int) (name, value []byte) { return []byte(f.all[i][0]), []byte(f.all[i][1]) }
func (f *fields) Set(name, value []byte)        { f.asked = append(f.asked, "set "+string(name)) }
func (f *fields) Remove(name []byte)            { f.asked = append(f.asked, "remove "+string(name)) }
func (f *fields) Add(name, value []byte) {
	f.all = append(f.all, [2]string{string(name), string(value)})
}
func (f *fields) Get(name []byte) ([]byte, bool) {
	f.asked = append(f.asked, string(name))
	for _, field := range f.all {
		if field[0] == string(name) {
			return []byte(field[1]), true
		}
	}
	return nil, false
}

// exchange is a request and its response.
type exchange struct{ request, response fields }

func (x *exchange) Property([]byte) ([]byte, bool) { return nil, false }
func (x *exchange) Fields(m proxywasm.Map) proxywasm.Fields {
	switch m {
	case proxywasm.RequestHeaders:
		return &x.request
	case proxywasm.ResponseHeaders:
		return &x.response
	}
	return nil
}

// ask sends a request through the module and returns what it looked at, and
// the status.
func (h *hosted) ask(t testing.TB, path string, headers ...[2]string) (*exchange, int) {
	t.Helper()
	x := &exchange{request: fields{all: append([][2]string{{":method", "GET"}, {":path", path}}, headers...)}}
	s, err := h.plugin.Stream(x)
	if err != nil {
		t.Fatal(err)
	}
	defer s.End()
	s.RequestHeaders(true)
	if err := s.Err(); err != nil {
		t.Fatalf("%q: %v", x.request.all, err)
	}
	if r := s.Reply(); r != nil {
		for _, f := range r.Headers {
			x.response.Add([]byte(f.Name), []byte(f.Value))
		}
		return x, r.Status
	}
	s.ResponseHeaders(true)
	if err := s.Err(); err != nil {
		t.Fatalf("%q: %v", x.request.all, err)
	}
	return x, 200
}

func caller(user, subscription string) [][2]string {
	return [][2]string{{function.UserHeader, user}, {function.SubscriptionHeader, subscription}}
}

const small = `{"limits": {"Personal": "2/h"}, "others": "3/h", "paths": ["/pull"]}`

// Every call to the host costs: the module asks for what it needs.
func TestWasmAsksForWhatItNeeds(t *testing.T) {
	h := host(t, small, proxywasm.Limits{}, proxywasm.SharedLimits{})
	p := host(t, strings.Replace(small, "{", `{"payload_header": "p", `, 1), proxywasm.Limits{}, proxywasm.SharedLimits{})
	for _, c := range []struct {
		name         string
		host         *hosted
		path         string
		subscription string
		want         []string
	}{
		{"a limited path", h, "/pull?x", "Personal", []string{":path", "x-subscription", "x-user"}},
		{"another path", h, "/auth", "Personal", []string{":path"}},
		{"an unlisted subscription needs no name", h, "/pull", "Gold", []string{":path", "x-subscription"}},
		{"a payload", p, "/pull", "Personal", []string{":path", "p"}},
		{"another path, with a payload", p, "/auth", "Personal", []string{":path"}},
	} {
		x, _ := c.host.ask(t, c.path, caller("ann", c.subscription)...)
		if d := cmp.Diff(c.want, x.request.asked); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// The module's memory does not grow with what it has served. (It begins with
// 17 pages; the host kills what asks for more than is set here.)
func TestWasmMemoryDoesNotGrow(t *testing.T) {
	const pages, requests = 19, 30_000
	for name, config := range map[string]string{"headers": small, "payload": strings.Replace(small, "{", `{"payload_header": "p", `, 1)} {
		h := host(t, config, proxywasm.Limits{MemoryBytes: pages << 16, Instances: 1}, proxywasm.SharedLimits{})
		statuses := map[int]int{}
		for i := range requests {
			user := fmt.Sprint("user-", i/4, strings.Repeat("x", i%200))
			claims, err := json.Marshal(map[string]string{"sub": user, "subscription": "Personal"})
			if err != nil {
				t.Fatal(err)
			}
			_, status := h.ask(t, "/pull", append(caller(user, "Personal"), [2]string{"p", base64.RawURLEncoding.EncodeToString(claims)})...)
			statuses[status]++
		}
		if n := h.plugin.Stats().Started; n != 1 || len(statuses) != 1 && min(statuses[200], statuses[429]) == 0 {
			t.Errorf("%s: %d instances were started; statuses %v", name, n, statuses)
		}
	}
}

// A host without room for another bucket lets nobody new on, says so once, and
// counts on for those whose buckets it has.
func TestWasmWithoutRoom(t *testing.T) {
	h := host(t, small, proxywasm.Limits{}, proxywasm.SharedLimits{Keys: 2}) // one is the module's own
	var got []int
	for _, user := range []string{"ann", "bob", "cem", "ann", "ann", "bob"} {
		_, status := h.ask(t, "/pull", caller(user, "Personal")...)
		got = append(got, status)
	}
	if d := cmp.Diff([]int{200, 503, 503, 200, 429, 503}, got); d != "" {
		t.Error(d)
	}
	if len(h.logged) != 1 || !strings.Contains(h.logged[0], "refused with 503") {
		t.Errorf("logged %q", h.logged)
	}
}

// FuzzWasmRequest: nothing that a request says stops the module, and it has
// the limit of nobody or of a listed subscription.
func FuzzWasmRequest(f *testing.F) {
	for _, seed := range []string{"", "e30", `{"sub":"a","subscription":"Personal"}`, "\xff", `{"sub":"\ud83d\ude00"}`, "eyJzdWIiOiJhIn0=", `{"a":[[[{}]]]`} {
		f.Add("/pull", seed, "Personal", seed)
	}
	h := host(f, small, proxywasm.Limits{}, proxywasm.SharedLimits{})
	p := host(f, strings.Replace(small, "{", `{"payload_header": "p", `, 1), proxywasm.Limits{}, proxywasm.SharedLimits{})
	f.Fuzz(func(t *testing.T, path, user, subscription, payload string) {
		for _, h := range []*hosted{h, p} {
			x, status := h.ask(t, path, append(caller(user, subscription), [2]string{"p", payload})...)
			limited, _, _ := strings.Cut(path, "?")
			if (len(x.response.all) > 0) != (limited == "/pull") {
				t.Errorf("%q: answer %v", path, x.response.all)
			}
			for _, field := range x.response.all {
				if n, err := strconv.Atoi(field[1]); err != nil || n < 0 || n > 3600 {
					t.Errorf("%d %v", status, field)
				}
			}
		}
	})
}
