package guest_test

import (
	"fmt"

	"github.com/taremesh/tare/guest"
)

func Example() {
	fmt.Printf("%q\n", guest.Config("header-mutation", []string{"request", "set", "x-mesh", "ta\tre"}))
	fmt.Printf("%q\n", guest.Module[:4])
	// Output:
	// "header-mutation\nrequest\tset\tx-mesh\tta\\tre\n"
	// "\x00asm"
}
