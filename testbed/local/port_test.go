package local_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/testbed"
)

// A port that another program takes between the choice and its use costs
// another try; when all are taken the proxy's words are shown.
func TestPortOfAProxyTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := newTestbed(t)
	tries := 0
	b.ChoosePorts(func() (string, error) {
		if tries++; tries == 1 {
			return l.Addr().String(), nil
		}
		return process.FreeAddr()
	})
	s, err := b.Up(deadline(t, 30*time.Second), []testbed.Topology{proxied(topology(t, "a", part{}))}, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	if tries != 2 || s.Addr(0) == l.Addr().String() {
		t.Errorf("%d tries, at %s", tries, s.Addr(0))
	}
	s.Down()
	b.ChoosePorts(func() (string, error) { return l.Addr().String(), nil })
	_, err = b.Up(deadline(t, 30*time.Second), []testbed.Topology{proxied(topology(t, "a", part{}))}, []int{0})
	if err == nil || !strings.Contains(err.Error(), "configure the proxy of a") || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}
