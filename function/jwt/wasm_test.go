package jwt_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/cli"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/proxywasm"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/jwt"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/study"
)

// TestMain makes the test binary tare when it is started as a proxy.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "proxy" || os.Args[1] == "serve") {
		os.Exit(cli.Main(cli.State{Args: os.Args[1:], Getenv: os.Getenv, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(m.Run())
}

// The committed module is the one that its digest was taken of.
func TestDigest(t *testing.T) {
	want, err := os.ReadFile("filter/jwt.wasm.sha256")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x  jwt.wasm\n", sha256.Sum256(jwt.Function().Wasm.Module)); got != string(want) {
		t.Errorf("jwt.wasm is %s, its digest file says %s (make wasm)", got, want)
	}
}

// patience is how long a call of the module may take where others have the
// processors: a signature is milliseconds of work.
const patience = 20 * time.Second

// hosted is the module in our own host, without a proxy around it.
type hosted struct {
	plugin *proxywasm.Plugin
	logged []string
}

// host loads the module; the error is that it does not take the configuration.
func host(t testing.TB, config []byte, limits proxywasm.Limits) (*hosted, error) {
	t.Helper()
	h := &hosted{}
	var err error
	h.plugin, err = proxywasm.Load(t.Context(), proxywasm.Config{
		Name: "jwt", Module: jwt.Function().Wasm.Module, Configuration: config,
		Limits: limits, Shared: proxywasm.NewShared(proxywasm.SharedLimits{}),
		Log: func(_ proxywasm.Level, text string) { h.logged = append(h.logged, text) },
	})
	if err != nil {
		return h, err
	}
	t.Cleanup(func() {
		if err := h.plugin.Close(); err != nil {
			t.Error(err)
		}
	})
	return h, nil
}

// handle puts a request through the module, as a filter's Handle.
func (h *hosted) handle(x *functiontest.Exchange) (proceed bool, err error) {
	s, err := h.plugin.Stream(shown{x})
	if err != nil {
		return false, err
	}
	defer s.End()
	s.RequestHeaders(true)
	if err := s.Err(); err != nil {
		return false, err
	}
	r := s.Reply()
	if r == nil {
		return true, nil
	}
	for _, f := range r.Headers {
		x.AddResponseHeader(f.Name, []byte(f.Value))
	}
	x.Reply(r.Status, string(r.Body))
	return false, nil
}

// shown is a request as the host shows it to the module.
type shown struct{ *functiontest.Exchange }

func (x shown) Property([]byte) ([]byte, bool) { return nil, false }
func (x shown) Fields(m proxywasm.Map) proxywasm.Fields {
	if m != proxywasm.RequestHeaders {
		return nil
	}
	return x
}
func (x shown) Len() int { return len(x.Request) }
func (x shown) At(i int) (name, value []byte) {
	return []byte(x.Request[i].Name), []byte(x.Request[i].Value)
}
func (x shown) Set(name, value []byte) { x.SetHeader(string(name), value) }
func (x shown) Add(name, value []byte) { x.AddHeader(string(name), value) }
func (x shown) Remove(name []byte)     { x.RemoveHeader(string(name)) }
func (x shown) Get(name []byte) ([]byte, bool) {
	switch string(name) {
	case ":path":
		return []byte(x.Target), true
	case ":scheme":
		return []byte("http"), true
	case ":authority":
		return x.Header("host")
	}
	var all [][]byte
	for _, f := range x.Request {
		if strings.EqualFold(f.Name, string(name)) {
			all = append(all, []byte(f.Value))
		}
	}
	return bytes.Join(all, []byte(",")), len(all) > 0
}

// onPlanes are the data planes that there are.
func onPlanes(t *testing.T, test func(*testing.T, dataplane.DataPlane)) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	for _, plane := range b.DataPlanes.All() {
		t.Run(plane.Name(), func(t *testing.T) { test(t, plane) })
	}
}

// place is the form in the plane's proxy, with two workers.
func place(t *testing.T, plane dataplane.DataPlane, form study.Form) functiontest.At {
	t.Helper()
	for _, at := range functiontest.Places(jwt.Function(), []dataplane.DataPlane{plane}) {
		if at.Plane != nil && at.Placement.Form == form {
			at.Workers = 2
			return at
		}
	}
	t.Fatalf("no %s on %s", form, plane.Name())
	return functiontest.At{}
}

func specOf(t *testing.T, params string) function.Spec {
	t.Helper()
	return functiontest.Traffic{Params: params}.Spec(t, jwt.Function())
}

// TestWasmAnswersAsNative holds every answer, and what reaches the service
// behind, against those of the native form: on Envoy, that is its own filter.
func TestWasmAnswersAsNative(t *testing.T) { onPlanes(t, answersAsNative) }

func answersAsNative(t *testing.T, plane dataplane.DataPlane) {
	native, wasm := place(t, plane, study.FormNative), place(t, plane, study.FormWasm)
	for _, trial := range jwt.Function().Trials {
		for i := range trial.Requests {
			trial.Requests[i].Host = "hub.test"
		}
		spec := specOf(t, trial.Params)
		want, got := essence(native.Try(t, jwt.Function(), spec, trial)), essence(wasm.Try(t, jwt.Function(), spec, trial))
		if plane.Name() == "envoy" { // of some bad tokens it says more, and less of others
			want, got = wordless(want), wordless(got)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Errorf("%s: native (-), module (+): %s", trial.Name, d)
		}
	}
}

// essence is the evidence without what differs from one time to the next.
func essence(e function.Evidence) (all []function.Message) {
	for _, o := range e.Observations {
		all = append(all, *o.Response)
	}
	for _, d := range e.Deliveries {
		all = append(all, d.Message)
	}
	for i := range all {
		all[i].From = netip.Addr{}
		for _, name := range []string{"Date", "X-Envoy-Upstream-Service-Time", "X-Request-Id"} {
			all[i].Header.Del(name)
		}
	}
	return all
}

// wordless are messages without what refusals say to people.
func wordless(all []function.Message) []function.Message {
	for i := range all {
		if all[i].Status >= http.StatusBadRequest {
			all[i].Body = nil
			all[i].Header.Del("Content-Length")
		}
	}
	return all
}

// TestWasmAtOnce sends good and forged tokens over many connections at the same
// time, through two workers.
func TestWasmAtOnce(t *testing.T) {
	onPlanes(t, func(t *testing.T, plane dataplane.DataPlane) {
		fn := jwt.Function()
		trials := fn.Trials
		all := function.Trial{Name: "at once", Params: trials[0].Params}
		for _, trial := range trials[:3] {
			for _, r := range trial.Requests {
				r.AtOnce, r.Times = 4, 2
				all.Requests = append(all.Requests, r)
			}
		}
		spec := specOf(t, all.Params)
		e := place(t, plane, study.FormWasm).Try(t, fn, spec, all)
		if want := 8 * len(all.Requests); len(e.Observations) != want {
			t.Errorf("%d observations, want %d", len(e.Observations), want)
		}
		if err := fn.Judge(spec, e); err != nil {
			t.Error(err)
		}
	})
}

// TestWasmRefusesConfigurations: a plane that is given what the module does not
// understand says so in the module's words.
func TestWasmRefusesConfigurations(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "jwt: configuration: ",
		`{"issuer": "i"}`:                "jwks is missing",
		`{"isuer": "i"}`:                 "no field isuer",
		`{"mutant": "signature"}`:        "no field mutant", // the committed module has none
		`{"issuer":"i","jwks":"{}"}`:     "jwks: no keys",
		`{"issuer":"i","issuer":"i"}`:    "jwks is missing",
		`{"jwks":"{\"keys\":[{\"a\":1}"`: "jwt: configuration: ",
	} {
		h, err := host(t, []byte(text), proxywasm.Limits{})
		if err == nil || len(h.logged) == 0 || !strings.Contains(h.logged[len(h.logged)-1], want) {
			t.Errorf("%q: %v; logged %q, want %q", text, err, h.logged, want)
		}
	}
}

// The module's memory does not grow with what it has checked.
func TestWasmMemoryDoesNotGrow(t *testing.T) {
	s := newSigner(t)
	h := hostedOf(t, s.spec(), proxywasm.Limits{MemoryBytes: 24 << 16, Instances: 1, Deadline: patience})
	token := s.token(nil)
	for i := range 2000 {
		x := request("Bearer " + []string{token, token[:len(token)-i%300], token + strings.Repeat(".", i%3) + strings.Repeat("A", i%1500)}[i%3])
		if _, err := h.handle(x); err != nil {
			t.Fatal(err)
		}
	}
	if n := h.plugin.Stats().Started; n != 1 {
		t.Errorf("%d instances were started", n)
	}
}

// BenchmarkForms is a request with a good token in the forms that run in this
// process, by algorithm.
func BenchmarkForms(b *testing.B) {
	trial := jwt.Function().Trials[0]
	params, err := study.JSONParams("jwt", []byte(trial.Params))
	if err != nil {
		b.Fatal(err)
	}
	spec, err := jwt.Function().Decode(params)
	if err != nil {
		b.Fatal(err)
	}
	forms := formsOf(b, spec)
	for i, algorithm := range map[int]string{0: "ES256", 3: "RS256", 5: "EdDSA"} {
		for _, f := range forms {
			b.Run(fmt.Sprintf("%s/%s", algorithm, f.name), func(b *testing.B) {
				for b.Loop() {
					if x := request(trial.Requests[i].Header.Get("Authorization")); !f.handle(x) {
						b.Fatal(x.Body)
					}
				}
			})
		}
	}
}

// FuzzWasmAgrees: whatever a signed token says, the module and the Go filter
// say the same of it.
func FuzzWasmAgrees(f *testing.F) {
	s := newSigner(f)
	native, h := s.filter(), s.hosted()
	good := fmt.Sprintf(`{"iss":%q,"aud":["x",%q],"exp":4102444800,"nbf":1,"sub":"\u0061nn","subscription":7.50}`, issuer, audience)
	for _, payload := range []string{good, `{"exp":1e400}`, `{"aud":[null,"the-api"]}`, `{"sub":"\ud83d\ude00","sub":1}`, "{\"a\":\"\xff\"}", `{"iss":null}`, `[`, strings.Replace(good, `"x"`, `null`, 1)} {
		f.Add([]byte(`{"alg":"ES256","kid":"k1"}`), []byte(payload), "")
	}
	f.Add([]byte(`{"alg":"none"}`), []byte(good), "")
	f.Add([]byte(`{"alg":"ES256"}`), []byte(good), "Bearer  a.b.c")
	f.Fuzz(func(t *testing.T, header, payload []byte, value string) {
		if bytes.Contains(bytes.ToLower(append(header, payload...)), []byte(`\ud`)) || strings.ContainsAny(value, "\r\n") {
			return // half a surrogate pair is a mistake to the module, and the sign for one to Go; a header has no ends of lines
		}
		if value == "" {
			value = "Bearer " + s.raw(string(header), string(payload))
		}
		want, got := request(value), request(value)
		proceed := native.Handle(want)
		same, err := h.handle(got)
		if err != nil {
			t.Fatal(err)
		}
		if proceed != same || want.Status != got.Status || want.Body != got.Body || !cmp.Equal(want.Response, got.Response) {
			t.Errorf("%s %s: the filter says %v %d %s %v, the module %v %d %s %v", header, payload,
				proceed, want.Status, want.Body, want.Response, same, got.Status, got.Body, got.Response)
		}
		for _, name := range []string{"x-user", "x-subscription"} {
			if proceed && functiontest.Get(want.Request, name) != functiontest.Get(got.Request, name) {
				t.Errorf("%s %s: %s: %v, and %v", header, payload, name, want.Request, got.Request)
			}
		}
	})
}
