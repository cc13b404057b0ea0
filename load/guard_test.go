package load_test

import (
	"strings"
	"testing"

	"github.com/taremesh/tare/load"
)

func TestGuard(t *testing.T) {
	for _, c := range []struct {
		addr, host string
		allowed    []string
		want       string // in the error; empty: none
	}{
		{"127.0.0.1:80", "x", nil, ""},
		{"[::1]:80", "x", nil, ""},
		{"10.1.2.3:80", "x", nil, ""},
		{"[::ffff:10.1.2.3]:80", "x", nil, ""},
		{"8.8.8.8:80", "dns.test:80", nil, "--allow-target 8.8.8.8"},
		{"[::ffff:8.8.8.8]:80", "dns.test", nil, "8.8.8.8 is a public address"},
		{"8.8.8.8:80", "dns.test:80", []string{"dns.test"}, "public"},
		{"8.8.8.8:80", "dns.test", []string{"8.8.8.8"}, ""},
		{"0.0.0.0:80", "x", nil, "public"},
		{"169.254.169.254:80", "x", nil, "--allow-target 169.254.169.254"},
		{"dns.test:80", "dns.test", []string{"dns.test"}, "not ip:port"}, // a name may mean another address here
	} {
		err := load.Target{Name: "x", Addr: c.addr, Host: c.host}.Guard(c.allowed...)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s, allowed %v: error %v, want %q in it", c.addr, c.allowed, err, c.want)
		}
	}
}
