package echo_test

import (
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/taremesh/tare/internal/echo"
)

func Example() {
	s, err := echo.Listen(echo.HTTP1)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	r, err := http.Get("http://" + s.Addr() + "/anything")
	if err != nil {
		log.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	fmt.Println(r.StatusCode, len(body), err)
	// Output: 200 64 <nil>
}
