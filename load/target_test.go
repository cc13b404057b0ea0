package load_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/load"
)

func TestParseTarget(t *testing.T) {
	cases := []struct{ url, name, addr, path string }{
		{"http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080", "/"},
		{"http://127.0.0.1:8080/a%20b?c=d&e#f", "127.0.0.1:8080", "127.0.0.1:8080", "/a%20b?c=d&e"},
		{"http://10.1.2.3", "10.1.2.3", "10.1.2.3:80", "/"},
		{"http://172.16.0.1/", "172.16.0.1", "172.16.0.1:80", "/"},
		{"http://192.168.7.7:1/", "192.168.7.7:1", "192.168.7.7:1", "/"},
		{"http://[::1]:90/x", "[::1]:90", "[::1]:90", "/x"},
		{"http://[fd00::1]/x", "[fd00::1]", "[fd00::1]:80", "/x"},
		{"http://[::ffff:127.0.0.1]:5/x", "[::ffff:127.0.0.1]:5", "127.0.0.1:5", "/x"},
		{"http://localhost:8080/x", "localhost:8080", "127.0.0.1:8080", "/x"},
	}
	for _, c := range cases {
		want := load.Target{Name: c.name, Addr: c.addr, Host: c.name, Connections: load.DefaultConnections, MaxConnections: load.DefaultMaxConnections}
		got, request, err := load.ParseTarget(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.url, diff)
		} else if request.Method != "GET" || request.Path != c.path {
			t.Errorf("%s: the request is %+v", c.url, request)
		}
	}
}

func TestParseTargetSchemes(t *testing.T) {
	cases := []struct {
		url     string
		want    load.Target
		request load.Request
	}{
		{"https://127.0.0.1/x", load.Target{Addr: "127.0.0.1:443", TLS: &load.TLS{}}, load.Request{Method: "GET", Path: "/x"}},
		{"h2c://127.0.0.1", load.Target{Addr: "127.0.0.1:80", Protocol: load.HTTP2}, load.Request{Method: "GET", Path: "/"}},
		{"h2://127.0.0.1:8", load.Target{Addr: "127.0.0.1:8", Protocol: load.HTTP2, TLS: &load.TLS{}}, load.Request{Method: "GET", Path: "/"}},
		{"grpc://127.0.0.1:9/a.B/C", load.Target{Addr: "127.0.0.1:9", Protocol: load.GRPC}, load.Request{Method: "POST", Path: "/a.B/C"}},
		{"grpcs://127.0.0.1:9/a.B/C", load.Target{Addr: "127.0.0.1:9", Protocol: load.GRPC, TLS: &load.TLS{}}, load.Request{Method: "POST", Path: "/a.B/C"}},
		{"ws://127.0.0.1/chat?a", load.Target{Addr: "127.0.0.1:80", Protocol: load.WebSocket}, load.Request{Method: "POST", Path: "/chat?a", Body: 64}},
		{"wss://127.0.0.1", load.Target{Addr: "127.0.0.1:443", Protocol: load.WebSocket, TLS: &load.TLS{}}, load.Request{Method: "POST", Path: "/", Body: 64}},
		{"tcp://127.0.0.1:7", load.Target{Addr: "127.0.0.1:7", Protocol: load.TCP}, load.Request{Method: "POST", Path: "/", Body: 64}},
		{"tcp+tls://127.0.0.1:7", load.Target{Addr: "127.0.0.1:7", Protocol: load.TCP, TLS: &load.TLS{}}, load.Request{Method: "POST", Path: "/", Body: 64}},
		{"connect://127.0.0.1:7", load.Target{Addr: "127.0.0.1:7", Protocol: load.Connect}, load.Request{Method: "GET", Path: "/"}},
		{"connect+tls://127.0.0.1:7", load.Target{Addr: "127.0.0.1:7", Protocol: load.Connect, TLS: &load.TLS{}}, load.Request{Method: "GET", Path: "/"}},
	}
	for _, c := range cases {
		got, request, err := load.ParseTarget(c.url)
		c.want.Connections, c.want.MaxConnections = load.DefaultConnections, load.DefaultMaxConnections
		c.want.Name, c.want.Host = got.Name, got.Host
		if diff := cmp.Diff(c.want, got) + cmp.Diff(c.request, request); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", c.url, err, diff)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	cases := []struct{ url, want string }{
		{"grpc://127.0.0.1/a.B/C", "names no port"},
		{"grpc://127.0.0.1:1/", "no /package.Service/Method"},
		{"grpc://127.0.0.1:1/a/b/c", "no /package.Service/Method"},
		{"tcp://127.0.0.1", "names no port"},
		{"ftp://127.0.0.1/", `"ftp"`},
		{"127.0.0.1:80", "URL"},
		{"localhost", `the scheme is ""`},
		{"http:///x", "names no host"},
		{"http://u:secret@127.0.0.1/", "Authorization"},
		{"http://8.8.8.8/", "loopback and private addresses only"},
		{"http://[2001:4860:4860::8888]/", "loopback and private addresses only"},
		{"http://0.0.0.0/", "loopback and private addresses only"},
		{"http://100.64.0.1/", "loopback and private addresses only"},
		{"http://169.254.169.254/", "give --allow-target 169.254.169.254"},
		{"http://127.0.0.1:99999/", "port"},
		{"http://127.0.0.1/\x00", "URL"},
	}
	for _, c := range cases {
		_, _, err := load.ParseTarget(c.url)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q in it", c.url, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows the password: %v", c.url, err)
		}
	}
}

// A host is vouched for by its exact name: neither by another one nor by all.
func TestParseTargetAllowed(t *testing.T) {
	target, _, err := load.ParseTarget("http://192.0.2.7:81/", "example.test", "192.0.2.7")
	if err != nil || target.Addr != "192.0.2.7:81" {
		t.Errorf("%+v, %v", target, err)
	}
	for _, allowed := range []string{"", "*", "192.0.2.0/24", "192.0.2.7:81", "192.0.2.70"} {
		if _, _, err := load.ParseTarget("http://192.0.2.7:81/", allowed); err == nil {
			t.Errorf("%q allows 192.0.2.7", allowed)
		}
	}
}

func TestTargetCheck(t *testing.T) {
	good := load.Target{Name: "x", Addr: "127.0.0.1:80", Connections: 1, MaxConnections: 1}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*load.Target){
		"address":        func(t *load.Target) { t.Addr = "127.0.0.1" },
		"empty port":     func(t *load.Target) { t.Addr = "127.0.0.1:" },
		"port":           func(t *load.Target) { t.Addr = "127.0.0.1:65536" },
		"split host":     func(t *load.Target) { t.Host = "a\r\nX: y" },
		"a body less":    func(t *load.Target) { t.Body = -1 },
		"a body more":    func(t *load.Target) { t.Body = load.MaxBody + 1 },
		"streams less":   func(t *load.Target) { t.Streams = -1 },
		"streams more":   func(t *load.Target) { t.Streams = load.MaxStreams + 1; t.Protocol = load.HTTP2 },
		"streams alone":  func(t *load.Target) { t.Streams = 2 },
		"no connections": func(t *load.Target) { t.Connections = 0 },
		"cap below pool": func(t *load.Target) { t.Connections = 2 },
	} {
		bad := good
		change(&bad)
		if bad.Check() == nil {
			t.Errorf("%s: no error for %+v", name, bad)
		}
	}
}

func TestRequestCheck(t *testing.T) {
	at := load.Target{Name: "x"}
	good := load.Request{Method: "POST", Path: "/", Body: 1}
	if err := load.Ask(good).Check(at); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*load.Request){
		"no method":     func(r *load.Request) { r.Method = "" },
		"split method":  func(r *load.Request) { r.Method = "GET /x" },
		"no path":       func(r *load.Request) { r.Path = "" },
		"split path":    func(r *load.Request) { r.Path = "/ HTTP/1.1\r\nX: y" },
		"header":        func(r *load.Request) { r.Header = [][2]string{{"Host", "x"}} },
		"a body less":   func(r *load.Request) { r.Body = -1 },
		"a body more":   func(r *load.Request) { r.Body = load.MaxBody + 1 },
		"body of a GET": func(r *load.Request) { r.Method = "GET" },
	} {
		bad := good
		change(&bad)
		if load.Ask(bad).Check(at) == nil {
			t.Errorf("%s: no error for %+v", name, bad)
		}
	}
	for name, c := range map[string]struct {
		protocol load.Protocol
		request  load.Request
	}{
		"nothing to echo":      {load.TCP, load.Request{Method: "POST", Path: "/"}},
		"no message":           {load.WebSocket, load.Request{Method: "POST", Path: "/"}},
		"no call":              {load.GRPC, load.Request{Method: "POST", Path: "/a"}},
		"messages over HTTP":   {load.HTTP2, load.Request{Method: "POST", Path: "/", Messages: 2}},
		"messages less":        {load.GRPC, load.Request{Method: "POST", Path: "/a/b", Messages: -1}},
		"messages without end": {load.GRPC, load.Request{Method: "POST", Path: "/a/b", Messages: load.MaxMessages + 1}},
	} {
		if load.Ask(c.request).Check(load.Target{Name: "x", Protocol: c.protocol}) == nil {
			t.Errorf("%s: no error for %+v", name, c)
		}
	}
	at.Body = 1
	if load.Ask(load.Request{Method: "GET", Path: "/"}).Check(at) == nil {
		t.Error("no error for a GET to a target that wants bodies")
	}
}

func TestPopulationCheck(t *testing.T) {
	check := func(name, value string) error {
		return load.Population{Users: []load.User{{Header: [][2]string{{name, value}}}}}.Check()
	}
	for _, h := range [][2]string{{"Authorization", "Bearer x.y.z"}, {"X-A_b", "tab\tand é"}, {"x", ""}} {
		if err := check(h[0], h[1]); err != nil {
			t.Errorf("%q: %v", h, err)
		}
	}
	for _, h := range [][2]string{{"", "x"}, {"a b", "x"}, {"a:", "x"}, {"a", "x\r\nb: c"}, {"a", "x\x00"}, {"Host", "x"}, {"content-length", "1"}, {"Connection", "close"}} {
		if check(h[0], h[1]) == nil {
			t.Errorf("%q: no error", h)
		}
	}
}
