package imagehub

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

// application starts the whole API as the testbed does, and returns what its
// users were prepared with.
func application(t *testing.T, o Options) (*hub, *workload.Prepared) {
	t.Helper()
	w, err := Application(o)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.Prepare([]workload.User{{Name: "probe", Subscription: "Personal"}})
	if err != nil {
		t.Fatal(err)
	}
	service, err := w.Service(p, study.Params{})
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, func(ctx context.Context, ready func(workload.Ready)) error {
		return Serve(ctx, workload.Config{Listen: "127.0.0.1:0", Service: service}, nil, ready)
	})
	return h, p
}

// The service of the application has accounts, and takes the probe's token too.
func TestApplication(t *testing.T) {
	o := DefaultOptions()
	o.DB, o.KeyFile = filepath.Join(t.TempDir(), "hub.db"), filepath.Join(t.TempDir(), "hub.pem")
	h, p := application(t, o)
	h.signUp("ada", "Personal")
	token := h.logIn("ada").Token
	for who, with := range map[string]string{"ada": token, "the probe": p.Tokens[0]} {
		if r := h.do(p.Method, p.Path, with, ""); r.status != http.StatusOK {
			t.Errorf("%s pulls: %d %s", who, r.status, r.body)
		}
	}
	for _, path := range p.Check.Open {
		if r := h.do(http.MethodGet, path, "", ""); r.status == http.StatusUnauthorized || r.status == http.StatusNotFound {
			t.Errorf("%s is open before the proxy, and answers %d here", path, r.status)
		}
	}
	for _, path := range []string{"/pull", "/upgrade"} {
		if strings.Contains(strings.Join(p.Check.Open, " "), path) {
			t.Errorf("%s needs no token at the proxy", path)
		}
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}
	again, _ := application(t, o) // the same accounts and the same key
	if r := again.do(http.MethodGet, p.Path, token, ""); r.status != http.StatusOK {
		t.Errorf("after a restart: %d %s", r.status, r.body)
	}
	again.logIn("ada")
}

func TestApplicationRefuses(t *testing.T) {
	bad := DefaultOptions()
	bad.TokenLifetime = time.Nanosecond
	if _, err := Application(bad); err == nil || !strings.Contains(err.Error(), "token lifetime") {
		t.Errorf("a lifetime of 1ns: %v", err)
	}
	bad = DefaultOptions()
	bad.KeyFile = readOnlyDirectory + "/key"
	w, err := Application(bad)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Prepare([]workload.User{{Name: "probe", Subscription: "Personal"}}); err == nil || !strings.Contains(err.Error(), bad.KeyFile) {
		t.Errorf("a key that cannot be made: %v", err)
	}
	p, _ := prepared(t, 1)
	for name, p := range map[string]*workload.Prepared{"nil": nil, "a study's": p} {
		if _, err := w.Service(p, study.Params{}); err == nil {
			t.Errorf("%s preparation is taken", name)
		}
	}
	for name, desk := range map[string]*deskConfig{
		"no key":  {},
		"bad key": {Key: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
	} {
		jwks, err := testKey(t).jwks()
		if err != nil {
			t.Fatal(err)
		}
		service, err := json.Marshal(config{JWKS: jwks, Desk: desk})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = Serve(ctx, workload.Config{Listen: "127.0.0.1:0", Service: service}, nil, func(workload.Ready) { cancel() })
		cancel()
		if err == nil || !strings.Contains(err.Error(), "signing key") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The web front end as the testbed starts it, before the API itself.
func TestWebService(t *testing.T) {
	api := startAPI(t, DefaultOptions())
	w := Web(WebOptions{API: api.url})
	p, err := w.Prepare(nil)
	if err != nil {
		t.Fatal(err)
	}
	service, err := w.Service(p, study.Params{})
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, func(ctx context.Context, ready func(workload.Ready)) error {
		return ServeWeb(ctx, workload.Config{Listen: "127.0.0.1:0", Service: service}, nil, ready)
	})
	if r := h.do(p.Method, p.Path, "", ""); r.status != http.StatusOK {
		t.Errorf("its probe: %d", r.status)
	}
	if r := h.do(http.MethodGet, "/", "", ""); r.status != http.StatusOK || !strings.Contains(r.body, "1000") {
		t.Errorf("its first page, with what the API offers: %d %s", r.status, r.body)
	}
	if s := h.stats(); s.Served != 2 {
		t.Errorf("it has counted %d requests", s.Served)
	}
}

func TestWebRefuses(t *testing.T) {
	good := DefaultWebOptions()
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o     WebOptions
		words string
	}{
		"all addresses": {WebOptions{Listen: ":0", API: good.API}, "loopback only"},
		"any address":   {WebOptions{Listen: "0.0.0.0:0", API: good.API}, "loopback only"},
		"another":       {WebOptions{Listen: "192.0.2.1:0", API: good.API}, "loopback only"},
		"a name":        {WebOptions{Listen: "hub.test:0", API: good.API}, "loopback only"},
		"no port":       {WebOptions{Listen: "127.0.0.1", API: good.API}, "want host:port"},
		"no API":        {WebOptions{Listen: "127.0.0.1:0"}, "want http://"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		err := RunWeb(ctx, c.o, func(workload.Ready) { cancel() })
		cancel()
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, want %q", name, err, c.words)
		}
	}
	for _, service := range []string{"", `{"ap":"http://127.0.0.1:1"}`, `{"api":"http://hub.test"}`} {
		ctx, cancel := context.WithCancel(t.Context())
		err := ServeWeb(ctx, workload.Config{Listen: "127.0.0.1:0", Service: json.RawMessage(service)}, nil, func(workload.Ready) { cancel() })
		if err == nil {
			t.Errorf("%s is taken", service)
		}
		cancel()
	}
}
