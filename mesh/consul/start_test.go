//go:build mesh

package consul_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/mesh/consul"
)

// A port that another program takes at the last moment: everything is started
// once more on others.
func TestTakenPort(t *testing.T) {
	p := newSite(t, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for k := range 8 { // the ports of the agent, then of sidecars
		n := 0
		b := consul.New(newLauncher(t), catalog.FindConsul, catalog.FindEnvoy)
		b.ChoosePorts(func() (string, error) {
			n++
			if n == k+1 {
				return l.Addr().String(), nil
			}
			return freeAddr()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		s, err := b.Up(ctx, p.app.Topologies, []int{0, 1})
		cancel()
		if err != nil {
			t.Errorf("port %d taken: %v", k, err)
			continue
		}
		if n <= 9 { // what one start needs
			t.Errorf("port %d taken: %d ports asked for: nothing was started again", k, n)
		}
		if err := s.Down(); err != nil {
			t.Error(err)
		}
	}
}

// What an agent says last, after much else, is read before its end is judged.
func TestLastWords(t *testing.T) {
	p := newSite(t, "")
	exe := filepath.Join(t.TempDir(), "consul")
	if err := os.WriteFile(exe, []byte("#!/bin/sh\nseq 100000\necho bind: address already in use\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	n := 0
	b := consul.New(newLauncher(t), func() (string, error) { return exe, nil }, catalog.FindEnvoy)
	b.ChoosePorts(func() (string, error) {
		n++
		return freeAddr()
	})
	if _, err := b.Up(t.Context(), p.app.Topologies, []int{0, 1}); err == nil || !strings.HasSuffix(err.Error(), "address already in use") {
		t.Errorf("%v", err)
	}
	if n != 3*4 { // ports of the agent
		t.Errorf("%d ports asked for: it was not started three times", n)
	}
}
