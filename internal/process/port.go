package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports below the kernel's default ephemeral range (32768 and up), so that no
// outgoing connection can take one between the choice and its use.
const firstPort, lastPort = 20000, 31999

// FreeAddr returns a loopback address that nothing listens on.
func FreeAddr() (string, error) {
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort+1))
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
