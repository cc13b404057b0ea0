package dataplanetest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/taremesh/tare/dataplane"
)

// logTimes are what differs from run to run in a line of the access log: when
// the request began, and how long it took.
var logTimes = regexp.MustCompile(`^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] (".*) \d+ ("tare-test" .*)$`)

// logs: a proxy writes one line for every request, the same on every plane but
// for its times, into the file that it was given, and into no other.
func (s suite) logs(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/chunked" {
			_, _ = io.WriteString(w, "in ")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "pieces")
			return
		}
		if r.URL.Path == "/large" {
			w.Header().Set("Content-Length", "200000")
			_, _ = w.Write(make([]byte, 200_000))
			return
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "twelve bytes")
	})
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil { // as the local testbed does
		t.Fatal(err)
	}
	i, addr := s.start(t, file)
	p := ToAll(addr, u.addr)
	p.Hosts[0].Domains = []string{"known.test"}
	p.AccessLog = &dataplane.AccessLog{Path: "/dev/fd/3", Format: dataplane.LogFormat}
	s.mustConfigure(t, i, p)
	var want []string
	ask := func(method, host, path, body string, length int64, line string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body == "" {
			r.Body = nil
		}
		r.Host, r.ContentLength = host, length
		r.Header.Set("User-Agent", "tare-test")
		res, err := client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		want = append(want, fmt.Sprintf(`"%s %s HTTP/1.1" %s "tare-test" "%s"`, method, path, line, host))
	}
	up := ` "` + u.addr + `"`
	ask("GET", "known.test", "/a?b=c", "", 0, "418 0 12")
	ask("HEAD", "known.test", "/head", "", 0, "418 0 0")
	ask("GET", "known.test", "/chunked", "", 0, "200 0 9")
	ask("GET", "known.test", "/large", "", 0, "200 0 200000")
	ask("POST", "known.test", "/body", "five!", 5, "418 5 12")
	ask("POST", "known.test", "/long", strings.Repeat("x", 100_000), 100_000, "418 100000 12")
	ask("POST", "known.test", "/unknown-length", strings.Repeat("y", 5_000), -1, "418 5000 12")
	for k := range want {
		want[k] += up
	}
	ask("GET", "unknown.test", "/", "", 0, "404 0 0")
	p.Clusters[0].Endpoints = nil
	s.mustConfigure(t, i, p)
	ask("GET", "known.test", "/nobody", "", 0, "503 0 19") // no healthy upstream
	for k := len(want) - 2; k < len(want); k++ {
		want[k] += ` "-"`
	}
	if err := i.Stop(); err != nil { // it writes what it has
		t.Fatal(err)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		m := logTimes.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Errorf("not a line of the format: %q", line)
			continue
		}
		got = append(got, m[1]+" "+m[2])
	}
	slices.Sort(got) // a line may be written after its answer was read
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the log is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// logsRefused: a log that cannot be written is refused, and what was there goes on.
func (s suite) logsRefused(t *testing.T) {
	u := serve(t, named("u"))
	i, addr := s.start(t)
	s.mustConfigure(t, i, ToAll(addr, u.addr))
	for name, l := range map[string]dataplane.AccessLog{
		"no such directory":   {Path: filepath.Join(t.TempDir(), "no", "log"), Format: dataplane.LogFormat},
		"no such operator":    {Path: filepath.Join(t.TempDir(), "log"), Format: "%CHEESE%\n"},
		"an endless operator": {Path: filepath.Join(t.TempDir(), "log"), Format: "%DURATION\n"},
	} {
		p := ToAll(addr, u.addr)
		p.AccessLog = &l
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := i.Configure(ctx, p); err == nil || !strings.Contains(err.Error(), "refused the Listener") {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
		cancel()
		wantGet(t, client(t), "http://"+addr+"/", 200, "u")
	}
}
