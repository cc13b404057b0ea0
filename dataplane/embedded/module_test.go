package embedded_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function/noop"
	"github.com/taremesh/tare/internal/process"
)

// faulty is a filter that runs the code for a request with more than twelve
// fields, and lets every other one through.
func faulty(code ...[]byte) []byte {
	var m Module
	m.Memory(1, 65536)
	m.Func("proxy_abi_version_0_2_1", "", "", 0)
	m.Func("proxy_on_memory_allocate", "i", "i", 0, I32(1024))
	m.Func("proxy_on_request_headers", "iii", "i", 0, Get(1), I32(12), GtU, If(code...), I32(0))
	return m.Bytes()
}

// start is a proxy of the plane, with one worker, before a service.
func start(t *testing.T, p *dataplane.Proxy) dataplane.Instance {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }))
	t.Cleanup(service.Close)
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	*p = dataplanetest.ToAll(addr, service.Listener.Addr().String())
	i, err := newPlane(t).Start(t.Context(), dataplane.Options{Name: "module"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	})
	return i
}

// status sends a request with so many fields of its own.
func status(t *testing.T, addr string, fields int) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for k := range fields {
		r.Header.Set(fmt.Sprint("x-", k), "1")
	}
	c := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(body)
}

// TestFaultyModuleFailsItsOwnRequest: with one thread that carries everything,
// others are served while a guest traps, loops, recurses or eats memory, and after.
func TestFaultyModuleFailsItsOwnRequest(t *testing.T) {
	forever := Loop(Br(0))
	for _, c := range []struct {
		name   string
		module []byte
	}{
		{"trap", faulty(Unreachable)},
		{"endless loop", faulty(forever)},
		{"memory", faulty(Loop(I32(1), MemoryGrow, I32(-1), Ne, BrIf(0)), Unreachable)},
		{"wild pointer", faulty(I32(-4), Load(0), Drop)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p dataplane.Proxy
			i := start(t, &p)
			f, err := xds.WasmFilter("faulty", c.module, nil)
			if err != nil {
				t.Fatal(err)
			}
			p.Filters = []dataplane.Filter{f}
			if err := i.Configure(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					if code, _ := status(t, p.Listen, 20); code != http.StatusServiceUnavailable {
						t.Errorf("the request that the guest fails got %d", code)
					}
				})
				for range 20 {
					all.Go(func() {
						if code, body := status(t, p.Listen, 0); code != http.StatusOK || body != "served" {
							t.Errorf("another request got %d %q", code, body)
						}
					})
				}
			}
			all.Wait()
			if code, _ := status(t, p.Listen, 0); code != http.StatusOK {
				t.Errorf("a request after it got %d", code)
			}
		})
	}
}

// TestModuleThatCannotBeLoaded: it is refused with what is wrong, and what was
// there goes on.
func TestModuleThatCannotBeLoaded(t *testing.T) {
	whole := noop.Function().Wasm.Module
	var foreign, starts Module
	foreign.Memory(1, 1)
	f := starts.Func("", "", "", 0, Unreachable)
	starts.Memory(1, 1)
	starts.Func("proxy_abi_version_0_2_1", "", "", 0)
	starts.Func("proxy_on_memory_allocate", "i", "i", 0, I32(1024))
	starts.Start(f)
	for _, c := range []struct {
		name   string
		module []byte
		want   string
	}{
		{"no module", []byte("#!/bin/sh"), "no WebAssembly module"},
		{"none", nil, "inline_bytes"},
		{"truncated", whole[:len(whole)/2], "faulty"},
		{"another ABI", foreign.Bytes(), "proxy_abi_version"},
		{"trap at its start", starts.Bytes(), "unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p dataplane.Proxy
			i := start(t, &p)
			if err := i.Configure(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			filter, err := xds.WasmFilter("faulty", c.module, nil)
			if err != nil {
				t.Fatal(err)
			}
			p.Filters = []dataplane.Filter{filter}
			err = i.Configure(t.Context(), p)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "faulty") {
				t.Errorf("got %v, want a refusal with %q", err, c.want)
			}
			if code, body := status(t, p.Listen, 0); code != http.StatusOK || body != "served" {
				t.Errorf("afterwards a request got %d %q", code, body)
			}
		})
	}
}
