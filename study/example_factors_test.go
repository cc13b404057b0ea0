package study_test

import (
	"fmt"
	"log"

	"github.com/taremesh/tare/study"
)

// A fraction of five factors, and what it cannot tell apart.
func ExampleStudy_Aliases() {
	s, err := study.Parse("five.yaml", []byte(`tare: study/1
name: five
workload: {name: echo}
treatments:
  - {name: router, control: router}
factors: {connections: [2, 16], request: [0B, 16KiB], response: [1KiB, 16KiB], filter: [none, wasm], access-log: [off, on]}
design: {name: fraction, time: 5m}
`))
	if err != nil {
		log.Fatal(err)
	}
	p, err := study.MakePlan(*s, study.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(p.Study.Combinations()), "of 32 combinations, resolution", p.Study.Resolution())
	fmt.Println("connections:", p.Study.Aliases([]int{0}))
	fmt.Println("connections×request:", p.Study.Aliases([]int{0, 1}))
	// Output:
	// 16 of 32 combinations, resolution 5
	// connections: [[1 2 3 4]]
	// connections×request: [[2 3 4]]
}
