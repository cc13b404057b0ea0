package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// Ports below the kernel's default ephemeral range (32768 and up), so that no
// outgoing connection can take one between the choice and its use.
const firstPort, lastPort = 20000, 31999

// ports deals this process each port once before any comes twice, from a place
// drawn at random: what asked for a port listens on it only seconds later, and a
// proxy that shares its port with another would never say so.
var ports = dealer(rand.Uint32N(lastPort - firstPort + 1))

func dealer(from uint32) func() int {
	var dealt atomic.Uint32
	return func() int { return firstPort + int((from+dealt.Add(1))%(lastPort-firstPort+1)) }
}

// FreeAddr returns a loopback address that nothing listens on, and that it has
// not returned before.
func FreeAddr() (string, error) {
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", ports())
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return "", fmt.Errorf("try port %s: %w", addr, err)
		}
		return addr, nil
	}
	return "", errors.New("found no free port on 127.0.0.1 in 100 tries between 20000 and 31999")
}
