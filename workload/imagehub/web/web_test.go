package web

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSignUpLogInLogOut(t *testing.T) {
	api := startFake(t)
	p := newPerson(t, startWeb(t, api.URL))
	p.get("/").says(t, 200, "Sign up", "Log in", "Personal", "1000 pulls per minute")
	p.get("/signup").says(t, 200, "Username", "Password", "Team, 100 pulls per minute")
	api.took()
	page := p.post("/signup", "username", "ada", "password", "correct horse", "subscription", "Team")
	page.says(t, 200, "ada", "Personal", "Log out", "Pull once to see")
	if page.path != "/" {
		t.Errorf("signed up, and at %s", page.path)
	}
	want := []string{
		`POST /signup  {"password":"correct horse","subscription":"Team","username":"ada"}`,
		`POST /login  {"password":"correct horse","username":"ada"}`,
		`GET /subscriptions  `,
	}
	if d := cmp.Diff(want, api.took()); d != "" {
		t.Errorf("what the API was asked: %s", d)
	}
	p.post("/logout").says(t, 200, "Log in")
	p.get("/").says(t, 200, "Images for everyone")
}

func TestWrongForms(t *testing.T) {
	api := startFake(t)
	p := newPerson(t, startWeb(t, api.URL))
	for _, c := range []struct {
		form, path string
		status     int
		words      string
	}{
		{"/login", "/login", 401, "wrong username or password"},
		{"/signup", "/signup", 409, "the username is taken"},
		{"/signup", "/signup", 400, "a password has 8 to 72 bytes"},
	} {
		p.get(c.form)
		api.on(c.path, scripted{status: c.status, body: `{"error":"` + c.words + `"}`})
		page := p.post(c.path, "username", "ada", "password", "x", "subscription", "Team")
		page.says(t, c.status, "That did not work", c.words)
		if !strings.Contains(page.body, `value="ada"`) || strings.Contains(page.body, `value="x"`) {
			t.Errorf("%s: the form was not filled in again, or with the password: %s", c.form, page.body)
		}
		if c.form == "/signup" && !strings.Contains(page.body, `<option value="Team" selected>`) {
			t.Errorf("the subscription was not kept: %s", page.body)
		}
	}
	p.get("/").says(t, 200, "Images for everyone")
}

func TestPullShowsTheLimit(t *testing.T) {
	api := startFake(t)
	p := loggedIn(t, startWeb(t, api.URL))
	api.took()
	page := p.post("/pull", "image", "library/alpine:3.20")
	page.says(t, 200, "Pulled library/alpine:3.20 : 5 bytes, digest verified", "7 of 10 pulls left", "one more every 6 s")
	if !strings.Contains(page.body, `<option selected>library/alpine:3.20</option>`) || page.path != "/" {
		t.Errorf("at %s: %s", page.path, page.body)
	}
	if took := api.took(); took[0] != "GET /pull?image=library%2Falpine%3A3.20 Bearer "+personalToken+" " {
		t.Errorf("the API was asked %q", took)
	}
	p.get("/").says(t, 200, "7 of 10 pulls left")
	if took := api.took(); len(took) != 1 || !strings.HasPrefix(took[0], "GET /subscriptions") {
		t.Errorf("a reload asked the API %q", took)
	}
	api.on("/pull", scripted{status: 200, body: "another image"})
	p.post("/pull", "image", "library/alpine:3.20").says(t, 200, "not the one that the API gave", "named no limit")
	p.post("/pull", "image", "../../etc/passwd").says(t, 400, "There is no such image")
}

func TestLimitBites(t *testing.T) {
	api := startFake(t)
	p := loggedIn(t, startWeb(t, api.URL))
	limits := map[string]string{"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}
	with := func(name, value string) map[string]string {
		h := map[string]string{name: value}
		for n, v := range limits {
			h[n] = v
		}
		return h
	}
	for name, c := range map[string]struct {
		header map[string]string
		words  []string
		wait   bool
	}{
		"retry-after": {with("retry-after", "6"), []string{"Limit reached", "Personal allows 10 pulls per minute", "again in 6 s", "or upgrade below", "0 of 10 pulls left"}, true},
		"reset only":  {limits, []string{"again in 9 s"}, true},
		"neither":     {nil, []string{"does not say when", "named no limit"}, false},
		"not numbers": {map[string]string{"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "x-ratelimit-limit": "-1", "x-ratelimit-reset": "1e3"}, []string{"does not say when"}, false},
		"at once":     {with("retry-after", "0"), []string{"The limit has lifted"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			api.on("/pull", scripted{status: 429, header: c.header, body: "local_rate_limited"})
			page := p.post("/pull", "image", images[0])
			page.says(t, 200, c.words...)
			if got := regexp.MustCompile(`data-wait="\d+"`).MatchString(page.body); got != c.wait {
				t.Errorf("a countdown: %v", got)
			}
		})
	}
}

func TestUpgrade(t *testing.T) {
	api := startFake(t)
	p := loggedIn(t, startWeb(t, api.URL))
	p.post("/pull", "image", images[0]).says(t, 200, "7 of 10")
	api.took()
	p.post("/upgrade", "subscription", "Team").says(t, 200, "100 pulls per minute yours", "Upgrade to Enterprise", "Pull once to see")
	if took := api.took(); took[0] != `POST /upgrade Bearer `+personalToken+` {"subscription":"Team"}` {
		t.Errorf("the API was asked %q", took)
	}
	p.post("/pull", "image", images[0])
	if took := api.took(); !strings.Contains(took[0], "Bearer "+teamToken) {
		t.Errorf("a pull after the upgrade goes with the old token: %q", took)
	}
	api.on("/upgrade", scripted{status: 409, body: `{"error":"the subscription is not higher than the present one"}`})
	p.post("/upgrade", "subscription", "Personal").says(t, 409, "That did not work: the subscription is not higher")
}

// Whoever is not logged in is sent to where that can be done.
func TestNotLoggedIn(t *testing.T) {
	api := startFake(t)
	p := newPerson(t, startWeb(t, api.URL))
	p.get("/login")
	api.took()
	for _, path := range []string{"/pull", "/upgrade"} {
		if page := p.post(path, "image", images[0]); page.path != "/login" {
			t.Errorf("%s leads to %s", path, page.path)
		}
	}
	if took := api.took(); len(took) != 0 {
		t.Errorf("the API was asked %q", took)
	}
	for _, path := range []string{"/pull", "/upgrade", "/logout"} {
		if page := p.get(path); page.path != "/" || page.status != 200 {
			t.Errorf("GET %s leads to %s, %d", path, page.path, page.status)
		}
	}
	p.get("/nowhere").says(t, 404, "no such page")
}

// What goes wrong at the API, and what a person then reads.
func TestTroubles(t *testing.T) {
	for name, c := range map[string]struct {
		at, path string
		reply    scripted
		status   int
		words    []string
	}{
		"expired":        {"/pull", "/pull", scripted{status: 401, body: "Jwt is expired"}, 401, []string{"Your session has ended", "Jwt is expired", "Log in again"}},
		"denied":         {"/pull", "/pull", scripted{status: 403, body: "RBAC: access denied"}, 403, []string{"closed", "RBAC: access denied", "intention"}},
		"mesh, no API":   {"/pull", "/pull", scripted{status: 503, body: "upstream connect error"}, 503, []string{"The API is away", "upstream connect error", "process runs"}},
		"other API":      {"/pull", "/pull", scripted{status: 404, body: `{"error":"no"}`}, 502, []string{"does not know that"}},
		"no account":     {"/upgrade", "/upgrade", scripted{status: 404, body: `{"error":"there is no account of this user"}`}, 502, []string{"there is no account", "sign up again"}},
		"API failed":     {"/upgrade", "/upgrade", scripted{status: 500, body: `{"error":"internal error"}`}, 502, []string{"The API failed", "internal error"}},
		"not JSON":       {"/upgrade", "/upgrade", scripted{status: 200, body: `<p>hello`}, 502, []string{"cannot be understood"}},
		"no token in it": {"/login", "/login", scripted{status: 200, body: `{}`}, 502, []string{"cannot be understood"}},
		"bad token":      {"/login", "/login", scripted{status: 200, body: passOf("a\\nb", "Team", time.Hour)}, 502, []string{"cannot be understood"}},
		"HTML":           {"/pull", "/pull", scripted{status: 500, header: map[string]string{"Content-Type": "text/html"}, body: "<h1>oops"}, 502, []string{"Internal Server Error"}},
		"limit at login": {"/login", "/login", scripted{status: 429, body: "local_rate_limited"}, 429, []string{"The limit bites here too"}},
		"moved":          {"/pull", "/pull", scripted{status: 302, header: map[string]string{"Location": "http://192.0.2.1/"}}, 502, []string{"It answered Found"}},
		"lists nothing":  {"/subscriptions", "/pull", scripted{status: 503}, 503, []string{"The API is away"}},
	} {
		t.Run(name, func(t *testing.T) {
			api := startFake(t)
			p := loggedIn(t, startWeb(t, api.URL))
			api.on(c.at, c.reply)
			p.post(c.path, "image", images[0], "subscription", "Team", "username", "ada", "password", "correct horse").says(t, c.status, append(c.words, "What to do:")...)
			if c.status != 401 {
				return
			}
			p.get("/").says(t, 200, "Images for everyone") // the session is gone
		})
	}
}

func TestAPIDown(t *testing.T) {
	api := startFake(t)
	p := loggedIn(t, startWeb(t, api.URL))
	api.Close()
	p.post("/pull", "image", images[0]).says(t, 502, "The API cannot be reached", api.URL, "What to do: Start it")
	p.get("/").says(t, 502, "The API cannot be reached")
	p.get("/signup").says(t, 502, "The API cannot be reached")
	p.get("/login").says(t, 200, "Username")
}

func TestAPITooSlow(t *testing.T) {
	hang := make(chan struct{})
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer api.Close()
	defer close(hang)
	h, err := New(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	h.api.http.Timeout = 20 * time.Millisecond
	s := httptest.NewServer(h)
	defer s.Close()
	newPerson(t, s).get("/").says(t, 504, "The API is too slow")
}
