package balanceroundrobin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

func decode(t *testing.T, text string) (function.Spec, error) {
	t.Helper()
	p, err := study.JSONParams("p", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Decode(p)
}

// What is taken marshals to what is taken again; what is refused is named.
func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                       "",
		`{"weights": [1, 2, 5]}`:   "",
		`{"weights": [1, 2]}`:      "there are 3 replicas",
		`{"weights": [0, 1, 1]}`:   "weights[0]",
		`{"weights": [1, 1, 129]}`: "weights[2]",
		`{"weight": 1}`:            "weight",
	} {
		s, err := decode(t, text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
		if err != nil {
			continue
		}
		written, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(t, string(written))
		if err != nil || !cmp.Equal(s, again) {
			t.Errorf("%s: read again from %s: %v, %v", text, written, again, err)
		}
	}
}

// A foreign type of parameters is an error everywhere, and no panic.
func TestForeignSpec(t *testing.T) {
	f := Function()
	if err := f.Judge("x", function.Evidence{}); err == nil {
		t.Error("the judge takes it")
	}
	if err := f.Native.Shape("x", nil); err == nil {
		t.Error("the native form takes it")
	}
	if _, err := f.Library.Transport("x", nil); err == nil {
		t.Error("the library takes it")
	}
	if _, err := decode(t, f.Example); err != nil {
		t.Errorf("the example: %v", err)
	}
}
