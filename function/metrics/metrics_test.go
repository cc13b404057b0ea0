package metrics

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/taremesh/tare/study"
)

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"path": "x"}`: "begins with /", `{"paths": ["/a?b"]}`: "no query", `{"paths": ["/a", "/a"]}`: "twice", `{"paths": ["/metrics"]}`: "figures are",
		`{"buckets": []}`: "0 buckets", `{"buckets": [0]}`: "above zero", `{"buckets": [2, 1]}`: "greater", `{"port": 1}`: "port",
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

// Two of them in one registry are an error, not a panic.
func TestTwice(t *testing.T) {
	r := prometheus.NewRegistry()
	if _, err := Middleware(r, Spec{Buckets: []float64{1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Middleware(r, Spec{Buckets: []float64{1}}); err == nil || !strings.Contains(err.Error(), "register") {
		t.Errorf("error %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("# HELP a b\na{c=\"d e\"} 1\nb 2.5e3\n")
	f.Fuzz(func(t *testing.T, text string) {
		if f, err := read(text); err == nil && len(f) > strings.Count(text, "\n")+1 {
			t.Errorf("%q has %d series", text, len(f))
		}
	})
}
