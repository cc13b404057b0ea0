package dataplanetest_test

import (
	"fmt"

	"github.com/taremesh/tare/dataplane/dataplanetest"
)

// The configuration that most tests start from. Run itself needs a data plane:
// see the tests of package embedded.
func ExampleToAll() {
	p := dataplanetest.ToAll("127.0.0.1:20001", "127.0.0.1:20002", "127.0.0.1:20003")
	fmt.Println(p.Listen, len(p.Hosts), p.Clusters[0].Endpoints)
	// Output: 127.0.0.1:20001 1 [127.0.0.1:20002 127.0.0.1:20003]
}
