package exposition_test

import (
	"fmt"
	"os"

	"github.com/taremesh/tare/exposition"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/report"
)

func Example() {
	r := &report.Report{ID: "20260102-030405-abcdef", Study: "weighed", Environment: measure.Environment{Arch: "amd64", Cores: 2},
		Treatments: []report.Treatment{{Name: "router"}},
		Series: &report.Series{Blocks: make([]report.BlockRun, 2), Treatments: []report.TreatmentSeries{
			{Name: "router", Stood: []int{0, 1}, Values: map[string][]float64{"p50": {160.2, 160.9}}}}}}
	if err := exposition.Bench(os.Stdout, r); err != nil {
		fmt.Println(err)
	}
	// Output:
	// goos: linux
	// goarch: amd64
	// study: weighed
	// Unit requests/s better=higher
	// BenchmarkWeighed/treatment=router-2 1 160200 p50-ns
	// BenchmarkWeighed/treatment=router-2 1 160900 p50-ns
}
