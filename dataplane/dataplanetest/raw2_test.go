package dataplanetest_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames is a request of HTTP/2 whose fields and data no honest client sends.
// In the fields %s is the case's own path.
type frames struct {
	name   string
	fields []string // name and value, in turn
	data   []string // nil: the request ends with its head
	open   bool     // it does not end at all
}

// honest are the fields of a request without fault.
func honest(more ...string) []string {
	return append([]string{":method", "POST", ":scheme", "http", ":path", "%s", ":authority", "a"}, more...)
}

func harm2() []frames {
	lie := "x\r\ntransfer-encoding: chunked\r\n\r\nGET %s/smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
	with := func(name, value string) []string {
		all := honest()
		i := slices.Index(all, name)
		all[i+1] = value
		return all
	}
	without := func(name string) []string {
		all := honest()
		i := slices.Index(all, name)
		return slices.Delete(all, i, i+2)
	}
	return []frames{
		{name: "honest", fields: honest("x-a", "b"), data: []string{"hello"}},
		{name: "honest with a length", fields: honest("content-length", "5"), data: []string{"he", "llo"}},
		{name: "lines in a value", fields: honest("x-a", lie)},
		{name: "LF in a value", fields: honest("x-a", "b\nx-b: c")},
		{name: "NUL in a value", fields: honest("x-a", "b\x00c")},
		{name: "lines in a name", fields: honest("x-a: b\r\nx-c", "d")},
		{name: "a colon in a name", fields: honest("x-a:b", "c")},
		{name: "a space in a name", fields: honest("x a", "b")},
		{name: "a capital in a name", fields: honest("X-A", "b")},
		{name: "no name", fields: honest("", "b")},
		{name: "lines in the path", fields: with(":path", "%s HTTP/1.1\r\nhost: a\r\n\r\nGET %s/smuggled")},
		{name: "a space in the path", fields: with(":path", "%s/x y")},
		{name: "no path", fields: without(":path")},
		{name: "an empty path", fields: with(":path", "")},
		{name: "a path without a slash", fields: with(":path", "x%s")},
		{name: "lines in the method", fields: with(":method", "GET %s/smuggled HTTP/1.1\r\nhost: a\r\n\r\nPOST")},
		{name: "a space in the method", fields: with(":method", "GET %s/smuggled")},
		{name: "no method", fields: without(":method")},
		{name: "lines in the authority", fields: with(":authority", "a\r\nx: y")},
		{name: "a path in the authority", fields: with(":authority", "a/b")},
		{name: "no authority", fields: without(":authority")},
		{name: "the same host", fields: honest("host", "a")},
		{name: "another host", fields: honest("host", "b")},
		{name: "another scheme", fields: with(":scheme", "http://b/?")},
		{name: "a path twice", fields: honest(":path", "/other")},
		{name: "a method twice", fields: honest(":method", "GET")},
		{name: "pseudo-fields last", fields: append([]string{"x-a", "b"}, honest()...)},
		{name: "a pseudo-field of responses", fields: honest(":status", "200")},
		{name: "an unknown pseudo-field", fields: honest(":x", "y")},
		{name: "chunked", fields: honest("transfer-encoding", "chunked"), data: []string{"0\r\n\r\nGET %s/smuggled HTTP/1.1\r\nhost: a\r\n\r\n"}},
		{name: "chunked and a length", fields: honest("transfer-encoding", "chunked", "content-length", "5"), data: []string{"0\r\n\r\n"}},
		{name: "a connection", fields: honest("connection", "close")},
		{name: "a connection that names a field", fields: honest("connection", "x-a", "x-a", "b")},
		{name: "an upgrade", fields: honest("upgrade", "websocket")},
		{name: "keep-alive", fields: honest("keep-alive", "1")},
		{name: "te", fields: honest("te", "gzip")},
		{name: "a length too long", fields: honest("content-length", "60"), data: []string{"hello"}},
		{name: "a length too short", fields: honest("content-length", "2"), data: []string{"hiGET %s/smuggled HTTP/1.1\r\nhost: a\r\n\r\n"}},
		{name: "a length of a body that is none", fields: honest("content-length", "3")},
		{name: "two lengths", fields: honest("content-length", "2", "content-length", "40"), data: []string{"hiGET %s/smuggled HTTP/1.1\r\nh: a\r\n\r\n"}},
		{name: "a length that is none", fields: honest("content-length", "2x"), data: []string{"hi"}},
		{name: "a length with a sign", fields: honest("content-length", "+2"), data: []string{"hi"}},
		{name: "cookies apart", fields: honest("cookie", "a=b", "cookie", "c=d")},
		{name: "CONNECT", fields: []string{":method", "CONNECT", ":authority", "a:80"}},
		{name: "CONNECT for WebSocket", fields: append(with(":method", "CONNECT"), ":protocol", "websocket"), open: true},
		{name: "many fields", fields: honest(slices.Repeat([]string{"x-a", "b"}, 120)...)},
		{name: "a large field", fields: honest("x-a", strings.Repeat("y", 70<<10))},
	}
}

// send sends the frames and says what became of the request.
func (f frames) send(t *testing.T, addr, path string) string {
	t.Helper()
	c := dial(t, addr)
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	fr := http2.NewFramer(c, c)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var head bytes.Buffer
	enc := hpack.NewEncoder(&head)
	for i := 0; i < len(f.fields); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: strings.ReplaceAll(f.fields[i], "%s", path), Value: strings.ReplaceAll(f.fields[i+1], "%s", path)})
	}
	if err := fr.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	// What fails from here on shows in what comes back.
	rest := head.Bytes()
	first := rest[:min(len(rest), 16<<10)]
	rest = rest[len(first):]
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndHeaders: len(rest) == 0, EndStream: f.data == nil && !f.open})
	for len(rest) > 0 {
		next := rest[:min(len(rest), 16<<10)]
		rest = rest[len(next):]
		_ = fr.WriteContinuation(1, len(rest) == 0, next)
	}
	for i, d := range f.data {
		_ = fr.WriteData(1, i == len(f.data)-1, []byte(strings.ReplaceAll(d, "%s", path)))
	}
	for {
		frame, err := fr.ReadFrame()
		if err != nil {
			return "refused" // the connection has ended
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			if s := frame.PseudoValue("status"); s < "400" {
				return s
			}
			return "refused"
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return "refused"
		}
	}
}

// TestBothRefuseHTTP2: what HTTP/2 could carry into HTTP/1.1. Nothing of it is
// smuggled through the embedded plane, and where it differs from Envoy is listed.
func TestBothRefuseHTTP2(t *testing.T) {
	t.Parallel()
	listed := known(t, "raw2")
	cases := harm2()
	var records [2][]string
	for k, plane := range planes(t) {
		book := &ledger{seen: map[string][]string{}}
		s := h1.serve(t, people{}, func(_ http.ResponseWriter, r *http.Request) { book.note(r) })
		addr := free(t)
		begin(t, plane, between(h2, h1, people{}, addr, s.addr))
		records[k] = make([]string, len(cases))
		var wg sync.WaitGroup
		for i, c := range cases {
			wg.Go(func() { records[k][i] = c.send(t, addr, fmt.Sprintf("/c%d", i)) })
		}
		wg.Wait()
		book.mu.Lock()
		for i := range cases {
			records[k][i] = strings.Join(append([]string{records[k][i]}, book.seen[fmt.Sprintf("c%d", i)]...), ", ")
		}
		book.mu.Unlock()
	}
	for i, c := range cases {
		hold(t, listed, "raw2/"+c.name, records[0][i:i+1], records[1][i:i+1])
		if strings.Contains(records[1][i], "/smuggled") {
			t.Errorf("%s: smuggled: %q", c.name, records[1][i])
		}
	}
	if records[1][0] != "200, asked POST /case of a with 5 bytes" {
		t.Errorf("an honest request: %q", records[1][0])
	}
}
