package envoy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function/noop"
	"github.com/taremesh/tare/internal/process"
)

// start is an Envoy before a service, not yet configured.
func start(t *testing.T) (dataplane.Instance, dataplane.Proxy) {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }))
	t.Cleanup(service.Close)
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	i, err := newPlane(t, realEnvoy).Start(t.Context(), dataplane.Options{Name: "module"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	})
	return i, dataplanetest.ToAll(addr, service.Listener.Addr().String())
}

func through(t *testing.T, module []byte) []dataplane.Filter {
	t.Helper()
	f, err := xds.WasmFilter("faulty", module, nil)
	if err != nil {
		t.Fatal(err)
	}
	return []dataplane.Filter{f}
}

func status(t *testing.T, addr string, header ...string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		r.Header.Set(h, "1")
	}
	c := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestModuleThatCannotBeLoaded: Envoy's own words come back, and what was
// there goes on.
func TestModuleThatCannotBeLoaded(t *testing.T) {
	whole := noop.Function().Wasm.Module
	var foreign Module
	foreign.Memory(1, 1)
	for name, module := range map[string][]byte{
		"no module": []byte("#!/bin/sh"), "truncated": whole[:len(whole)/2], "another ABI": foreign.Bytes(),
	} {
		t.Run(name, func(t *testing.T) {
			i, p := start(t)
			if err := i.Configure(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			p.Filters = through(t, module)
			err := i.Configure(t.Context(), p)
			if err == nil || !strings.Contains(err.Error(), "Unable to create Wasm") {
				t.Errorf("got %v, want Envoy's refusal", err)
			}
			if code := status(t, p.Listen); code != http.StatusOK {
				t.Errorf("afterwards a request got %d", code)
			}
		})
	}
}

// TestTrapTakesTheMachineDown shows what the report says of modules in Envoy:
// after one trap every request of that worker fails.
func TestTrapTakesTheMachineDown(t *testing.T) {
	var m Module
	m.Memory(1, 2)
	m.Func("proxy_abi_version_0_2_1", "", "", 0)
	m.Func("proxy_on_memory_allocate", "i", "i", 0, I32(1024))
	m.Func("proxy_on_request_headers", "iii", "i", 0, Get(1), I32(12), GtU, If(Unreachable), I32(0))
	i, p := start(t)
	p.Filters = through(t, m.Bytes())
	if err := i.Configure(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if code := status(t, p.Listen); code != http.StatusOK {
		t.Fatalf("before the trap: %d", code)
	}
	many := strings.Fields("a-1 a-2 a-3 a-4 a-5 a-6 a-7 a-8 a-9 a-10 a-11 a-12 a-13")
	if code := status(t, p.Listen, many...); code != http.StatusServiceUnavailable {
		t.Errorf("the request that trapped: %d", code)
	}
	if code := status(t, p.Listen); code != http.StatusServiceUnavailable {
		t.Errorf("the next request: %d; if Envoy recovers now, the report's note on modules is wrong", code)
	}
}
