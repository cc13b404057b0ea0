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
		want := load.Target{Name: c.name, Addr: c.addr, Host: c.name, Path: c.path, Method: "GET", Connections: load.DefaultConnections, MaxConnections: load.DefaultMaxConnections}
		got, err := load.ParseTarget(c.url)
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.url, diff)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	cases := []struct{ url, want string }{
		{"https://127.0.0.1/", "https is not offered"},
		{"ftp://127.0.0.1/", `"ftp"`},
		{"127.0.0.1:80", "URL"},
		{"localhost", `the scheme is ""`},
		{"http:///x", "names no host"},
		{"http://u:secret@127.0.0.1/", "Authorization"},
		{"http://8.8.8.8/", "loopback and private addresses only"},
		{"http://[2001:4860:4860::8888]/", "loopback and private addresses only"},
		{"http://0.0.0.0/", "loopback and private addresses only"},
		{"http://100.64.0.1/", "loopback and private addresses only"},
		{"http://127.0.0.1:99999/", "port"},
		{"http://127.0.0.1/\x00", "URL"},
	}
	for _, c := range cases {
		_, err := load.ParseTarget(c.url)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q in it", c.url, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error shows the password: %v", c.url, err)
		}
	}
}

func TestTargetCheck(t *testing.T) {
	good := load.Target{Name: "x", Addr: "127.0.0.1:80", Method: "GET", Path: "/", Connections: 1, MaxConnections: 1}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*load.Target){
		"address":        func(t *load.Target) { t.Addr = "127.0.0.1" },
		"empty port":     func(t *load.Target) { t.Addr = "127.0.0.1:" },
		"port":           func(t *load.Target) { t.Addr = "127.0.0.1:65536" },
		"no method":      func(t *load.Target) { t.Method = "" },
		"split method":   func(t *load.Target) { t.Method = "GET /x" },
		"no path":        func(t *load.Target) { t.Path = "" },
		"split path":     func(t *load.Target) { t.Path = "/ HTTP/1.1\r\nX: y" },
		"split host":     func(t *load.Target) { t.Host = "a\r\nX: y" },
		"a body less":    func(t *load.Target) { t.Method, t.Body = "POST", -1 },
		"a body more":    func(t *load.Target) { t.Method, t.Body = "POST", load.MaxBody+1 },
		"body of a GET":  func(t *load.Target) { t.Body = 1 },
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
