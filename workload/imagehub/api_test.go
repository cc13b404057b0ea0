package imagehub

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/workload"
)

// hub is an API that runs in this process.
type hub struct {
	t    *testing.T
	url  string
	stop func() error // idempotent
}

// start serves until the test ends or stop is called.
func start(t *testing.T, serve func(context.Context, func(workload.Ready)) error) *hub {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, end := make(chan workload.Ready, 1), make(chan error, 1)
	go func() { end <- serve(ctx, func(r workload.Ready) { ready <- r }) }()
	h := &hub{t: t, stop: sync.OnceValue(func() error {
		cancel()
		return <-end
	})}
	t.Cleanup(func() {
		if err := h.stop(); err != nil {
			t.Errorf("the API ended with %v", err)
		}
	})
	select {
	case r := <-ready:
		h.url = "http://" + r.Addr
	case err := <-end:
		end <- err
		t.Fatalf("the API ended before it was ready: %v", err)
	}
	return h
}

// startAPI serves the whole API, with cheap password hashes.
func startAPI(t *testing.T, o Options, middlewares ...workload.Middleware) *hub {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	return start(t, func(ctx context.Context, ready func(workload.Ready)) error {
		return run(ctx, o, bcrypt.MinCost, middlewares, ready)
	})
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (h *hub) do(method, path, token, body string) reply {
	h.t.Helper()
	r, err := h.try(method, path, token, body)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *hub) try(method, path, token, body string) (reply, error) {
	req, err := http.NewRequest(method, h.url+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text)}, err
}

// into decodes an answer that must have a status.
func (r reply) into(t *testing.T, status int, v any) {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	if err := json.Unmarshal([]byte(r.body), v); err != nil {
		t.Fatalf("answer %q: %v", r.body, err)
	}
}

// wrong checks that an answer is an error in JSON with the status and words.
func (r reply) wrong(t *testing.T, status int, words string) {
	t.Helper()
	var e struct {
		Error string `json:"error"`
	}
	r.into(t, status, &e)
	if e.Error == "" || !strings.Contains(e.Error, words) {
		t.Errorf("the error %q does not say %q", e.Error, words)
	}
	if got := r.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
}

func (h *hub) stats() workload.Stats {
	h.t.Helper()
	var s workload.Stats
	h.do("GET", workload.StatsPath, "", "").into(h.t, 200, &s)
	return s
}

func (h *hub) signUp(name, subscription string) {
	h.t.Helper()
	var a account
	h.do("POST", "/signup", "", fmt.Sprintf(`{"username":%q,"password":"secret-of-%s","subscription":%q}`, name, name, subscription)).into(h.t, 201, &a)
	if want := (account{name, subscription}); a != want {
		h.t.Errorf("signed up as %+v, want %+v", a, want)
	}
}

func (h *hub) logIn(name string) pass {
	h.t.Helper()
	var p pass
	h.do("POST", "/login", "", fmt.Sprintf(`{"username":%q,"password":"secret-of-%s"}`, name, name)).into(h.t, 200, &p)
	return p
}

// seen is a middleware that notes who called.
type seen struct {
	mu      sync.Mutex
	callers []function.Caller
}

func (s *seen) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := function.CallerFrom(r.Context())
		if !ok {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		s.mu.Lock()
		s.callers = append(s.callers, c)
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

func TestJourney(t *testing.T) {
	var who seen
	o := DefaultOptions()
	o.DB = filepath.Join(t.TempDir(), "users.db")
	h := startAPI(t, o, who.middleware)
	h.signUp("ann", "Personal")
	first := h.logIn("ann")
	if first.Subscription != "Personal" || time.Until(first.Expires) > time.Hour || time.Until(first.Expires) < 30*time.Minute {
		t.Errorf("logged in: %+v", first)
	}
	r := h.do("GET", "/pull?image=library/alpine:3.20", first.Token, "")
	if r.status != 200 || len(r.body) != 1024 || !strings.HasPrefix(r.header.Get("Docker-Content-Digest"), "sha256:") {
		t.Errorf("pull: %d, %d bytes, digest %q", r.status, len(r.body), r.header.Get("Docker-Content-Digest"))
	}
	var second pass
	h.do("POST", "/upgrade", first.Token, `{"subscription":"Team"}`).into(t, 200, &second)
	if second.Subscription != "Team" || second.Token == first.Token {
		t.Errorf("upgraded: %+v", second)
	}
	if r := h.do("POST", "/pull?image=alpine", second.Token, "any body"); r.status != 200 {
		t.Errorf("pull with the new token: %d %s", r.status, r.body)
	}
	if got := h.logIn("ann").Subscription; got != "Team" {
		t.Errorf("after the upgrade a login gives %s", got)
	}
	want := []function.Caller{{User: "ann", Subscription: "Personal"}, {User: "ann", Subscription: "Team"}}
	if d := cmp.Diff(want, who.callers); d != "" {
		t.Errorf("the functions saw other callers: %s", d)
	}
	if s := h.stats(); s.Served != 2 || s.Received != int64(len("any body")) {
		t.Errorf("served %d and received %d bytes, want 2 and a body", s.Served, s.Received)
	}
	h.do("POST", "/upgrade", second.Token, `{"subscription":"Team"}`).wrong(t, 409, "not higher")
	h.do("POST", "/upgrade", second.Token, `{"subscription":"Personal"}`).wrong(t, 409, "not higher")
	h.do("POST", "/upgrade", second.Token, `{"subscription":"Gold"}`).wrong(t, 400, "Personal, Team, Enterprise")
	h.do("POST", "/upgrade", "", `{"subscription":"Enterprise"}`).wrong(t, 401, "no bearer token")
}

func TestSubscriptionsAreListed(t *testing.T) {
	h := startAPI(t, DefaultOptions())
	var got []Subscription
	h.do("GET", "/subscriptions", "", "").into(t, 200, &got)
	want := []Subscription{{"Personal", 10}, {"Team", 100}, {"Enterprise", 1000}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSubscriptionDefaultsToPersonal(t *testing.T) {
	h := startAPI(t, DefaultOptions())
	var a account
	h.do("POST", "/signup", "", `{"username":"bob","password":"long enough"}`).into(t, 201, &a)
	if a.Subscription != "Personal" {
		t.Errorf("subscription %q", a.Subscription)
	}
}

func TestBadRequests(t *testing.T) {
	h := startAPI(t, DefaultOptions())
	h.signUp("ann", "Team")
	token := h.logIn("ann").Token
	for _, c := range []struct {
		name, method, path, token, body string
		status                          int
		words                           string
	}{
		{"no body", "POST", "/signup", "", "", 400, "not a JSON object"},
		{"not JSON", "POST", "/signup", "", "username=ann", 400, "not a JSON object"},
		{"array", "POST", "/signup", "", "[]", 400, "not a JSON object"},
		{"cut off", "POST", "/signup", "", `{"username":"x"`, 400, "malformed"},
		{"unknown field", "POST", "/signup", "", `{"user":"x"}`, 400, `"user" (known: password, subscription, username)`},
		{"field in other letters", "POST", "/signup", "", `{"Username":"x"}`, 400, "unknown field"},
		{"field twice", "POST", "/login", "", `{"username":"a","username":"b"}`, 400, "twice"},
		{"number", "POST", "/login", "", `{"username":1}`, 400, "not a string"},
		{"nested", "POST", "/login", "", `{"username":{"a":"b"}}`, 400, "not a string"},
		{"two objects", "POST", "/login", "", `{}{}`, 400, "more than one"},
		{"not UTF-8", "POST", "/login", "", "{\"username\":\"\xff\"}", 400, "UTF-8"},
		{"too large", "POST", "/login", "", `{"username":"` + strings.Repeat("a", maxBody) + `"}`, 413, "larger"},
		{"no username", "POST", "/signup", "", `{"password":"long enough"}`, 400, "username"},
		{"upper case", "POST", "/signup", "", `{"username":"Ann","password":"long enough"}`, 400, "username"},
		{"line break", "POST", "/signup", "", `{"username":"a\nb","password":"long enough"}`, 400, "username"},
		{"long username", "POST", "/signup", "", `{"username":"` + strings.Repeat("a", 65) + `","password":"long enough"}`, 400, "username"},
		{"short password", "POST", "/signup", "", `{"username":"bob","password":"short"}`, 400, "8 to 72"},
		{"long password", "POST", "/signup", "", `{"username":"bob","password":"` + strings.Repeat("p", 73) + `"}`, 400, "8 to 72"},
		{"both wrong", "POST", "/signup", "", `{"username":"","password":""}`, 400, "; a password"},
		{"unknown subscription", "POST", "/signup", "", `{"username":"bob","password":"long enough","subscription":"Gold"}`, 400, "Personal, Team, Enterprise"},
		{"taken", "POST", "/signup", "", `{"username":"ann","password":"long enough"}`, 409, "taken"},
		{"wrong password", "POST", "/login", "", `{"username":"ann","password":"not the one"}`, 401, "wrong username or password"},
		{"unknown user", "POST", "/login", "", `{"username":"nobody","password":"nobody's password"}`, 401, "wrong username or password"},
		{"no image", "GET", "/pull", token, "", 400, "image"},
		{"bad image", "GET", "/pull?image=a%20b", token, "", 400, "image"},
		{"bad escape", "GET", "/pull?image=%zz", token, "", 400, "escape"},
		{"no token", "GET", "/pull?image=a", "", "", 401, "no bearer token"},
		{"unknown path", "GET", "/nowhere", "", "", 404, "no such path"},
		{"path in another spelling", "GET", "/%70ull?image=a", token, "", 404, "no such path"},
		{"path not clean", "GET", "//pull?image=a", token, "", 404, "no such path"},
		{"method", "PUT", "/pull?image=a", token, "", 405, "GET, POST"},
		{"method of signup", "GET", "/signup", "", "", 405, "POST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := h.do(c.method, c.path, c.token, c.body)
			r.wrong(t, c.status, c.words)
			if c.status == 405 && r.header.Get("Allow") != c.words {
				t.Errorf("Allow: %q, want %q", r.header.Get("Allow"), c.words)
			}
			if c.status == 401 && c.method == "GET" && r.header.Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
		})
	}
	if s := h.stats(); s.Served != 0 {
		t.Errorf("served %d after bad requests only", s.Served)
	}
}

func TestConcurrentSignUps(t *testing.T) {
	h := startAPI(t, DefaultOptions())
	const clients = 12
	var made, taken atomic.Int32
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for _, name := range []string{"contested", fmt.Sprintf("own-%d", i)} {
				r, err := h.try("POST", "/signup", "", fmt.Sprintf(`{"username":%q,"password":"secret-of-%s"}`, name, name))
				switch {
				case err != nil:
					t.Error(err)
				case r.status == 201:
					made.Add(1)
				case r.status == 409 && name == "contested":
					taken.Add(1)
				default:
					t.Errorf("sign up %s: %d %s", name, r.status, r.body)
				}
			}
		})
	}
	wg.Wait()
	if made.Load() != clients+1 || taken.Load() != clients-1 {
		t.Errorf("%d made, %d taken; want %d and %d", made.Load(), taken.Load(), clients+1, clients-1)
	}
	h.logIn("contested")
	h.logIn("own-3")
}

func TestServedEqualsTheAnswers(t *testing.T) {
	var n atomic.Int64
	third := func(next http.Handler) http.Handler { // refuses every third request
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%3 == 0 {
				writeError(w, http.StatusTooManyRequests, "enough")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	h := startAPI(t, DefaultOptions(), third)
	h.signUp("ann", "Team")
	token := h.logIn("ann").Token
	const clients, each = 8, 30
	var ok, refused atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				r, err := h.try("GET", "/pull?image=a", token, "")
				switch {
				case err != nil:
					t.Error(err)
				case r.status == 200:
					ok.Add(1)
				case r.status == 429:
					refused.Add(1)
				default:
					t.Errorf("pull: %d %s", r.status, r.body)
				}
			}
		})
	}
	wg.Wait()
	if ok.Load()+refused.Load() != clients*each || refused.Load() != clients*each/3 {
		t.Errorf("%d pulled, %d refused of %d", ok.Load(), refused.Load(), clients*each)
	}
	if s := h.stats(); s.Served != ok.Load() {
		t.Errorf("served %d, but %d answers were 200", s.Served, ok.Load())
	}
}

// The count loses nothing when pulls are answered at the same time.
func TestServedUnderContention(t *testing.T) {
	const clients, each = 4, 400_000 // some tenths of a second: long enough for two cores to meet
	p := newPuller(1)
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			r := httptest.NewRequest("GET", "/pull?image=a", nil)
			w := &discard{header: http.Header{}}
			for range each {
				p.ServeHTTP(w, r)
			}
		})
	}
	wg.Wait()
	if got := p.stats().Served; got != clients*each {
		t.Errorf("served %d, want %d", got, clients*each)
	}
}

func TestRestartKeepsUsersAndTokens(t *testing.T) {
	dir := t.TempDir()
	o := DefaultOptions()
	o.DB, o.KeyFile = filepath.Join(dir, "a b?.db"), filepath.Join(dir, "key.pem")
	h := startAPI(t, o)
	h.signUp("ann", "Enterprise")
	token := h.logIn("ann").Token
	keys := h.do("GET", "/.well-known/jwks.json", "", "").body
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	h = startAPI(t, o)
	if got := h.logIn("ann").Subscription; got != "Enterprise" {
		t.Errorf("after a restart ann has %s", got)
	}
	if r := h.do("GET", "/pull?image=a", token, ""); r.status != 200 {
		t.Errorf("a token from before the restart: %d %s", r.status, r.body)
	}
	if again := h.do("GET", "/.well-known/jwks.json", "", "").body; again != keys {
		t.Errorf("the key set changed from %s to %s", keys, again)
	}
}

func TestUpgradeWithoutAccount(t *testing.T) {
	o := DefaultOptions()
	o.KeyFile = filepath.Join(t.TempDir(), "key.pem")
	h := startAPI(t, o)
	key, err := loadKey(o.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	token, err := key.mint(function.Caller{User: "ghost", Subscription: "Personal"}, time.Now(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	h.do("POST", "/upgrade", token, `{"subscription":"Team"}`).wrong(t, 404, "no account")
}

// Two equal answers would also come from a body that is cut to a size.
func TestResponseSize(t *testing.T) {
	for _, size := range []workload.Size{0, 1, 100 << 10} {
		p := newPuller(size)
		if len(p.body) != int(size) || p.length[0] != fmt.Sprint(int(size)) {
			t.Errorf("size %d: a body of %d, length %s", size, len(p.body), p.length[0])
		}
		if size > 1 && bytes.Count(p.body, p.body[:1]) == len(p.body) {
			t.Error("the body is one byte over and over")
		}
	}
}
