package comparison_test

import (
	"fmt"

	"github.com/taremesh/tare/comparison"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

// A result that made its treatment 3 % heavier is held against the one of the
// day before, and gated.
func Example() {
	s, err := study.ReadFile("../examples/gate/same.yaml")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := study.MakePlan(*s, study.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	heavier := quiet()
	heavier.effect = map[string]effects{"after": {cpu: 12}}
	old, err := comparison.Read(experimentOf("monday", p, 0), experiment.Done, quiet().blocks(p, 1), study.Margins{})
	if err != nil {
		fmt.Println(err)
		return
	}
	now, err := comparison.Read(experimentOf("tuesday", p, 1), experiment.Done, heavier.blocks(p, 2), study.Margins{})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := comparison.Compare(old, now, comparison.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	gate, err := comparison.Against(now, old, answer, "main", comparison.Selection{Endpoints: []string{"cpu"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range gate.Cases {
		fmt.Println(gate.Outcome, "-", c.Name(), c.Verdict, *c.Direction)
	}
	// Output: fail - after against before by cpu material worse
}
