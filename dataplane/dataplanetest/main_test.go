package dataplanetest_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/process"
)

const patience = 20 * time.Second

// The test binary is a proxy of tare's when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "proxy" {
		os.Exit(proxyMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func proxyMain(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o := catalog.ProxyOptions{Ready: func(string) { fmt.Println(catalog.ReadyLine) }}
	flags := flag.NewFlagSet("proxy", flag.ExitOnError)
	plane := flags.String("dataplane", "", "")
	flags.StringVar(&o.XDS, "xds", "", "")
	flags.StringVar(&o.Node, "node", "", "")
	flags.IntVar(&o.Workers, "workers", 0, "")
	flags.StringVar(&o.Admin, "admin", "", "")
	err := flags.Parse(args)
	if err == nil {
		err = serveProxy(ctx, *plane, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	return 0
}

func serveProxy(ctx context.Context, plane string, o catalog.ProxyOptions) error {
	proxies, err := catalog.Proxies()
	if err != nil {
		return err
	}
	p, err := proxies.Get(plane)
	if err != nil {
		return err
	}
	return p.Serve(ctx, o)
}

// planes are the data planes that are held against each other, Envoy first.
func planes(t *testing.T) []dataplane.DataPlane {
	t.Helper()
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	var all []dataplane.DataPlane
	for _, name := range []string{"envoy", "embedded"} {
		p, err := b.DataPlanes.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

var names atomic.Int64

// begin starts a proxy that obeys the configuration, and returns it when it
// takes connections.
func begin(t *testing.T, plane dataplane.DataPlane, p dataplane.Proxy) dataplane.Instance {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	i, err := plane.Start(ctx, dataplane.Options{Name: fmt.Sprint("both-", names.Add(1))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := i.Configure(ctx, p); err != nil {
		t.Fatal(err)
	}
	listens(t, p.Listen)
	return i
}

// listens waits until somebody takes connections: Envoy acknowledges a listener
// a little before it does.
func listens(t *testing.T, addr string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("nothing listens on %s", addr)
}

func free(t *testing.T) string {
	t.Helper()
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}
