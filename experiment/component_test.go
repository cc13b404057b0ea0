package experiment_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/experiment"
)

// Every part of the main example is named, its modules by the digest of the
// very file that is committed.
func TestComponents(t *testing.T) {
	a, err := experiment.NewApparatus(example(t, "imagehub.yaml"), built(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Components()
	if err != nil {
		t.Fatal(err)
	}
	digest := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		return hex.EncodeToString(sum[:])
	}
	want := []experiment.Component{
		{Role: "generator", Name: "openloop"}, {Role: "workload", Name: "imagehub"}, {Role: "function", Name: "ratelimit"},
		{Role: "module", Name: "noop", SHA256: digest("../function/noop/filter/noop.wasm")},
		{Role: "module", Name: "ratelimit", SHA256: digest("../function/ratelimit/filter/ratelimit.wasm")},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A record of before components and more of the host were kept is still read.
func TestOldRecordIsRead(t *testing.T) {
	const old = `{"id": "x", "environment": {"cpu": "c", "cores_online": 2, "cores": 2, "arch": "amd64", "go": "go1", "load_average": [0,0,0]},
		"program": {"version": "1", "sha256": "ab"}, "plane": {"plane": "embedded", "version": "1"}}`
	var e experiment.Experiment
	if err := json.Unmarshal([]byte(old), &e); err != nil {
		t.Fatal(err)
	}
	if e.Components != nil || e.Environment.Cores != 2 || len(e.Environment.NUMA) != 0 || len(e.Planes) != 1 {
		t.Errorf("%+v", e)
	}
	var b experiment.Block
	if err := json.Unmarshal([]byte(`{"index": 3, "phases": [{"parts": [{"treatment": 1, "role": "proxy", "cpu": 7}]}]}`), &b); err != nil {
		t.Fatal(err)
	}
	if b.Phases[0].Parts[0].Instructions != nil || b.Counting != (experiment.Counting{}) {
		t.Errorf("%+v", b)
	}
}
