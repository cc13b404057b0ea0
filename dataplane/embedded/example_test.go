package embedded_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/embedded"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/internal/process"
)

// A proxy before one server. The example starts its own program again as the
// proxy, as tare does: see TestMain.
func Example() {
	if err := proxied(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 200 hello from the service
}

func proxied() error {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello from the service")
	}))
	defer service.Close()
	server, err := xds.NewServer()
	if err != nil {
		return err
	}
	defer server.Close()
	launcher, err := process.NewLauncher("")
	if err != nil {
		return err
	}
	defer launcher.Close()

	ctx := context.Background()
	proxy, err := embedded.New(server, launcher).Start(ctx, dataplane.Options{Name: "example"})
	if err != nil {
		return err
	}
	addr, err := process.FreeAddr()
	if err != nil {
		return err
	}
	err = proxy.Configure(ctx, dataplane.Proxy{
		Listen: addr,
		Hosts: []dataplane.VirtualHost{{
			Name:    "all",
			Domains: []string{"*"},
			Routes:  []dataplane.Route{{Path: "/", Cluster: "service"}},
		}},
		Clusters: []dataplane.Cluster{{Name: "service", Endpoints: []string{service.Listener.Addr().String()}}},
	})
	if err != nil {
		return err
	}
	r, err := http.Get("http://" + addr + "/")
	if err != nil {
		return err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	fmt.Println(r.StatusCode, string(body))
	return proxy.Stop()
}
