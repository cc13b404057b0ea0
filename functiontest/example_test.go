package functiontest_test

import (
	"fmt"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/ratelimit"
	"github.com/taremesh/tare/functiontest"
)

func ExampleForms() {
	fn := ratelimit.Function()
	for _, form := range functiontest.Forms(fn) {
		i, err := form.Make(fn, ratelimit.DefaultSpec())
		if err != nil {
			fmt.Println(err)
			return
		}
		outcome := i.Do("/pull", function.Caller{User: "ann", Subscription: "Personal"})
		fmt.Println(form.Name, outcome == function.Allowed, i.Served())
	}
	// Output:
	// library true 1
	// native true 1
}
