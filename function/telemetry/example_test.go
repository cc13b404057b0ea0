package telemetry_test

import (
	"fmt"

	"github.com/taremesh/tare/function/telemetry"
	"github.com/taremesh/tare/study"
)

func Example() {
	fn := telemetry.Function()
	params, err := study.JSONParams("example", []byte(`{"collector": "127.0.0.1:18090", "flush": "250ms"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	spec, err := fn.Decode(params)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(fn.Name, spec.(telemetry.Spec).Flush)
	// Output: telemetry 250ms
}
