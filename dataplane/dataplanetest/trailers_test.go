package dataplanetest_test

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	upstreamsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/dataplane"
)

// trailing lets a listener's HTTP/1.1 have trailers.
func trailing(r *dataplane.Resources) error {
	return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
		m.HttpProtocolOptions = &corev3.Http1ProtocolOptions{EnableTrailers: true}
		return nil
	})
}

// trailingUpstream lets that of the clusters have them, which speak it.
func trailingUpstream(r *dataplane.Resources) error {
	for _, c := range r.Clusters {
		if len(c.TypedExtensionProtocolOptions) > 0 {
			continue // HTTP/2
		}
		packed, err := dataplane.Pack(&upstreamsv3.HttpProtocolOptions{UpstreamProtocolOptions: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig{ProtocolConfig: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{
				HttpProtocolOptions: &corev3.Http1ProtocolOptions{EnableTrailers: true}}}}})
		if err != nil {
			return err
		}
		c.TypedExtensionProtocolOptions = map[string]*anypb.Any{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": packed}
	}
	return nil
}

// message is one of HTTP/1.1 as it came, in lines.
func message(in *bufio.Reader, who string) (lines []string, err error) {
	text := textproto.NewReader(in)
	first, err := text.ReadLine()
	if err != nil {
		return nil, err
	}
	lines = append(lines, who+" "+first)
	chunked, length := false, 0
	fields := func(what string) error {
		for {
			line, err := text.ReadLine()
			if err != nil || line == "" {
				return err
			}
			name, value, _ := strings.Cut(line, ": ")
			name = strings.ToLower(name)
			switch {
			case what == "trailer":
			case name == "transfer-encoding":
				chunked = true
			case name == "content-length":
				if length, err = strconv.Atoi(value); err != nil {
					return err
				}
			case name != "trailer" && name != "te":
				continue
			}
			lines = append(lines, fmt.Sprintf("%s %s %s: %s", who, what, name, strings.ToLower(value)))
		}
	}
	if err := fields("field"); err != nil || !chunked {
		body := make([]byte, length)
		_, err := io.ReadFull(in, body)
		return append(lines, fmt.Sprintf("%s body %q", who, body)), err
	}
	var body []byte
	for {
		line, err := text.ReadLine()
		if err != nil {
			return lines, err
		}
		n, err := strconv.ParseInt(line, 16, 32)
		if err != nil {
			return lines, err
		}
		if n == 0 {
			lines = append(lines, fmt.Sprintf("%s body %q", who, body))
			return lines, fields("trailer")
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(in, chunk); err != nil {
			return lines, err
		}
		body = append(body, chunk[:n]...)
	}
}

// exchange is a request and its response with trailers, in whatever carries them.
type exchange struct {
	name      string
	announced string   // what Trailer says, on either side; empty: nothing
	request   []string // names and values, in turn
	response  []string
	length    bool // the length of the request's body is told
}

// trailers are those of HTTP/1.1.
func trailers(fields []string) string {
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", fields[i], fields[i+1])
	}
	return b.String()
}

// announce is the field Trailer, if there is one.
func (x exchange) announce() []string {
	if x.announced == "" {
		return nil
	}
	return []string{"trailer", x.announced}
}

// ask makes the request over HTTP/1.1, and another behind it, which shows that the
// first one ended where it should.
func (x exchange) askOne(t *testing.T, addr, path string) (lines []string) {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n%sTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n%s\r\n", path, trailers(x.announce()), trailers(x.request))
	in := bufio.NewReader(c)
	lines, err := message(in, "answer")
	if err != nil || !strings.Contains(lines[0], "200") {
		return append(lines[:min(1, len(lines))], "and that is all")
	}
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
	more, err := message(in, "next answer")
	if err != nil {
		return append(lines, "it ends")
	}
	return append(lines, more[0])
}

// askTwo makes it over HTTP/2.
func (x exchange) askTwo(t *testing.T, addr, path string) (lines []string) {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	w := newWire(c)
	if err := w.begin(c); err != nil {
		t.Fatal(err)
	}
	head := append([]string{":method", "POST", ":scheme", "http", ":path", path, ":authority", "a", "te", "trailers"}, x.announce()...)
	if x.length {
		head = append(head, "content-length", "2")
	}
	if w.fields(1, false, head...) != nil || w.WriteData(1, false, []byte("hi")) != nil || w.fields(1, true, x.request...) != nil {
		t.Fatal("the connection ends")
	}
	var body []byte
	for {
		f, err := w.next()
		if err != nil {
			return append(lines, "and that is all")
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			lines = append(lines, fieldLines(f, "answer")...)
		case *http2.DataFrame:
			body = append(body, f.Data()...)
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return append(lines, "and that is all")
		}
		if f.Header().Flags.Has(http2.FlagDataEndStream) && f.Header().Type != http2.FrameSettings {
			return append(lines, fmt.Sprintf("answer body %q", body))
		}
	}
}

// fieldLines are a head's, or a trailer's.
func fieldLines(f *http2.MetaHeadersFrame, who string) (lines []string) {
	if len(f.PseudoFields()) == 0 {
		for _, h := range f.Fields {
			lines = append(lines, fmt.Sprintf("%s trailer %s: %s", who, h.Name, h.Value))
		}
		return lines
	}
	for _, h := range f.Fields {
		switch h.Name {
		case ":method", ":path", ":status", "trailer", "te", "content-length":
			lines = append(lines, fmt.Sprintf("%s field %s: %s", who, h.Name, strings.ToLower(h.Value)))
		}
	}
	return lines
}

// exchanges are what a service can answer, by the number in the path.
type exchanges []exchange

func (all exchanges) of(path string) exchange {
	var i int
	_, _ = fmt.Sscanf(path, "/%d", &i)
	return all[i]
}

// serveOne answers over HTTP/1.1.
func (all exchanges) serveOne(t *testing.T) *service {
	return accept(t, func(s *service, c net.Conn) {
		in := bufio.NewReader(c)
		for {
			lines, err := message(in, "asked")
			if err != nil {
				return
			}
			for _, l := range lines {
				s.say(l)
			}
			x := all.of(strings.Fields(lines[0])[2])
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n%s\r\n", trailers(x.announce()), trailers(x.response))
		}
	})
}

// serveTwo answers over HTTP/2.
func (all exchanges) serveTwo(t *testing.T) *service {
	return accept(t, func(s *service, c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		w := newWire(c)
		if w.WriteSettings() != nil {
			return
		}
		var x exchange
		var body []byte
		for {
			f, err := w.next()
			if err != nil {
				return
			}
			switch f := f.(type) {
			case *http2.SettingsFrame:
				continue
			case *http2.MetaHeadersFrame:
				if path := f.PseudoValue("path"); path != "" {
					x, body = all.of(path), nil
				}
				for _, l := range fieldLines(f, "asked") {
					s.say(l)
				}
			case *http2.DataFrame:
				body = append(body, f.Data()...)
			}
			if !f.Header().Flags.Has(http2.FlagDataEndStream) {
				continue
			}
			s.say(fmt.Sprintf("asked body %q", body))
			id := f.Header().StreamID
			if w.fields(id, false, append([]string{":status", "200"}, x.announce()...)...) != nil ||
				w.WriteData(id, false, []byte("ok")) != nil || w.fields(id, true, x.response...) != nil {
				return
			}
			body = nil
		}
	})
}

func accept(t *testing.T, serve func(*service, net.Conn)) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &service{addr: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if c.SetDeadline(time.Now().Add(patience)) == nil {
					serve(s, c)
				}
			}()
		}
	}()
	return s
}

// lets are where HTTP/1.1 is let have trailers.
var lets = []struct {
	name                    string
	fromClients, toServices bool
}{{"by default", false, false}, {"from clients", true, false}, {"to services", false, true}, {"both", true, true}}

var (
	ways = []struct{ down, up carrier }{{h1, h1}, {h1, h2}, {h2, h1}, {h2, h2}}
	pair = []string{"x-one", "1", "x-two", "2"}
)

// TestBothTrail: trailers of requests and of responses, from each version to each,
// where HTTP/1.1 is let have them and where it is not.
func TestBothTrail(t *testing.T) {
	t.Parallel()
	listed := known(t, "trailers/")
	both := planes(t)
	all := exchanges{
		{name: "announced", announced: "x-one, x-two", request: pair, response: pair},
		{name: "not announced", request: pair, response: pair},
		{name: "behind a told length", announced: "x-one, x-two", request: pair, response: pair, length: true},
	}
	for _, way := range ways {
		for _, let := range lets {
			name := fmt.Sprintf("%s to %s/%s", way.down.name, way.up.name, let.name)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var records [2]map[string][]string
				for k, plane := range both {
					records[k] = all.through(t, plane, way.down, way.up, let.fromClients, let.toServices)
				}
				for _, x := range all {
					hold(t, listed, "trailers/"+name+"/"+x.name, records[0][x.name], records[1][x.name])
				}
				passes := (way.down.http2 || let.fromClients) && (way.up.http2 || let.toServices)
				for _, line := range []string{"asked trailer x-one: 1", "asked trailer x-two: 2", "answer trailer x-one: 1", "answer trailer x-two: 2"} {
					if got := slices.Contains(records[1]["announced"], line); got != passes {
						t.Errorf("%s: %v, want %v", line, got, passes)
					}
				}
			})
		}
	}
}

// TestTrailersThatMeanMore: fields that say how a message is framed, where it goes,
// who sent it or how it is to be read are not handed on behind a body, to nobody;
// what stands beside them is, or the message is refused. (Envoy hands on most, and
// to HTTP/1.1 all of them.)
func TestTrailersThatMeanMore(t *testing.T) {
	t.Parallel()
	plane := planes(t)[1]
	var all exchanges
	for _, name := range []string{"content-length", "transfer-encoding", "host", "connection", "te", "upgrade", "trailer", "keep-alive", "proxy-connection",
		"authorization", "cookie", "content-encoding", "expect", "x-forwarded-client-cert", "set-cookie"} {
		value := map[string]string{"transfer-encoding": "chunked", "upgrade": "websocket"}[name]
		fields := []string{name, cmp.Or(value, "1"), "x-one", "1"}
		all = append(all, exchange{name: name, announced: "x-one", request: fields, response: pair}, exchange{name: name + " of a response", announced: "x-one", request: pair, response: fields})
	}
	for _, way := range ways {
		t.Run(way.down.name+" to "+way.up.name, func(t *testing.T) {
			t.Parallel()
			record := all.through(t, plane, way.down, way.up, true, true)
			for _, x := range all {
				lines, name := record[x.name], strings.TrimSuffix(x.name, " of a response")
				refused := slices.Contains(lines, "and that is all")
				if slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, " trailer "+name+":") }) {
					t.Errorf("%s was handed on: %q", x.name, lines)
				}
				if one := slices.Contains(lines, "asked trailer x-one: 1") && slices.Contains(lines, "answer trailer x-one: 1"); !one && !refused || refused && !way.down.http2 && !way.up.http2 {
					t.Errorf("%s: what stands beside it is lost: %q", x.name, lines)
				}
			}
		})
	}
}

// through is what becomes of the exchanges on a plane.
func (all exchanges) through(t *testing.T, plane dataplane.DataPlane, down, up carrier, fromClients, toServices bool) map[string][]string {
	t.Helper()
	serve := all.serveOne
	if up.http2 {
		serve = all.serveTwo
	}
	s := serve(t)
	p := between(down, up, people{}, free(t), s.addr)
	if fromClients {
		p.Shapes = append(p.Shapes, trailing)
	}
	if toServices {
		p.Shapes = append(p.Shapes, trailingUpstream)
	}
	begin(t, plane, p)
	record := map[string][]string{}
	for i, x := range all {
		ask, path := x.askOne, fmt.Sprint("/", i)
		if down.http2 {
			ask = x.askTwo
		}
		lines := ask(t, p.Listen, path)
		if !slices.Contains(lines, "and that is all") {
			lines = append(lines, s.look()...)
		}
		s.look() // how far a request came that is refused is a matter of chance
		slices.Sort(lines)
		record[x.name] = lines
	}
	return record
}
