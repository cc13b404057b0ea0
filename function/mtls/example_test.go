package mtls_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/taremesh/tare/function/mtls"
)

// A service that lets the web front end in, and nobody else. Both get another
// certificate every half minute.
func Example() {
	const (
		service = "spiffe://hub.test/service"
		web     = "spiffe://hub.test/web"
		batch   = "spiffe://hub.test/batch"
	)
	authority, err := mtls.NewAuthority("hub.test")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewUnstartedServer(mtls.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello")
	})))
	server.TLS = mtls.ServerTLS(mtls.Renewed(authority, service, time.Minute), web)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	for _, id := range []string{web, batch} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: mtls.ClientTLS(mtls.Renewed(authority, id, time.Minute), service)}}
		r, err := client.Get(server.URL)
		if err != nil {
			fmt.Println(id, "is refused")
			continue
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		client.CloseIdleConnections()
		fmt.Println(id, "hears", string(body))
	}
	// Output:
	// spiffe://hub.test/web hears hello
	// spiffe://hub.test/batch is refused
}
