package balance_test

import (
	"fmt"

	"github.com/taremesh/tare/internal/balance"
)

// Two hosts, one of them twice as strong.
func ExampleGroup() {
	g := balance.NewGroup(nil)
	defer g.Close()
	g.Set(balance.DefaultConfig(), []balance.Member{{Addr: "10.0.0.1:80", Weight: 2}, {Addr: "10.0.0.2:80"}})
	n := map[string]int{}
	for range 300 {
		h := g.Pick(balance.Key{})
		n[h.Addr]++
		g.Done(h, 200, balance.NoFault)
	}
	fmt.Println(n["10.0.0.1:80"]/10, n["10.0.0.2:80"]/10)
	// Output: 20 10
}
