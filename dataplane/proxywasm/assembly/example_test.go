package assembly_test

import (
	"fmt"

	"github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

func Example() {
	var m assembly.Module
	m.Func("answer", "", "i", 0, assembly.I32(42))
	fmt.Printf("%x\n", m.Bytes())
	// Output: 0061736d010000000105016000017f03020100070a0106616e7377657200000a06010400412a0b
}
