package inside_test

import (
	"fmt"

	"github.com/taremesh/tare/guest/inside"
)

func Example() {
	f, err := inside.New("header-mutation\nrequest\tset\tx\ty\n", nil)
	fmt.Printf("%T %v\n", f, err)
	_, err = inside.New("mend", nil)
	fmt.Println(err)
	// Output:
	// *inside.mutation <nil>
	// no function mend
}
