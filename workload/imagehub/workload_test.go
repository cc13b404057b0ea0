package imagehub

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

// A service process of a study, as the testbed starts it.
func TestServiceProcess(t *testing.T) {
	p, service := prepared(t, 3)
	_, addr := startProcess(t, realService, service)
	h := &hub{t: t, url: "http://" + addr}
	for _, token := range p.Tokens {
		if r := h.do(p.Method, p.Path, token, ""); r.status != 200 || len(r.body) != int(defaultResponse) {
			t.Errorf("pull: %d, %d bytes", r.status, len(r.body))
		}
	}
	if s := h.stats(); s.Served != int64(len(p.Tokens)) {
		t.Errorf("served %d, want %d", s.Served, len(p.Tokens))
	}
	other, _ := prepared(t, 1)
	h.do(p.Method, p.Path, other.Tokens[0], "").wrong(t, 401, "unknown key")
	h.do("POST", "/signup", "", `{}`).wrong(t, 404, "no such path")
	if got := h.do("GET", "/.well-known/jwks.json", "", "").body; !sameJSON(t, got, p.Check.JWKS) {
		t.Errorf("key set %s, want %s", got, p.Check.JWKS)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	return cmp.Equal(x, y)
}

func TestServiceParameters(t *testing.T) {
	w := Workload()
	p, _ := prepared(t, 1)
	for text, want := range map[string]workload.Size{`{}`: 1024, `{"response":"64B"}`: 64, `{"response":"0B"}`: 0} {
		given, err := study.JSONParams("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		service, err := w.Service(p, given)
		if err != nil {
			t.Fatal(err)
		}
		var got config
		if err := json.Unmarshal(service, &got); err != nil {
			t.Fatal(err)
		}
		// No more than this is told to a service: above all no private key.
		if d := cmp.Diff(config{JWKS: p.Check.JWKS, Response: want}, got); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
	for _, bad := range []string{`{"respnse":"1KiB"}`, `{"response":"1kB"}`, `{"response":1024}`} {
		given, err := study.JSONParams("test", []byte(bad))
		if err != nil {
			t.Fatal(err)
		}
		if service, err := w.Service(p, given); err == nil {
			t.Errorf("%s is taken as %s", bad, service)
		}
	}
	if _, err := w.Service(nil, study.Params{}); err == nil {
		t.Error("a service without a key is configured")
	}
}

func TestServeRefusesBadConfiguration(t *testing.T) {
	_, good := prepared(t, 1)
	for name, bad := range map[string]string{
		"nothing":       "",
		"no key":        `{"response":"1KiB"}`,
		"unknown field": `{"private":1,` + string(good[1:]),
	} {
		ctx, cancel := context.WithCancel(t.Context())
		err := Serve(ctx, workload.Config{Listen: "127.0.0.1:0", Service: json.RawMessage(bad)}, nil, func(workload.Ready) {
			t.Errorf("%s: ready", name)
			cancel()
		})
		cancel()
		if err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
