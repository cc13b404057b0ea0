// Package grpcconn keeps connections to the gRPC services that a filter of the
// embedded plane calls, one for each address.
//
// A cluster gives another address with each call; a connection to it is made
// when it is first named and then kept. There is no TLS: such services stand
// beside the proxy. It does not choose addresses.
package grpcconn

import (
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Pool is connections by address. The zero value is ready; it is safe for
// concurrent use.
type Pool struct {
	mu     sync.Mutex
	conns  map[string]*grpc.ClientConn
	closed bool
}

var errClosed = errors.New("the filter was closed")

// To returns the connection to an address (host:port). It does not wait until
// the service is reached.
func (p *Pool) To(addr string) (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.conns[addr]; c != nil {
		return c, nil
	}
	if p.closed {
		return nil, fmt.Errorf("connect to %s: %w", addr, errClosed)
	}
	c, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableServiceConfig())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	if p.conns == nil {
		p.conns = map[string]*grpc.ClientConn{}
	}
	p.conns[addr] = c
	return c, nil
}

// Close closes all of them; calls under way fail.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var all []error
	for _, c := range p.conns {
		all = append(all, c.Close())
	}
	p.conns = nil
	return errors.Join(all...)
}
