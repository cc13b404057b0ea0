package smp_test

import (
	"fmt"
	"os"

	"github.com/taremesh/tare/smp"
)

func Example() {
	f, err := smp.Read("test.yaml", []byte(`
test:
  clients:
    - {load_generator: fortio, rps: 10, connections: 2, endpoint_urls: ["http://127.0.0.1:8080/"]}
  duration: 60s
mesh: {type: ISTIO}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := f.Write(os.Stdout, smp.YAML); err != nil {
		fmt.Println(err)
	}
	_, err = smp.Read("result.yaml", []byte("latencies_ms: {p50: 12, p90: 9}"))
	fmt.Println(err)
	// Output:
	// test:
	//   clients:
	//     - load_generator: fortio
	//       connections: 2
	//       rps: 10
	//       endpoint_urls:
	//         - "http://127.0.0.1:8080/"
	//   duration: "60s"
	// mesh:
	//   type: 3
	// result.yaml:1:30: results[0].latencies_ms.p90: 9 is below p50, which is 12
}
