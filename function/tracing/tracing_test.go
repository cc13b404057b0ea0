package tracing

import (
	"encoding/hex"
	"strings"
	"testing"

	tracev3 "github.com/envoyproxy/go-control-plane/envoy/config/trace/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/study"
)

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                              "collector",
		`{"collector": "localhost:4317"}`: "collector",
		`{"collector": "127.0.0.1:1", "sample": 101}`:       "sample",
		`{"collector": "127.0.0.1:1", "sample": -1}`:        "sample",
		`{"collector": "127.0.0.1:1", "propagation": "b4"}`: "propagation",
		`{"collector": "127.0.0.1:1", "service": ""}`:       "service",
		`{"collector": "127.0.0.1:1", "sampling": 1}`:       "sampling",
	} {
		p, err := study.JSONParams("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// What is no context is passed on as it is.
func TestReadW3C(t *testing.T) {
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for text, want := range map[string]string{ // there, ok, sampled
		"":                                 "false false false",
		"00-" + trace + "-" + span + "-01": "true true true",
		"00-" + trace + "-" + span + "-00": "true true false",
		"cc-" + trace + "-" + span + "-03": "true true true",
		"ff-" + trace + "-" + span + "-01": "true false true",
		"00-" + strings.ToUpper(trace) + "-" + span + "-01":   "true false false",
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01":  "true false false",
		"00-" + trace + "-" + strings.Repeat("0", 16) + "-01": "true false false",
		"00-" + trace + "-" + span + "-1":                     "true false false",
		"00-" + trace + "-" + span + "-01-x":                  "true false false",
		"00-" + trace[:30] + "-" + span + "-01":               "true false false",
		"x":                                                   "true false false",
	} {
		c, there, ok := readW3C(func(string) string { return text })
		got := word(there) + " " + word(ok) + " " + word(c.sampled && ok)
		if w := strings.Fields(want); got != w[0]+" "+w[1]+" "+word(w[2] == "true" && w[1] == "true") {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
		if ok && (hex.EncodeToString(c.trace[:]) != trace || hex.EncodeToString(c.span[:]) != span) {
			t.Errorf("%q: %x %x", text, c.trace, c.span)
		}
	}
}

func word(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func TestReadB3(t *testing.T) {
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for name, c := range map[string]struct {
		headers            map[string]string
		there, ok, sampled bool
	}{
		"none":    {nil, false, false, false},
		"several": {map[string]string{"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": "1"}, true, true, true},
		"not":     {map[string]string{"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": "0"}, true, true, false},
		"short":   {map[string]string{"x-b3-traceid": trace[16:], "x-b3-spanid": span, "x-b3-sampled": "1"}, true, true, true},
		"one":     {map[string]string{"b3": trace + "-" + span + "-1-" + span}, true, true, true},
		"debug":   {map[string]string{"b3": trace + "-" + span + "-d"}, true, true, true},
		"half":    {map[string]string{"x-b3-traceid": trace}, true, false, false},
		"zero":    {map[string]string{"x-b3-traceid": strings.Repeat("0", 32), "x-b3-spanid": span}, true, false, false},
		"flags":   {map[string]string{"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-flags": "1"}, true, true, true},
		"true":    {map[string]string{"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": "true"}, true, true, true},
		"cut off": {map[string]string{"b3": trace + "-"}, true, false, false},
	} {
		got, there, ok := readB3(func(name string) string { return c.headers[name] })
		if there != c.there || ok != c.ok || ok && got.sampled != c.sampled {
			t.Errorf("%s: %t %t %t", name, there, ok, got.sampled)
		}
	}
}

// TestB3Decides: what the headers say of sampling holds, with ids and without; what
// they leave open is decided here; debug is handed on as debug.
func TestB3Decides(t *testing.T) {
	const ids = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
	for name, c := range map[string]struct {
		headers        map[string]string
		never, always  bool // whether it is sampled by a share of 0, of 100 %
		sampled, flags string
	}{
		"nothing":           {nil, false, true, "1", ""},
		"left open":         {map[string]string{"b3": ids}, false, true, "1", ""},
		"denied":            {map[string]string{"b3": ids + "-0"}, false, false, "0", ""},
		"denied, alone":     {map[string]string{"b3": "0"}, false, false, "0", ""},
		"denied, a header":  {map[string]string{"x-b3-sampled": "0"}, false, false, "0", ""},
		"accepted, alone":   {map[string]string{"x-b3-sampled": "1"}, true, true, "1", ""},
		"debug":             {map[string]string{"b3": ids + "-d"}, true, true, "", "1"},
		"debug, by flags":   {map[string]string{"x-b3-flags": "1"}, true, true, "", "1"},
		"a state not known": {map[string]string{"x-b3-sampled": "yes"}, false, true, "1", ""},
	} {
		for _, share := range []float64{0, 100} {
			told := map[string]string{}
			w, ok := formats[B3].begin(share, func(name string) string { return c.headers[name] }, func(name, value string) { told[name] = value })
			if want := share == 0 && c.never || share == 100 && c.always; !ok || w.sampled != want {
				t.Errorf("%s, %v %%: sampled %t, %t, want %t", name, share, w.sampled, ok, want)
			}
			if share == 100 && (told["x-b3-sampled"] != c.sampled || told["x-b3-flags"] != c.flags) {
				t.Errorf("%s: told %v", name, told)
			}
		}
	}
}

// FuzzReadB3: what is well formed is told again as it was.
func FuzzReadB3(f *testing.F) {
	f.Add("0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1-b7ad6b7169203331", "", "", "", "")
	f.Add("0", "", "", "", "")
	f.Add("-", "8448eb211c80319c", "b7ad6b7169203331", "0", "1")
	f.Fuzz(func(t *testing.T, one, trace, span, sampled, flags string) {
		in := map[string]string{"b3": one, "x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": sampled, "x-b3-flags": flags}
		c, there, ok := readB3(func(name string) string { return in[name] })
		if !there && ok || c.sampled && !c.decided || c.debug && !c.sampled {
			t.Fatalf("%v: %+v %t %t", in, c, there, ok)
		}
		if !ok || !c.decided {
			return
		}
		out := map[string]string{}
		writeB3(work{traceContext: c}, func(name, value string) { out[name] = value })
		if again, _, ok := readB3(func(name string) string { return out[name] }); !ok || again != c {
			t.Errorf("%v became %v: %+v, %+v", in, out, c, again)
		}
	})
}

func FuzzReadW3C(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Add("00-----")
	f.Fuzz(func(t *testing.T, text string) {
		c, _, ok := readW3C(func(string) string { return text })
		if !ok {
			return
		}
		var again string
		writeW3C(work{traceContext: c}, func(_, value string) { again = value })
		if again[3:52] != text[3:52] {
			t.Errorf("%q became %q", text, again)
		}
	})
}

type nowhere struct{}

func (nowhere) Endpoint(string) (string, bool) { return "", false }

// TestFilterRefusesFieldsByName: what the filter would pass over is an error.
func TestFilterRefusesFieldsByName(t *testing.T) {
	s := Spec{Collector: "127.0.0.1:1", Sample: 50, Propagation: W3C, Service: "x"}
	message := func(change func(*hcmv3.HttpConnectionManager_Tracing, *tracev3.OpenTelemetryConfig)) *anypb.Any {
		m, err := s.message()
		if err != nil {
			t.Fatal(err)
		}
		p := new(tracev3.OpenTelemetryConfig)
		if err := m.GetProvider().GetTypedConfig().UnmarshalTo(p); err != nil {
			t.Fatal(err)
		}
		change(m, p)
		if m.Provider != nil {
			packed, err := dataplane.Pack(p)
			if err != nil {
				t.Fatal(err)
			}
			m.Provider.ConfigType = &tracev3.Tracing_Http_TypedConfig{TypedConfig: packed}
		}
		a, err := dataplane.Pack(m)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for want, change := range map[string]func(*hcmv3.HttpConnectionManager_Tracing, *tracev3.OpenTelemetryConfig){
		"provider.typed_config": func(m *hcmv3.HttpConnectionManager_Tracing, _ *tracev3.OpenTelemetryConfig) { m.Provider = nil },
		"random_sampling": func(m *hcmv3.HttpConnectionManager_Tracing, _ *tracev3.OpenTelemetryConfig) {
			m.RandomSampling = &typev3.Percent{Value: 1}
		},
		"verbose":      func(m *hcmv3.HttpConnectionManager_Tracing, _ *tracev3.OpenTelemetryConfig) { m.Verbose = true },
		"sampler":      func(_ *hcmv3.HttpConnectionManager_Tracing, p *tracev3.OpenTelemetryConfig) { p.Sampler = nil },
		"cluster_name": func(_ *hcmv3.HttpConnectionManager_Tracing, p *tracev3.OpenTelemetryConfig) { p.GrpcService = nil },
	} {
		if _, err := join(message(change), nowhere{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	f, err := join(message(func(*hcmv3.HttpConnectionManager_Tracing, *tracev3.OpenTelemetryConfig) {}), nowhere{})
	if err != nil {
		t.Fatal(err)
	}
	if got := f.(*filter).sample; got != 50 {
		t.Errorf("samples %v percent", got)
	}
	x := &functiontest.Exchange{Verb: "GET", Target: "/", Request: []functiontest.Field{{Name: "traceparent", Value: "x"}}}
	if !f.Handle(x) || functiontest.Get(x.Request, "traceparent") != "x" {
		t.Error("what is no context was changed")
	}
	f.(*filter).Close()
	f.(*filter).Close()
}

// TestNativeRefusesB3: Envoy's tracer that writes it speaks no OTLP, and the one
// that speaks OTLP does not write it.
func TestNativeRefusesB3(t *testing.T) {
	s := Spec{Collector: "127.0.0.1:1", Sample: 50, Propagation: B3, Service: "x"}
	err := Function().Native.Shape(s, &dataplane.Resources{})
	if err == nil || !strings.Contains(err.Error(), "use w3c, or the library") {
		t.Errorf("error %v, want the reason and what to do", err)
	}
}
