package ratelimit_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
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

// way is how a host calls the module: it may know all that the module exports,
// not hand requests over whole, or know nothing beside the ABI.
type way string

const (
	whole way = "whole"
	lent  way = "lent"
	plain way = "plain"
)

var ways = []way{whole, lent, plain}

// module is the module with other names for the exports that the host is not
// to know.
func (w way) module() []byte {
	unknown := map[way]string{whole: "tare_nothing", lent: "tare_on_request", plain: "tare_"}[w]
	return bytes.ReplaceAll(ratelimit.Function().Wasm.Module, []byte(unknown), []byte(strings.Replace(unknown, "tare", "none", 1)))
}

func host(t testing.TB, w way, config string, limits proxywasm.Limits, shared proxywasm.SharedLimits) *hosted {
	t.Helper()
	h := &hosted{}
	var err error
	h.plugin, err = proxywasm.Load(t.Context(), proxywasm.Config{
		Name: "ratelimit", Module: w.module(), Configuration: []byte(config),
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
	left, _ := s.Taken()
	for _, a := range left {
		x.response.Add(a.Name, a.Value)
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

var withPayload = strings.Replace(small, "{", `{"payload_header": "p", `, 1)

// Every call to the host costs: the module asks for what it needs.
func TestWasmAsksForWhatItNeeds(t *testing.T) {
	h := host(t, plain, small, proxywasm.Limits{}, proxywasm.SharedLimits{})
	p := host(t, plain, withPayload, proxywasm.Limits{}, proxywasm.SharedLimits{})
	whole1 := host(t, whole, small, proxywasm.Limits{}, proxywasm.SharedLimits{})
	whole2 := host(t, whole, withPayload, proxywasm.Limits{}, proxywasm.SharedLimits{})
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
		{"all at once", whole1, "/pull", "Personal", []string{":path", "x-subscription", "x-user"}},
		{"all at once, with a payload", whole2, "/pull", "Personal", []string{":path", "p"}},
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
	for _, c := range []struct {
		name   string
		way    way
		config string
	}{{"headers", plain, small}, {"payload", plain, withPayload}, {"headers, whole", whole, small}, {"payload, whole", whole, withPayload}} {
		h := host(t, c.way, c.config, proxywasm.Limits{MemoryBytes: pages << 16, Instances: 1}, proxywasm.SharedLimits{})
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
			t.Errorf("%s: %d instances were started; statuses %v", c.name, n, statuses)
		}
	}
}

// A host without room for another bucket lets nobody new on, says so once, and
// counts on for those whose buckets it has.
func TestWasmWithoutRoom(t *testing.T) {
	for _, w := range ways {
		t.Run(string(w), func(t *testing.T) { withoutRoom(t, w) })
	}
}

func withoutRoom(t *testing.T, w way) {
	h := host(t, w, small, proxywasm.Limits{}, proxywasm.SharedLimits{Keys: 2}) // one is the module's own
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

// Names of any length, which differ in any one byte, have buckets of their own,
// and numbers of any length are said in full.
func TestWasmTellsUsersApart(t *testing.T) {
	for _, w := range ways {
		t.Run(string(w), func(t *testing.T) {
			limits := map[string]string{}
			for n := 1; n <= 10; n++ {
				limits[strings.Repeat("s", 3*n)] = "1000000000"[:n] + "/s"
			}
			config, err := json.Marshal(map[string]any{"limits": limits, "others": "1/h", "paths": []string{"/pull"}})
			if err != nil {
				t.Fatal(err)
			}
			h := host(t, w, string(config), proxywasm.Limits{}, proxywasm.SharedLimits{})
			said := func(user, subscription string) string {
				x, _ := h.ask(t, "/pull", caller(user, subscription)...)
				for _, f := range x.response.all {
					if f[0] == "x-ratelimit-remaining" {
						return x.response.all[0][1] + " " + f[1]
					}
				}
				return "nothing"
			}
			for n := 1; n <= 40; n++ {
				for i := range n {
					name := []byte(strings.Repeat("u", n))
					name[i] = 'v'
					for subscription, rate := range limits {
						text, _, _ := strings.Cut(rate, "/")
						most, err := strconv.Atoi(text)
						if err != nil {
							t.Fatal(err)
						}
						if got, want := said(string(name), subscription), fmt.Sprint(most, " ", most-1); got != want {
							t.Fatalf("%s of %d has %s, not %s", name, len(subscription), got, want)
						}
					}
				}
			}
		})
	}
}

// same are answers that are the same but for the time that passed between them.
func same(a, b *exchange) bool {
	return slices.EqualFunc(a.response.all, b.response.all, func(f, g [2]string) bool {
		if f == g {
			return true
		}
		x, _ := strconv.Atoi(f[1])
		y, _ := strconv.Atoi(g[1])
		return f[0] == g[0] && (f[0] == "x-ratelimit-reset" || f[0] == "retry-after") && max(x-y, y-x) <= 2
	})
}

// In every way in which a host may call it, the module says the same: of users
// who come in any order, with values of any size, known and unknown.
func TestWasmWaysAgree(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	for name, config := range map[string]string{"headers": small, "payload": withPayload} {
		var hosts []*hosted
		for _, w := range ways {
			hosts = append(hosts, host(t, w, config, proxywasm.Limits{Instances: 1}, proxywasm.SharedLimits{Keys: 30}))
		}
		seen := map[int]int{}
		for range 3000 {
			user := one("", "ann", "bob", "\xff", strings.Repeat("u", random.IntN(3000)))
			subscription := one("Personal", "Personal", "Gold", "", "personal")
			headers := caller(user, subscription)
			for _, drop := range []int{1, 0} {
				if random.IntN(10) == 0 {
					headers = slices.Delete(headers, drop, drop+1)
				}
			}
			claims, err := json.Marshal(map[string]string{"sub": user, "subscription": subscription})
			if err != nil {
				t.Fatal(err)
			}
			if p := one("", string(claims), base64.RawURLEncoding.EncodeToString(claims), "{"); p != "" {
				headers = append(headers, [2]string{"p", p})
			}
			path := one("/pull", "/pull?x", "/auth", "/"+strings.Repeat("p", random.IntN(3000)))
			first, status := hosts[0].ask(t, path, headers...)
			seen[status]++
			for i, h := range hosts[1:] {
				if x, s := h.ask(t, path, headers...); s != status || !same(first, x) {
					t.Fatalf("%s: %q %q: %s says %d %v, %s says %d %v", name, path, headers,
						ways[0], status, first.response.all, ways[i+1], s, x.response.all)
				}
			}
		}
		if min(seen[200], seen[429], seen[503]) < 10 {
			t.Errorf("%s: statuses %v", name, seen)
		}
	}
}

// FuzzWasmRequest: nothing that a request says stops the module, and it has
// the limit of nobody or of a listed subscription, in every way the same.
func FuzzWasmRequest(f *testing.F) {
	for _, seed := range []string{"", "e30", `{"sub":"a","subscription":"Personal"}`, "\xff", `{"sub":"\ud83d\ude00"}`, "eyJzdWIiOiJhIn0=", `{"a":[[[{}]]]`} {
		f.Add("/pull", seed, "Personal", seed)
	}
	var hosts []*hosted
	for _, config := range []string{small, withPayload} {
		for _, w := range ways {
			hosts = append(hosts, host(f, w, config, proxywasm.Limits{}, proxywasm.SharedLimits{}))
		}
	}
	f.Fuzz(func(t *testing.T, path, user, subscription, payload string) {
		var first *exchange
		for i, h := range hosts {
			x, status := h.ask(t, path, append(caller(user, subscription), [2]string{"p", payload})...)
			if i%len(ways) == 0 {
				first = x
			}
			if !same(first, x) {
				t.Errorf("%v, and the %d way says %v", first.response.all, i, x.response.all)
			}
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
