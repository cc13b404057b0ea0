package route_test

import (
	"fmt"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/taremesh/tare/dataplane/embedded/route"
)

// request is a GET of a path.
type request string

func (r request) Method() []byte                  { return []byte("GET") }
func (r request) Path() []byte                    { return []byte(r) }
func (r request) Host() []byte                    { return []byte("hub.test") }
func (r request) Copy(string, int) ([]byte, bool) { return nil, false }
func (r request) Protocol() string                { return "HTTP/1.1" }
func (r request) Remote() string                  { return "127.0.0.1:40000" }
func (r request) Local() string                   { return "127.0.0.1:80" }

// The first route that matches is taken.
func ExampleConfig_Match() {
	var m routev3.RouteConfiguration
	if err := protojson.Unmarshal([]byte(`{"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
		{"match": {"path": "/login"}, "route": {"cluster": "users"}},
		{"match": {"prefix": "/old/"}, "redirect": {"prefix_rewrite": "/new/"}}
	]}]}`), &m); err != nil {
		fmt.Println(err)
		return
	}
	c, err := route.Decode(&m)
	if err != nil {
		fmt.Println(err)
		return
	}
	draw := func() uint64 { return 0 }
	fmt.Println(c.Match(request("/login?as=me"), draw).Cluster)
	fmt.Printf("%s\n", c.Match(request("/old/page"), draw).Location(request("/old/page")))
	fmt.Println(c.Match(request("/"), draw))
	// Output:
	// users
	// http://hub.test/new/page
	// <nil>
}
