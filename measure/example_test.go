package measure_test

import (
	"fmt"
	"os"

	"github.com/taremesh/tare/measure"
)

func Example() {
	before, err := measure.CPU(os.Getpid())
	if err != nil {
		fmt.Println(err)
		return
	}
	sum := 0
	for i := range 10_000_000 {
		sum += i
	}
	after, err := measure.CPU(os.Getpid())
	if err != nil {
		fmt.Println(err)
		return
	}
	held, err := measure.MemoryOf(os.Getpid())
	fmt.Println(sum > 0, after > before, held.Private > 0, err)
	// Output: true true true <nil>
}
