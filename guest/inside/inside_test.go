package inside_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/guest"
	"github.com/taremesh/tare/guest/inside"
)

// host is a proxy for one request, in memory.
type host struct {
	request, response [][2]string
	status, cleared   int
	sent              [][2]string
	body              string
}

func (h *host) Values(name string) (all []string) {
	for _, f := range h.request {
		if f[0] == name {
			all = append(all, f[1])
		}
	}
	return all
}

func (h *host) Value(name string) (string, bool) {
	all := h.Values(name)
	if len(all) == 0 {
		return "", false
	}
	return all[0], true
}

func (h *host) of(s inside.Side) *[][2]string {
	if s == inside.Response {
		return &h.response
	}
	return &h.request
}

func (h *host) Set(of inside.Side, name, value string) {
	h.Remove(of, name)
	h.Add(of, name, value)
}

func (h *host) Add(of inside.Side, name, value string) {
	*h.of(of) = append(*h.of(of), [2]string{name, value})
}

func (h *host) Remove(of inside.Side, name string) {
	*h.of(of) = slices.DeleteFunc(*h.of(of), func(f [2]string) bool { return f[0] == name })
}

func (h *host) Reply(status int, headers [][2]string, body string) {
	h.status, h.sent, h.body = status, headers, body
}

func (h *host) ClearRoute() { h.cleared++ }

func filter(t *testing.T, store inside.Buckets, id string, lines ...[]string) inside.Filter {
	t.Helper()
	f, err := inside.New(string(guest.Config(id, lines...)), store)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestNoop(t *testing.T) {
	s := filter(t, nil, "noop").Stream()
	if !s.Request(nil) { // to ask the host for anything would panic
		t.Error("refused")
	}
	s.Response(nil)
}

func TestHeaderMutation(t *testing.T) {
	f := filter(t, nil, "header-mutation", []string{"request", "set", "a", "1"}, []string{"request", "append", "a", "\t2"}, []string{"request", "remove", "b", ""}, []string{"response", "set", "c", ""})
	h := &host{request: [][2]string{{"a", "x"}, {"a", "y"}, {"b", "z"}}}
	s := f.Stream()
	if !s.Request(h) {
		t.Error("refused")
	}
	s.Response(h)
	if got := fmt.Sprintf("%q %q", h.request, h.response); got != `[["a" "1"] ["a" "\t2"]] [["c" ""]]` {
		t.Error(got)
	}
}

func TestRouter(t *testing.T) {
	rule := func(from, name, match, value string) [][]string {
		return [][]string{{"header", "x-to"}, {"otherwise", "none"}, {"rule", "it"}, {"when", from, name, match, value}}
	}
	for _, c := range []struct {
		rule    [][]string
		request [][2]string
		want    string
	}{
		{rule("header", "a", "exact", "1"), [][2]string{{"a", "0"}, {"a", "1"}}, "it"},
		{rule("header", "a", "present", ""), [][2]string{{"a", ""}}, "it"},
		{rule("header", "a", "present", ""), nil, "none"},
		{rule("claim", "x-user", "present", ""), [][2]string{{"x-user", ""}}, "none"},
		{rule("claim", "x-user", "prefix", "an"), [][2]string{{"x-user", "ann"}}, "it"},
		{rule("method", "", "exact", "PUT"), [][2]string{{":method", "PUT"}}, "it"},
		{rule("cookie", "a", "exact", "1"), [][2]string{{"cookie", `b=2; a="1"; a=3`}}, "it"},
		{rule("cookie", "a", "exact", "3"), [][2]string{{"cookie", `a=1; a=3`}}, "none"},
		{rule("cookie", "a", "present", ""), [][2]string{{"cookie", "a"}}, "none"},
		{rule("cookie", "a", "exact", "1"), [][2]string{{"cookie", "b=1"}, {"cookie", "a=1"}}, "it"},
		{rule("query", "a", "exact", "1"), [][2]string{{":path", "/?b&a=1&a=2"}}, "it"},
		{rule("query", "a", "exact", ""), [][2]string{{":path", "/?a"}}, "it"},
		{rule("query", "a", "present", ""), [][2]string{{":path", "/a"}}, "none"},
		{rule("identity", "", "exact", "x"), [][2]string{{"x-forwarded-client-cert", `URI=y,By=z;URI=x`}}, "it"},
		{rule("identity", "", "exact", "x"), [][2]string{{"x-forwarded-client-cert", `URI=x,URI=y`}}, "none"},
		{rule("identity", "", "exact", "x"), [][2]string{{"x-forwarded-client-cert", `Subject="\",URI=x"`}}, "none"},
		{rule("identity", "", "present", ""), [][2]string{{"x-forwarded-client-cert", `Subject="\`}}, "none"},
	} {
		h := &host{request: append(slices.Clone(c.request), [2]string{"x-to", "forged"})}
		if f := filter(t, nil, "route-context", c.rule...); !f.Stream().Request(h) || h.cleared != 1 {
			t.Errorf("%q: refused, or the route was not looked for again", c.request)
		}
		if got := strings.Join(h.Values("x-to"), " "); got != c.want {
			t.Errorf("%q by %q: %s, want %s", c.request, c.rule[3], got, c.want)
		}
	}
}

func TestRefusedConfigurations(t *testing.T) {
	for _, text := range []string{
		"", "other\n", "header-mutation\nrequest\tset\ta\n", "header-mutation\nrequest\tdouble\ta\tb\n",
		"ratelimit\n", "ratelimit\nlimit\ta\t0/s\nothers\t1/s\n", "ratelimit\nothers\t1/day\n", "ratelimit\nothers\t999999937/h\n", "ratelimit\nwhat\t1/s\n",
		"route-context\n", "route-context\nheader\tx\nwhen\ta\tb\tc\td\n", "route-context\nwhat\n",
	} {
		if f, err := inside.New(text, nil); err == nil {
			t.Errorf("%q: %v", text, f)
		}
	}
}

// full is a store that has no room.
type full struct{}

func (full) Take(string, *inside.Limit) (d inside.Decision, err error) {
	return d, fmt.Errorf("no room")
}

func TestRateLimit(t *testing.T) {
	now := int64(time.Hour)
	store := &inside.Memory{Now: func() int64 { return now }}
	lines := [][]string{{"limit", "Team", "2/min"}, {"others", "1/h"}, {"path", "/pull"}}
	ask := func(store inside.Buckets, path, user, subscription string) *host {
		h := &host{request: [][2]string{{":path", path}, {"x-user", user}, {"x-subscription", subscription}}}
		if s := filter(t, store, "ratelimit", lines...).Stream(); s.Request(h) {
			s.Response(h)
		}
		return h
	}
	var got []string
	for _, c := range []struct {
		path, user, subscription string
		pause                    time.Duration
	}{
		{"/pull?x", "ann", "Team", 0}, {"/pull", "ann", "Team", 0}, {"/pull", "ann", "Team", 0}, {"/free", "ann", "Team", 0},
		{"/pull", "bob", "Team", 0}, {"/pull", "ann", "other", 0}, {"/pull", "", "Team", 0}, {"/pull", "ann", "Team", 30 * time.Second},
	} {
		now += int64(c.pause)
		h := ask(store, c.path, c.user, c.subscription)
		got = append(got, fmt.Sprint(h.status, h.response, h.sent))
	}
	want := []string{
		"0 [[x-ratelimit-limit 2] [x-ratelimit-remaining 1] [x-ratelimit-reset 0]] []",
		"0 [[x-ratelimit-limit 2] [x-ratelimit-remaining 0] [x-ratelimit-reset 30]] []",
		"429 [] [[x-ratelimit-limit 2] [x-ratelimit-remaining 0] [x-ratelimit-reset 30] [retry-after 30]]",
		"0 [] []",
		"0 [[x-ratelimit-limit 2] [x-ratelimit-remaining 1] [x-ratelimit-reset 0]] []",
		"0 [[x-ratelimit-limit 1] [x-ratelimit-remaining 0] [x-ratelimit-reset 3600]] []",
		"429 [] [[x-ratelimit-limit 1] [x-ratelimit-remaining 0] [x-ratelimit-reset 3600] [retry-after 3600]]",
		"0 [[x-ratelimit-limit 2] [x-ratelimit-remaining 0] [x-ratelimit-reset 30]] []",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if h := ask(full{}, "/pull", "ann", "Team"); h.status != 503 {
		t.Errorf("without room: %+v", h)
	}
}

// Many who draw at once get no more than there is, and full buckets are forgotten.
func TestMemory(t *testing.T) {
	now := int64(0)
	m := &inside.Memory{Now: func() int64 { return now }}
	l, err := inside.ParseLimit("100/h")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var allowed int
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				d, err := m.Take("one", &l)
				mu.Lock()
				if err == nil && d.Allowed {
					allowed++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if allowed != 100 {
		t.Errorf("%d of 100 tokens were given", allowed)
	}
	for i := range 5000 {
		now += int64(time.Minute)
		if _, err := m.Take(fmt.Sprint(i), &l); err != nil {
			t.Fatal(err)
		}
	}
	if d, err := m.Take("one", &l); err != nil || !d.Allowed || d.Remaining != 99 {
		t.Errorf("%+v, %v", d, err)
	}
}
