package consul_test

import (
	"strings"
	"testing"

	"github.com/taremesh/tare/testbed"
)

func TestLacks(t *testing.T) {
	var b testbed.Limited = newTestbed(t)
	for _, c := range []struct{ factor, level, want string }{
		{"request", "1KiB", "forwards no bodies"},
		{"request", "0B", ""},
		{"protocol", "http/1.1", ""},
		{"protocol", "http/2", "HTTP/1.1"},
		{"cores", "1", "all cores"},
		{"replicas", "2", "one service for each treatment"},
		{"replicas", "1", ""},
		{"access-log", "on", "Consul's to configure"},
		{"access-log", "off", ""},
		{"mtls", "off", "always mutual TLS"},
		{"mtls", "on", "always mutual TLS"},
		{"connections", "4", ""},
		{"workers", "2", ""},
	} {
		err := b.Lacks(c.factor, c.level)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v, want %q", c.factor, c.level, err, c.want)
		}
	}
}
