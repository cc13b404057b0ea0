package embedded_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/taremesh/tare/dataplane/dataplanetest"
	"github.com/taremesh/tare/dataplane/embedded"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function/noop"
	"github.com/taremesh/tare/internal/process"
)

// TestMain makes the test binary the proxy when it is started as one, so that
// the tests run the plane as it is run: in processes of their own.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "proxy":
			os.Exit(proxyMain(os.Args[2:]))
		case "bench-upstream":
			os.Exit(benchUpstream())
		case "bench-load":
			os.Exit(benchLoad(os.Args[2], os.Args[3]))
		}
	}
	os.Exit(m.Run())
}

func proxyMain(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var o embedded.Options
	flags := flag.NewFlagSet("proxy", flag.ExitOnError)
	plane := flags.String("dataplane", "", "")
	flags.StringVar(&o.XDS, "xds", "", "")
	flags.StringVar(&o.Node, "node", "", "")
	flags.IntVar(&o.Workers, "workers", 0, "")
	flags.StringVar(&o.Admin, "admin", "", "")
	if err := flags.Parse(args); err != nil || *plane != embedded.Name {
		fmt.Fprintln(os.Stderr, "bad command line", args, err)
		return 2
	}
	o.Ready = func(string) { fmt.Println(embedded.ReadyLine) }
	o.Lost = func(err error) { fmt.Fprintln(os.Stderr, err) }
	o.Types = testFilters()
	if err := embedded.Serve(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	return 0
}

// newPlane stands until the test ends.
func newPlane(t testing.TB) *embedded.Plane {
	t.Helper()
	server, err := xds.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	l, err := process.NewLauncher("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return embedded.New(server, l)
}

func TestConformance(t *testing.T) {
	dataplanetest.Run(t, newPlane(t))
}

// One that is shown every body changes nothing either.
func TestConformanceThroughBodies(t *testing.T) {
	var m Module
	m.Memory(1, 2)
	m.Func("proxy_abi_version_0_2_1", "", "", 0)
	m.Func("proxy_on_memory_allocate", "i", "i", 0, I32(1024))
	for _, hook := range []string{"proxy_on_request_body", "proxy_on_response_body"} {
		m.Func(hook, "iii", "i", 0, I32(0))
	}
	filter, err := xds.WasmFilter("bodies", m.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	dataplanetest.RunThrough(t, newPlane(t), filter)
}

// A module that does nothing changes nothing, though every head and every body
// goes through it.
func TestConformanceThroughAModule(t *testing.T) {
	filter, err := xds.WasmFilter("noop", noop.Function().Wasm.Module, nil)
	if err != nil {
		t.Fatal(err)
	}
	dataplanetest.RunThrough(t, newPlane(t), filter)
}
