package stat_test

import (
	"fmt"
	"log"

	"github.com/taremesh/tare/stat"
)

// The p50 of a proxy with a Lua filter against the same proxy without it, and
// of the proxy against its own copy, in µs, over twelve blocks.
func Example() {
	router := []float64{259.1, 263.4, 255.0, 258.8, 261.7, 257.2, 260.3, 256.1, 262.5, 258.0, 259.9, 257.6}
	again := []float64{258.2, 263.9, 255.8, 257.9, 262.6, 256.8, 260.9, 255.4, 262.0, 259.1, 259.4, 258.3}
	lua := []float64{292.0, 294.1, 289.3, 290.2, 296.4, 288.1, 293.9, 287.7, 296.1, 289.6, 293.5, 288.8}

	const margin = 5.2 // 2 % of the baseline's p50, fixed before any data
	copies, err := stat.Differences(router, again)
	if err != nil {
		log.Fatal(err)
	}
	gate, err := stat.Gate(copies, margin, 0.95)
	if err != nil {
		log.Fatal(err)
	}
	comparisons, err := stat.Compare([]stat.Pair{
		{Name: "lua", A: router, B: lua, Margin: margin},
		{Name: "copy", A: router, B: again, Margin: margin},
	}, stat.Options{Level: 0.95, Seed: 1, NoNull: !gate.Inside})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range comparisons {
		fmt.Printf("%s: %+.1f ± %.1f µs of ±%.1f: %s %s\n", c.Name, c.Difference.Estimate, c.Difference.Half(), c.Margin, c.Verdict.Words(), c.Direction)
	}
	// Output:
	// lua: +32.5 ± 1.1 µs of ±5.2: material worse
	// copy: +0.1 ± 0.6 µs of ±5.2: no difference beyond the margin
}

// Two factors at two levels each over ten blocks: what each factor adds, what they add together, and whether it matters.
func ExampleEffects() {
	effects, err := stat.Effects([]int{2, 2}, []stat.Combination{
		{Levels: []int{0, 0}, Values: []float64{100, 101, 99, 100, 102, 98, 100, 101, 99, 100}},
		{Levels: []int{1, 0}, Values: []float64{110, 112, 109, 111, 111, 108, 110, 110, 110, 109}},
		{Levels: []int{0, 1}, Values: []float64{105, 106, 105, 104, 107, 103, 106, 105, 104, 105}},
		{Levels: []int{1, 1}, Values: []float64{127, 128, 126, 127, 128, 124, 127, 128, 125, 127}},
	})
	if err != nil {
		log.Fatal(err)
	}
	names := []string{"mTLS", "access log", "together"}
	var pairs []stat.Pair
	for k, e := range effects {
		pairs = append(pairs, stat.Pair{Name: names[k], A: e.A, B: e.B, Margin: 2})
	}
	comparisons, err := stat.Compare(pairs, stat.Options{Level: 0.95, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range comparisons {
		fmt.Printf("%s: %+.1f ± %.1f µs: %s\n", c.Name, c.Difference.Estimate, c.Difference.Half(), c.Verdict.Words())
	}
	// Output:
	// mTLS: +15.8 ± 0.5 µs: material
	// access log: +10.8 ± 0.5 µs: material
	// together: +5.8 ± 0.5 µs: material
}
