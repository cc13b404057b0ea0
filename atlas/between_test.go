package atlas_test

import (
	"testing"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
)

// mtls is weighed between two sidecars, by the study's factor, and jwt with a
// token in every request of its batch; both are plans that a run takes.
func TestBetweenSidecarsAndTokens(t *testing.T) {
	fs, err := catalog.Functions()
	if err != nil {
		t.Fatal(err)
	}
	planes := []string{"embedded", "envoy"}
	entries := atlas.Catalogue(fs.All(), placement.All(), planes)
	only := atlas.Only{Functions: []string{"mtls", "jwt", "cors"}, Forms: []study.Form{study.FormNative}}
	cells, none := atlas.Cells(fs.All(), entries, planes, only)
	if len(none) > 0 || len(cells) != 6 {
		t.Fatalf("cells %v, not weighed %v", cells, none)
	}
	for _, b := range atlas.Batches(cells, nil, atlas.Screen{}) {
		s := b.Study
		k := s.Index("mtls")
		if k < 0 || s.Treatments[k].Form != "" || s.Treatments[k].Baseline != "sidecars" {
			t.Fatalf("%s: %+v", s.Name, s.Treatments)
		}
		if level, ok := s.Treatments[k].Set.Level("mtls"); !ok || level != "on" {
			t.Errorf("%s: mtls has %v", s.Name, s.Treatments[k].Set)
		}
		if len(s.Load.Headers["authorization"]) < 100 {
			t.Errorf("%s: requests carry %v", s.Name, s.Load.Headers)
		}
		if _, err := study.MakePlan(*s, study.Options{}); err != nil {
			t.Error(err)
		}
	}
}
