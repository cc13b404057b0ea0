package web

import (
	"bytes"
	"encoding/json"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A form that did not come from a page of this server, for this browser and
// this session, does nothing.
func TestForgedForms(t *testing.T) {
	api := startFake(t)
	server := startWeb(t, api.URL)
	other := loggedIn(t, server)
	for name, forge := range map[string]func(p *person, r url.Values) http.Header{
		"no token":      func(_ *person, f url.Values) http.Header { f.Del("form"); return nil },
		"empty token":   func(_ *person, f url.Values) http.Header { f.Set("form", ""); return nil },
		"another's":     func(_ *person, f url.Values) http.Header { f.Set("form", other.form); return nil },
		"cross-site":    func(*person, url.Values) http.Header { return http.Header{"Sec-Fetch-Site": {"cross-site"}} },
		"other port":    func(*person, url.Values) http.Header { return http.Header{"Sec-Fetch-Site": {"same-site"}} },
		"other origin":  func(*person, url.Values) http.Header { return http.Header{"Origin": {"http://127.0.0.1:1"}} },
		"no cookies":    func(p *person, _ url.Values) http.Header { p.client.Jar = nil; return nil },
		"before log-in": func(p *person, f url.Values) http.Header { f.Set("form", p.before); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/pull", "/upgrade", "/logout", "/login", "/signup"} {
				p := loggedIn(t, server)
				fields := url.Values{"form": {p.form}, "image": {images[0]}, "subscription": {"Team"}, "username": {"eve"}, "password": {"correct horse"}}
				header := forge(p, fields)
				r := p.request(path, fields)
				for n, v := range header {
					r.Header[n] = v
				}
				api.took()
				p.send(r).says(t, 403, "This form was not taken")
				if took := api.took(); len(took) != 0 {
					t.Errorf("%s reached the API: %q", path, took)
				}
			}
		})
	}
	own := loggedIn(t, server)
	r := own.request("/pull", url.Values{"form": {own.form}, "image": {images[0]}})
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", server.URL)
	own.send(r).says(t, 200, "Pulled")
	own.post("/signup", "username", strings.Repeat("a", maxForm)).says(t, 413, "too much")
}

func TestCookies(t *testing.T) {
	api := startFake(t)
	p := loggedIn(t, startWeb(t, api.URL))
	p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	port := p.server.URL[strings.LastIndex(p.server.URL, ":")+1:]
	seen := map[string]bool{}
	for path, fields := range map[string][]string{"/pull": {"image", images[0]}, "/upgrade": {"subscription", "Team"}, "/logout": nil} {
		for _, text := range p.post(path, fields...).header["Set-Cookie"] {
			c, err := http.ParseSetCookie(text)
			if err != nil {
				t.Fatal(err)
			}
			seen[c.Name] = true
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || !strings.HasSuffix(c.Name, "_"+port) {
				t.Errorf("%s sets %s", path, text)
			}
			if path == "/logout" && c.MaxAge >= 0 {
				t.Errorf("%s keeps %s", path, c.Name)
			}
			if path == "/upgrade" && c.Name == sessionCookie+"_"+port && (c.MaxAge < 3000 || c.MaxAge > 3600) {
				t.Errorf("the session is kept for %d s, its token is good for an hour", c.MaxAge)
			}
		}
	}
	if len(seen) != 2 {
		t.Errorf("cookies %v", seen)
	}
}

// A cookie that was tampered with, or whose time is over, is none.
func TestBadSessions(t *testing.T) {
	api := startFake(t)
	server := startWeb(t, api.URL)
	port := server.URL[strings.LastIndex(server.URL, ":")+1:]
	good := session{Token: personalToken, User: "ada", Subscription: "Team", Expires: time.Now().Add(time.Hour)}
	if !good.good() {
		t.Fatal("the good one is bad")
	}
	for name, change := range map[string]func(*session){
		"expired":       func(s *session) { s.Expires = time.Now().Add(-time.Second) },
		"no token":      func(s *session) { s.Token = "" },
		"line in token": func(s *session) { s.Token = "a\r\nX: y" },
		"space":         func(s *session) { s.Token = "a b" },
		"no user":       func(s *session) { s.User = "" },
	} {
		bad := good
		change(&bad)
		text, err := json.Marshal(bad)
		if err != nil {
			t.Fatal(err)
		}
		p := newPerson(t, server)
		r, err := http.NewRequest(http.MethodGet, server.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: sessionCookie + "_" + port, Value: encodeCookie(text)})
		if page := p.send(r); !strings.Contains(page.text, "Images for everyone") {
			t.Errorf("%s: logged in: %s", name, page.text)
		}
	}
}

// What people, the API and cookies say is text, never markup.
func TestHostileText(t *testing.T) {
	const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	api := startFake(t)
	server := startWeb(t, api.URL)
	port := server.URL[strings.LastIndex(server.URL, ":")+1:]
	p := newPerson(t, server)
	p.get("/signup")
	quoted, err := json.Marshal(map[string]string{"error": hostile})
	if err != nil {
		t.Fatal(err)
	}
	api.on("/signup", scripted{status: 400, body: string(quoted)})
	api.on("/login", scripted{status: 500, body: hostile})
	pages := map[string]got{"sign-up": p.post("/signup", "username", hostile, "password", "x", "subscription", hostile)}
	pages["log-in"] = p.post("/login", "username", hostile, "password", "x")
	forged := map[string]any{
		sessionCookie: session{Token: "t", User: hostile, Subscription: hostile, Expires: time.Now().Add(time.Hour)},
		pullCookie:    pullResult{Image: hostile, Digest: hostile, Limit: 10},
	}
	r, err := http.NewRequest(http.MethodGet, server.URL+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range forged {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: name + "_" + port, Value: encodeCookie(text)})
	}
	pages["cookies"] = p.send(r)
	for name, page := range pages {
		if strings.Contains(page.body, "<script>alert") || strings.Contains(page.body, "<img src=x") {
			t.Errorf("%s: markup in %s", name, page.body)
		}
		if !strings.Contains(page.text, "alert(1)") && !strings.Contains(html.UnescapeString(page.body), "alert(1)") {
			t.Errorf("%s: the text is not shown: %s", name, page.text)
		}
	}
}

func TestHeadersOfEveryPage(t *testing.T) {
	api := startFake(t)
	p := loggedIn(t, startWeb(t, api.URL))
	pages := []got{p.get("/"), p.get("/login"), p.get("/signup"), p.get("/nowhere"), p.get("/static/style.css"), p.get("/static/limit.js"), p.get("/static/icon.svg"), p.post("/pull", "image", "none"), p.get("/health")}
	for _, page := range pages {
		for name, want := range headers {
			if got := page.header.Get(name); got != want && name != "Cache-Control" {
				t.Errorf("%s: %s is %q", page.path, name, got)
			}
		}
	}
	policy := headers["Content-Security-Policy"]
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %s", policy)
	}
	for _, page := range pages[:4] {
		if regexp.MustCompile(`(?i)<style|\sstyle=|<script(?:>| [^s])|\son[a-z]+=|javascript:|https?://`).MatchString(page.body) {
			t.Errorf("%s has what the policy forbids, or leads elsewhere: %s", page.path, page.body)
		}
		for _, want := range []string{`<html lang="en">`, `name="viewport"`, `<main id="main">`, "<h1>"} {
			if strings.Count(page.body, want) != 1 {
				t.Errorf("%s has not one %s", page.path, want)
			}
		}
	}
	for _, field := range regexp.MustCompile(`<(?:input|select) id="([^"]+)"`).FindAllStringSubmatch(p.get("/signup").body+p.get("/").body, -1) {
		if !strings.Contains(p.get("/signup").body+p.get("/").body, `<label for="`+field[1]+`">`) {
			t.Errorf("the field %s has no label", field[1])
		}
	}
}

// The token is in no page, no address and no log, whatever happens.
func TestTokenStaysHidden(t *testing.T) {
	var logged bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(before)
	api := startFake(t)
	p := loggedIn(t, startWeb(t, api.URL))
	p.post("/pull", "image", images[0])
	for _, status := range []int{401, 403, 404, 429, 500, 503} {
		api.on("/pull", scripted{status: status, body: "no"})
		api.on("/upgrade", scripted{status: status, body: "no"})
		p = loggedIn(t, p.server)
		p.post("/pull", "image", images[0])
		p.post("/upgrade", "subscription", "Team")
	}
	p = loggedIn(t, p.server)
	api.Close()
	p.post("/pull", "image", images[0])
	if logged.Len() == 0 {
		t.Error("nothing was logged")
	}
	all := logged.String() + strings.Join(p.bodies, "\n")
	for _, secret := range []string{personalToken, "personal-token", "correct horse"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in what was logged or shown", secret)
		}
	}
}

func TestBaseURL(t *testing.T) {
	for _, good := range []string{"http://127.0.0.1:80", "http://127.9.9.9:1/", "http://[::1]:2", "http://localhost:3", "https://hub.test", "https://hub.test:8443/"} {
		u, err := parseBase(good)
		if err != nil || u.Path != "" {
			t.Errorf("%s: %v, %v", good, u, err)
		}
	}
	for bad, words := range map[string]string{
		"":                        "want http",
		"127.0.0.1:80":            "API's URL",
		"ftp://127.0.0.1":         "want http",
		"http://":                 "want http",
		"http://hub.test":         "plain HTTP",
		"http://192.0.2.1:80":     "plain HTTP",
		"http://127.0.0.1.x.test": "plain HTTP",
		"http://a:b@127.0.0.1":    "scheme, host and port only",
		"http://127.0.0.1/api":    "scheme, host and port only",
		"http://127.0.0.1/?x=y":   "scheme, host and port only",
		"http://127.0.0.1/#x":     "scheme, host and port only",
	} {
		if _, err := New(bad); err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "a:b") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Whatever a cookie holds, a session of it can be put into a header.
func FuzzSessionCookie(f *testing.F) {
	f.Add(`{"token":"a.b.c","user":"ada","subscription":"Team","expires":"2999-01-01T00:00:00Z"}`)
	f.Add(`{"token":"a\r\nb"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: encodeCookie([]byte(text))})
		s := sessionOf(r)
		if s == nil {
			return
		}
		if strings.ContainsAny(s.Token, " \t\r\n\x00") || s.Token == "" || !s.Expires.After(time.Now()) {
			t.Errorf("%q gives the session %+v", text, s)
		}
	})
}

// Whatever an answer's headers hold, the wait is from 0 to 999999 seconds.
func FuzzLimitHeaders(f *testing.F) {
	f.Add("6", "10", "0", "6")
	f.Add("-1", "1e9", "99999999999999999999", "0x10")
	f.Add("-1", "-1", "-1", "-1")
	f.Add("10000000", "10000000", "10000000", "10000000")
	f.Fuzz(func(t *testing.T, retry, limit, left, reset string) {
		now := time.Now()
		p := resultOf("i", answer{status: 429, header: http.Header{
			"Retry-After": {retry}, "X-Ratelimit-Limit": {limit}, "X-Ratelimit-Remaining": {left}, "X-Ratelimit-Reset": {reset},
		}}, now)
		v := p.view(now)
		if p.Limit < 0 || p.Left < 0 || v.Wait < 0 || v.Wait > 1_000_000*time.Second || !p.Refused {
			t.Errorf("%+v", v)
		}
	})
}
