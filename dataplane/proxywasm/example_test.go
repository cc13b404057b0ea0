package proxywasm_test

import (
	"context"
	"fmt"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

func Example() {
	// A guest that refuses every request, and loops for ever on the response.
	g, f := newGuest("0_2_1", "send_local_response")
	g.onRequest(Call(f["send_local_response"], I32(429), g.text(""), g.text("too fast"), g.text(""), I32(-1)), Drop, I32(1))
	g.Func("proxy_on_response_headers", "iii", "i", 0, Loop(Br(0)), Unreachable)

	p, err := proxywasm.Load(context.Background(), proxywasm.Config{Name: "example", Module: g.Bytes()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()

	s, err := p.Stream(newExchange())
	if err != nil {
		fmt.Println(err)
		return
	}
	if s.RequestHeaders(true) == proxywasm.Pause {
		fmt.Println(s.Reply().Status, string(s.Reply().Body))
	}
	s.End()

	s, err = p.Stream(newExchange())
	if err != nil {
		fmt.Println(err)
		return
	}
	s.ResponseHeaders(true)
	fmt.Println(s.Err())
	s.End()
	// Output:
	// 429 too fast
	// plugin example: in proxy_on_response_headers: the guest ran for longer than its deadline
}
