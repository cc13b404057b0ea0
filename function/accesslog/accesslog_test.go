package accesslog

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/taremesh/tare/study"
)

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{`{}`: "path", `{"path": "log"}`: "absolute", `{"path": "/a", "format": "x"}`: "format"} {
		p, err := study.JSONParams("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// What is written is what the judge reads.
func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    line
	}{
		"nothing": {func(http.ResponseWriter, *http.Request) {}, line{status: 200}},
		"early hints": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
			w.WriteHeader(http.StatusOK)
		}, line{status: 418}},
		"reads and writes": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(w, r.Body)
			_, _ = io.WriteString(w, "!")
		}, line{status: 200, received: 4, sent: 5}},
		"panics": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			panic(http.ErrAbortHandler)
		}, line{status: 502}},
		"changes the request": {func(_ http.ResponseWriter, r *http.Request) { r.Header.Set("User-Agent", "x") }, line{status: 200}},
	} {
		var out bytes.Buffer
		h := Middleware(slog.New(NewHandler(&out)))(c.handler)
		r := httptest.NewRequest(http.MethodPost, "/a?b", strings.NewReader("text"))
		r.Header.Set("User-Agent", `a "b"`)
		func() {
			defer func() { _ = recover() }()
			h.ServeHTTP(httptest.NewRecorder(), r)
		}()
		c.want.method, c.want.target, c.want.protocol, c.want.agent, c.want.authority = "POST", "/a?b", "HTTP/1.1", `a "b"`, "example.com"
		got, _, err := parse(out.String())
		if err != nil || got != c.want {
			t.Errorf("%s: %q is %+v, %v; want %+v", name, out.String(), got, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("[2026-01-02T03:04:05.678Z] \"GET / HTTP/1.1\" 200 0 5 1 \"a\" \"b\" \"-\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		if l, _, err := parse(text); err == nil && (l.method == "" || strings.Contains(l.target, " ")) {
			t.Errorf("%q is read as %+v", text, l)
		}
	})
}
