package embedded_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/internal/process"
)

// Buffers, maps and actions of the ABI.
const (
	requestBody, responseBody       = 0, 1
	requestHeaders, responseHeaders = 0, 2
	pause                           = 1
)

// filter is a module whose texts lie in its memory.
type filter struct {
	Module
	at    int32
	set   Func // proxy_set_buffer_bytes
	field Func // proxy_replace_header_map_value
	reply Func // proxy_send_local_response
}

func newFilter() *filter {
	f := &filter{at: 2048}
	f.set = f.Import("env", "proxy_set_buffer_bytes", "iiiii", "i")
	f.field = f.Import("env", "proxy_replace_header_map_value", "iiiii", "i")
	f.reply = f.Import("env", "proxy_send_local_response", "iiiiiiii", "i")
	f.Memory(1, 4)
	f.Func("proxy_abi_version_0_2_1", "", "", 0)
	f.Func("proxy_on_memory_allocate", "i", "i", 0, I32(8192))
	return f
}

// text is the code for a text's address and length.
func (f *filter) text(s string) []byte {
	at := f.at
	f.Data(at, s)
	f.at += int32(len(s))
	return Join(I32(at), I32(int32(len(s))))
}

// change is the code that makes a body another, whatever its size.
func (f *filter) change(buffer int32, to string) []byte {
	return Join(Call(f.set, I32(buffer), I32(0), I32(1<<30), f.text(to)), Drop)
}

func (f *filter) header(m int32, name, value string) []byte {
	return Join(Call(f.field, I32(m), f.text(name), f.text(value)), Drop)
}

func (f *filter) answer(status int32, body string) []byte {
	return Join(Call(f.reply, I32(status), I32(0), I32(0), f.text(body), I32(0), I32(0), I32(-1)), Drop)
}

// on adds a hook of three parameters; what it returns is the last of the code.
func (f *filter) on(hook string, code ...[]byte) *filter {
	f.Func("proxy_on_"+hook, "iii", "i", 0, code...)
	return f
}

// untilEnd holds a body back until its end, and then runs the code.
func untilEnd(code ...[]byte) []byte {
	return Join(Get(2), Eqz, If(I32(pause), Return), Join(code...), I32(0))
}

// TestModulesChangeMessages: what a module makes of heads and bodies is what
// the other side gets, for bodies that come whole and for those that do not.
func TestModulesChangeMessages(t *testing.T) {
	large := strings.Repeat("tare", 60_000)
	for _, c := range []struct {
		name    string
		module  func(f *filter)
		send    string
		status  int
		want    string // of the service's answer: method, path, X-Mine, body
		chunked bool
	}{
		{"request body", func(f *filter) { f.on("request_body", f.change(requestBody, "other"), I32(0)) }, "mine", 200, "POST /a  other", false},
		{"large request body", func(f *filter) { f.on("request_body", f.change(requestBody, "other"), I32(0)) }, large, 200, "POST /a  other", true},
		{"path and a field", func(f *filter) {
			f.on("request_headers", f.header(requestHeaders, ":path", "/b?c"), f.header(requestHeaders, "x-mine", "yes"), I32(0))
		}, "mine", 200, "POST /b?c yes mine", false},
		{"response body", func(f *filter) { f.on("response_body", f.change(responseBody, "other"), I32(0)) }, "mine", 200, "other", false},
		{"response body held to its end", func(f *filter) { f.on("response_body", untilEnd(f.change(responseBody, "other"))) }, large, 200, "other", true},
		{"status", func(f *filter) { f.on("response_headers", f.header(responseHeaders, ":status", "201"), I32(0)) }, "mine", 201, "POST /a  mine", false},
		{"answer to the request", func(f *filter) { f.on("request_headers", f.answer(418, "teapot"), I32(pause)) }, "mine", 418, "teapot", false},
		{"answer to the request's body", func(f *filter) { f.on("request_body", f.answer(418, "teapot"), I32(pause)) }, large, 418, "teapot", true},
		{"answer to the response", func(f *filter) { f.on("response_headers", f.answer(418, "teapot"), I32(pause)) }, large, 418, "teapot", false},
		{"answer after the head has gone on", func(f *filter) { f.on("response_body", f.answer(418, "teapot"), I32(pause)) }, "mine", 503, "", false},
		{"trap at the response", func(f *filter) { f.on("response_headers", Unreachable) }, "mine", 503, "", false},
		{"trap at the response's body", func(f *filter) { f.on("response_body", Unreachable) }, "mine", 503, "", false},
		{"status that is none", func(f *filter) { f.on("response_headers", f.header(responseHeaders, ":status", "7"), I32(0)) }, "mine", 500, "a filter set a header that cannot be sent", false},
		{"field that is none", func(f *filter) { f.on("request_headers", f.header(requestHeaders, "x\r\ny", "1"), I32(0)) }, "mine", 500, "a filter set a header that cannot be sent", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFilter()
			c.module(f)
			addr := startThrough(t, f.Bytes())
			for range 3 { // on one connection, if it is kept
				body := io.Reader(strings.NewReader(c.send))
				if c.chunked {
					body = io.MultiReader(body)
				}
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/a", body)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != c.status || string(got) != c.want {
					t.Fatalf("got %d %.60q (%d bytes), %v; want %d %q", resp.StatusCode, got, len(got), err, c.status, c.want)
				}
			}
		})
	}
}

// startThrough is a proxy with the module before a service that tells what it got.
func startThrough(t *testing.T, module []byte) string {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("X-Mine")+" "+string(body))
	}))
	t.Cleanup(service.Close)
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	i, err := newPlane(t).Start(t.Context(), dataplane.Options{Name: "message"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	})
	p := dataplanetest.ToAll(addr, service.Listener.Addr().String())
	f, err := xds.WasmFilter("message", module, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Filters = []dataplane.Filter{f}
	if err := i.Configure(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return addr
}
