package web

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeAPI answers as the API and the proxies before it do.
type fakeAPI struct {
	*httptest.Server
	mu    sync.Mutex
	seen  []string                   // "METHOD path?query token body"
	reply map[string]func() scripted // by path; absent: success
}

type scripted struct {
	status int
	header map[string]string
	body   string
}

const (
	personalToken = "aaa.personal-token.sss"
	teamToken     = "aaa.team-token.sss"
)

func startFake(t *testing.T) *fakeAPI {
	t.Helper()
	f := &fakeAPI{reply: map[string]func() scripted{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func passOf(token, subscription string, left time.Duration) string {
	return fmt.Sprintf(`{"token":%q,"expires":%q,"subscription":%q}`, token, time.Now().Add(left).UTC().Format(time.RFC3339), subscription)
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, strings.Join([]string{r.Method, r.URL.String(), r.Header.Get("Authorization"), string(body)}, " "))
	s := f.success(r.URL.Path)
	if reply, ok := f.reply[r.URL.Path]; ok {
		s = reply()
	}
	for name, value := range s.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.body)
}

func (f *fakeAPI) success(path string) scripted {
	switch path {
	case "/subscriptions":
		return scripted{status: 200, body: `[{"name":"Personal","pulls_per_minute":10},{"name":"Team","pulls_per_minute":100},{"name":"Enterprise","pulls_per_minute":1000}]`}
	case "/signup":
		return scripted{status: 201, body: `{}`}
	case "/login":
		return scripted{status: 200, body: passOf(personalToken, "Personal", time.Hour)}
	case "/upgrade":
		return scripted{status: 200, body: passOf(teamToken, "Team", time.Hour)}
	case "/pull":
		return scripted{status: 200, body: "image", header: map[string]string{
			"x-ratelimit-limit": "10", "x-ratelimit-remaining": "7", "x-ratelimit-reset": "0",
			"docker-content-digest": "sha256:6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d",
		}}
	}
	return scripted{status: 404, body: `{"error":"there is no such path"}`}
}

// on scripts the answer of a path.
func (f *fakeAPI) on(path string, s scripted) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reply[path] = func() scripted { return s }
}

func (f *fakeAPI) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	took := f.seen
	f.seen = nil
	return took
}

// person is someone with a browser of their own.
type person struct {
	t      *testing.T
	server *httptest.Server
	client *http.Client
	form   string // the token of the last page
	before string // that of the page for logging in
	bodies []string
}

func startWeb(t *testing.T, api string) *httptest.Server {
	t.Helper()
	h, err := New(api)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func newPerson(t *testing.T, s *httptest.Server) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t: t, server: s, client: &http.Client{Jar: jar}}
}

// got is a page, after its redirects.
type got struct {
	status int
	path   string
	header http.Header
	body   string // as written
	text   string // without markup
}

var (
	tags      = regexp.MustCompile(`<[^>]*>`)
	spaces    = regexp.MustCompile(`\s+`)
	formField = regexp.MustCompile(`name="form" value="([0-9a-f]{64})"`)
)

func (p *person) send(r *http.Request) got {
	p.t.Helper()
	res, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if m := formField.FindSubmatch(body); m != nil {
		p.form = string(m[1])
	}
	p.bodies = append(p.bodies, string(body), res.Request.URL.String())
	text := html.UnescapeString(tags.ReplaceAllString(string(body), " "))
	return got{res.StatusCode, res.Request.URL.Path, res.Header, string(body), strings.TrimSpace(spaces.ReplaceAllString(text, " "))}
}

func (p *person) get(path string) got {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodGet, p.server.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.send(r)
}

func (p *person) request(path string, fields url.Values) *http.Request {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.server.URL+path, strings.NewReader(fields.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// post sends a form of the last page.
func (p *person) post(path string, pairs ...string) got {
	p.t.Helper()
	fields := url.Values{"form": {p.form}}
	for i := 0; i+1 < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	return p.send(p.request(path, fields))
}

func (g got) says(t *testing.T, status int, words ...string) {
	t.Helper()
	if g.status != status {
		t.Errorf("status %d, want %d: %s", g.status, status, g.text)
	}
	for _, w := range words {
		if !strings.Contains(g.text, w) {
			t.Errorf("no %q in %s", w, g.text)
		}
	}
}

func loggedIn(t *testing.T, s *httptest.Server) *person {
	t.Helper()
	p := newPerson(t, s)
	p.get("/login")
	p.before = p.form
	p.post("/login", "username", "ada", "password", "correct horse").says(t, 200, "Pull an image")
	return p
}
