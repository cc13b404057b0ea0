package measure_test

import (
	"fmt"
	"os"

	"github.com/taremesh/tare/measure"
)

func Example() {
	before, err := measure.Process(os.Getpid())
	if err != nil {
		fmt.Println(err)
		return
	}
	sum := 0
	for i := range 10_000_000 {
		sum += i
	}
	after, err := measure.Process(os.Getpid())
	if err != nil {
		fmt.Println(err)
		return
	}
	used := after.Sub(before)
	fmt.Println(sum > 0, used.CPU > 0, used.Elapsed > 0, after.Memory.Private > 0)
	// Output: true true true true
}
