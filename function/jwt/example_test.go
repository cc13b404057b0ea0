package jwt_test

import (
	"fmt"

	"github.com/taremesh/tare/function/jwt"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/study"
)

func Example() {
	fn := jwt.Function()
	params, err := study.JSONParams("example", []byte(`{"issuer": "hub", "audience": "api", "jwks": "{\"keys\": [{`+
		`\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY\", `+
		`\"y\": \"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU\"}]}"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	spec, err := fn.Decode(params)
	if err != nil {
		fmt.Println(err)
		return
	}
	config, err := fn.Native.Config(spec)
	if err != nil {
		fmt.Println(err)
		return
	}
	filter, err := fn.Native.Types[0].New(config.Config)
	if err != nil {
		fmt.Println(err)
		return
	}
	x := &functiontest.Exchange{Verb: "GET", Target: "/pull"}
	fmt.Println(filter.Handle(x), x.Status, x.Body)
	// Output: false 401 Jwt is missing
}
