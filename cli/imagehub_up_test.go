package cli_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// upRun is tare imagehub up as a process of its own.
type upRun struct {
	*exec.Cmd
	mark, text      string
	web, proxy, api string // URLs that it printed; proxy "" off the mesh
	errs            *bytes.Buffer
	done            chan struct{} // closed when it has ended
}

// ended waits until it has ended.
func (u *upRun) ended(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, func() string {
		select {
		case <-u.done:
			return ""
		default:
			return "it still runs"
		}
	})
}

var upNumber atomic.Int64

// printed finds an address of what up printed.
func printed(text, name string) string {
	m := regexp.MustCompile(`(?m)^  ` + name + ` +(http://127\.0\.0\.1:\d+)`).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}

// startUp starts it and returns when it has said that it is up. It is ended
// with the test.
func startUp(t *testing.T, args ...string) *upRun {
	t.Helper()
	mark := fmt.Sprintf("up-%d-%d", os.Getpid(), upNumber.Add(1))
	u := &upRun{mark: mark, errs: &bytes.Buffer{}, done: make(chan struct{})}
	u.Cmd = command(t, t.TempDir(), mark, append([]string{"imagehub", "up"}, args...)...)
	u.Stderr = u.errs
	out, err := u.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "Ctrl-C") {
		u.text += lines.Text() + "\n"
	}
	go func() {
		_ = u.Wait()
		close(u.done)
	}()
	t.Cleanup(func() {
		_ = u.Process.Kill()
		u.ended(t)
		eventually(t, 10*time.Second, gone(t, mark))
	})
	u.web, u.proxy, u.api = printed(u.text, "web"), printed(u.text, "proxy"), printed(u.text, "API")
	if u.web == "" || u.api == "" {
		u.ended(t)
		t.Fatalf("imagehub up printed\n%s%s", u.text, u.errs)
	}
	return u
}

func status(t *testing.T, url string) int {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode
}

// visitor fills in the web front end's forms.
type visitor struct {
	t      *testing.T
	web    string
	client *http.Client
	page   string // the last one
}

var formToken = regexp.MustCompile(`name="form" value="([0-9a-f]+)"`)

func (v *visitor) read(r *http.Response, err error) string {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if v.page = string(body); r.StatusCode != http.StatusOK {
		v.t.Fatalf("%s answers %d: %s", r.Request.URL, r.StatusCode, body)
	}
	return v.page
}

func (v *visitor) post(path string, pairs ...string) string {
	v.t.Helper()
	token := formToken.FindStringSubmatch(v.page)
	if token == nil {
		v.t.Fatalf("no form in %s", v.page)
	}
	fields := url.Values{"form": token[1:]}
	for i := 0; i+1 < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	return v.read(v.client.PostForm(v.web+path, fields))
}

func visit(t *testing.T, web string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, web: web, client: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
	v.read(v.client.Get(web + "/signup"))
	v.post("/signup", "username", "grace", "password", "correct horse", "subscription", "Personal")
	return v
}

// pulls pulls until the limit bites, or for as often as most, and returns how
// many went through. A subscription refills at its rate meanwhile.
func (v *visitor) pulls(most int) int {
	v.t.Helper()
	for n := range most {
		page := v.post("/pull", "image", "library/tare:1.0")
		if strings.Contains(page, "Limit reached") || strings.Contains(page, "The limit has lifted") {
			return n // lifted: on a busy machine, before the page was made
		}
		if !strings.Contains(page, "digest verified") {
			v.t.Fatalf("pull %d gave %s", n+1, page)
		}
	}
	return most
}

// Whatever stands before the API, the whole stands, and the subscription holds:
// 10 pulls a minute, and after an upgrade more.
func TestImageHubUp(t *testing.T) {
	for _, c := range []struct {
		args      string
		processes int
		limited   bool
		says      string
	}{
		{"", 4, true, "data plane embedded, rate limit in form native"},
		{"--dataplane envoy", 4, true, "data plane envoy, rate limit in form native"},
		{"--form library", 4, true, "data plane embedded, rate limit in form library"},
		{"--form wasm", 4, true, "data plane embedded, rate limit in form wasm"},
		{"--dataplane envoy --form wasm", 4, true, "data plane envoy, rate limit in form wasm"},
		{"--form none", 4, false, "data plane embedded, nothing enforces the subscriptions"},
		{"--off-mesh", 3, true, "off the mesh, rate limit in form library"},
		{"--off-mesh --form none", 3, false, "off the mesh, nothing enforces the subscriptions"},
	} {
		t.Run("up "+c.args, func(t *testing.T) {
			t.Parallel()
			u := startUp(t, strings.Fields(c.args)...)
			if !strings.Contains(u.text, c.says) || !strings.Contains(u.text, "user   ada, password ") {
				t.Errorf("it printed\n%s", u.text)
			}
			if left := marked(t, u.mark); len(left) != c.processes {
				t.Errorf("%d processes, want %d:\n%s", len(left), c.processes, strings.Join(left, "\n"))
			}
			if got := status(t, u.api+"/pull"); got != http.StatusUnauthorized {
				t.Errorf("the API answers %d without a token", got)
			}
			if u.proxy != "" && status(t, u.proxy+"/pull") != http.StatusUnauthorized {
				t.Error("the proxy lets a pull without a token through")
			}
			v := visit(t, u.web)
			began := time.Now()
			const most = 40
			got := v.pulls(most)
			allowed := 10 + int(time.Since(began)/(6*time.Second)) + 1
			if c.limited && (got < 10 || got > allowed) || !c.limited && got != most {
				t.Fatalf("%d pulls went through, limited: %v", got, c.limited)
			}
			v.post("/upgrade", "subscription", "Team")
			if got := v.pulls(20); got != 20 {
				t.Errorf("%d of 20 pulls went through after the upgrade", got)
			}
			if c.limited && !strings.Contains(v.page, "of 100 pulls left") {
				t.Errorf("the limit of Team is not shown: %s", v.page)
			}
		})
	}
}

// Nothing outlives it, however it ends. Every process is known by its id.
func TestImageHubUpLeavesNothing(t *testing.T) {
	for _, c := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, 0}, {syscall.SIGTERM, 0}, {syscall.SIGKILL, -1}} {
		t.Run(c.signal.String(), func(t *testing.T) {
			t.Parallel()
			u := startUp(t)
			before := marked(t, u.mark)
			if len(before) != 4 {
				t.Fatalf("it runs as\n%s", strings.Join(before, "\n"))
			}
			if err := u.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			u.ended(t)
			if got := u.ProcessState.ExitCode(); got != c.code {
				t.Errorf("exit %d, want %d\n%s", got, c.code, u.errs)
			}
			eventually(t, 10*time.Second, func() string {
				var left []string
				for _, p := range before {
					pid, _, _ := strings.Cut(p, " ")
					stat, err := os.ReadFile("/proc/" + pid + "/stat")
					if err == nil && !bytes.Contains(stat, []byte(") Z ")) {
						left = append(left, p)
					}
				}
				return strings.Join(left, "\n")
			})
		})
	}
}

// A part that ends takes the whole with it, which says which one it was.
func TestImageHubUpSaysWhichPartDied(t *testing.T) {
	for part, c := range map[string]struct{ plane, holds, says string }{
		"api":      {"embedded", "\x00serve\x00imagehub\x00", "the service of imagehub-api ended: signal: killed"},
		"web":      {"embedded", "\x00serve\x00imagehub-web\x00", "the service of imagehub-web ended: signal: killed"},
		"embedded": {"embedded", "\x00proxy\x00", "imagehub-api-1 ended: signal: killed"},
		"envoy":    {"envoy", "\x00--config-yaml\x00", "envoy imagehub-api-1 ended: signal: killed"},
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			u := startUp(t, "--dataplane", c.plane)
			pid := 0
			for _, p := range marked(t, u.mark) {
				id, _, _ := strings.Cut(p, " ")
				if cmd, err := os.ReadFile("/proc/" + id + "/cmdline"); err == nil && strings.Contains(string(cmd), c.holds) {
					pid, _ = strconv.Atoi(id)
				}
			}
			if pid == 0 {
				t.Fatalf("no process of %s among\n%s", part, strings.Join(marked(t, u.mark), "\n"))
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			u.ended(t)
			if code := u.ProcessState.ExitCode(); code != 3 || !strings.Contains(u.errs.String(), c.says) {
				t.Errorf("exit %d, want 3 and %q:\n%s", code, c.says, u.errs)
			}
			eventually(t, 10*time.Second, gone(t, u.mark))
		})
	}
}

// It may be ended before it is up, too.
func TestImageHubUpEndsAnyTime(t *testing.T) {
	for i := range 8 {
		signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGINT}[i%2]
		moment := time.Duration(rand.IntN(400)) * time.Millisecond
		t.Run(fmt.Sprintf("%v after %v", signal, moment), func(t *testing.T) {
			t.Parallel()
			mark, tmp := fmt.Sprintf("up-any-%d-%d", os.Getpid(), i), t.TempDir()
			c := command(t, t.TempDir(), mark, "imagehub", "up")
			c.Env = append(c.Env, "TMPDIR="+tmp)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			at := time.NewTimer(moment)
			<-at.C
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait()
			eventually(t, 10*time.Second, gone(t, mark))
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("temporary files are left: %v, %v", left, err)
			}
		})
	}
}

// With files for them, accounts and logins outlast it; the port of the pages can be fixed.
func TestImageHubUpKeepsAccounts(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--off-mesh", "--db", filepath.Join(dir, "hub.db"), "--key", filepath.Join(dir, "hub.pem")}
	first := startUp(t, args...)
	v := visit(t, first.web)
	if err := first.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	first.ended(t)
	second := startUp(t, append(args, "--web", strings.TrimPrefix(first.web, "http://"))...)
	if second.web != first.web || !strings.Contains(second.text, "ada, from an earlier run") {
		t.Errorf("it printed\n%s", second.text)
	}
	if page := v.read(v.client.Get(second.web)); !strings.Contains(page, "grace") {
		t.Errorf("grace is not logged in any more: %s", page)
	}
	if n := v.pulls(1); n != 1 {
		t.Errorf("she cannot pull: %s", v.page)
	}
}

func TestImageHubUpRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"up --web 0.0.0.0:0":                         "loopback only",
		"up --web 127.0.0.1":                         "host:port",
		"up --dataplane none":                        "known: embedded, envoy",
		"up --form best":                             "known: library, native",
		"up --off-mesh --form native":                "form native runs in a proxy",
		"up --off-mesh --dataplane envoy":            "--dataplane cannot go with --off-mesh",
		"up --token-lifetime 1ns":                    "token lifetime",
		"web --listen 192.0.2.1:80":                  "loopback only",
		"web --listen 127.0.0.1:0 --api ftp://x":     "want http://HOST:PORT",
		"web --listen 127.0.0.1:0 --api http://a:80": "plain HTTP",
	} {
		t.Run(args, func(t *testing.T) {
			r := tare(t, t.TempDir(), append([]string{"imagehub"}, strings.Fields(args)...)...)
			if r.code != 2 || !strings.Contains(r.err, want) {
				t.Errorf("exit %d, want 2 and %q: %s", r.code, want, r.err)
			}
		})
	}
}
