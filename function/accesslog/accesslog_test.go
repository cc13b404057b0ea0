package accesslog

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/collect"
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

// The judge objects to each of the mistakes, and to nothing before them, though
// the time, the address behind and the milliseconds hold a status too.
func TestMutantsChangeWhatIsJudged(t *testing.T) {
	trial := trials()[0]
	seen := func() function.Evidence {
		e := function.Evidence{Collected: &collect.Gathered{}}
		for _, r := range trial.Requests {
			sent := function.Message{Method: cmp.Or(r.Method, http.MethodGet), Target: r.Target, Host: cmp.Or(r.Host, "127.0.0.1:20404"), Header: r.Header, Body: []byte(r.Body)}
			a := function.Answer{Body: "a body of 2"}
			if there := trial.Replicas[0].Paths[r.Target]; there != nil {
				a = there[0]
			}
			got := function.Message{Status: cmp.Or(a.Status, http.StatusOK), Body: []byte(a.Body)}
			if sent.Method == http.MethodHead {
				got.Body = nil
			}
			e.Observations = append(e.Observations, function.Observation{Request: &sent, Response: &got, Latest: time.Second})
			e.Collected.Lines = append(e.Collected.Lines, fmt.Sprintf("[2026-01-02T03:04:05.404Z] \"%s %s HTTP/1.1\" %d %d %d 404 \"%s\" %q \"127.0.0.1:40404\"\n",
				sent.Method, sent.Target, got.Status, len(sent.Body), len(got.Body), agentOf(r.Header), sent.Host))
		}
		return e
	}
	if err := judge(Spec{}, seen()); err != nil {
		t.Fatal(err)
	}
	for _, m := range trial.Mutants {
		e := seen()
		m.Spoil(&e)
		if err := judge(Spec{}, e); err == nil {
			t.Errorf("%s: the judge finds nothing", m.Name)
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
