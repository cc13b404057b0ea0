package balance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Conn is Transport for clients of gRPC: the connection of a client, whose calls
// and streams go to the hosts of a group. It fails them itself, with the code
// Unavailable and Envoy's words, where no host may be asked or the breaker is
// open, and with DeadlineExceeded who waited for the breaker in vain. NewConn
// makes it.
type Conn struct {
	Group   *Group
	Breaker *Breaker                                     // nil: no limits
	Key     func(ctx context.Context, method string) Key // nil: without
	to      map[string]grpc.ClientConnInterface          // by address
}

var _ grpc.ClientConnInterface = (*Conn)(nil)

// NewConn makes a connection over those to addresses (host:port), in one group of
// its own. They have to tell of the end of streams (grpc.OnFinish), as those of
// gRPC do, and the caller closes them. Close this one first.
func NewConn(c Config, addrs []string, conns []grpc.ClientConnInterface, change func(int, *Member)) (*Conn, error) {
	if len(addrs) != len(conns) {
		return nil, fmt.Errorf("balance: %d connections for %d addresses", len(conns), len(addrs))
	}
	to := make(map[string]grpc.ClientConnInterface, len(addrs))
	for i, addr := range addrs {
		to[addr] = conns[i]
	}
	return &Conn{Group: newGroupOf(c, addrs, change), to: to}, nil
}

// Close ends what runs beside the calls.
func (c *Conn) Close() error {
	c.Group.Close()
	return nil
}

// Invoke makes a call.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	to, done, err := c.begin(ctx, method)
	if err != nil {
		return err
	}
	err = to.Invoke(ctx, method, args, reply, opts...)
	done(err)
	return err
}

// NewStream begins a stream, which is under way until its end.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	to, done, err := c.begin(ctx, method)
	if err != nil {
		return nil, err
	}
	var once sync.Once
	end := func(err error) { once.Do(func() { done(err) }) }
	s, err := to.NewStream(ctx, desc, method, append(slices.Clip(opts), grpc.OnFinish(end))...)
	if err != nil {
		end(err)
	}
	return s, err
}

// begin picks the connection for a call, which is to be told of its end.
func (c *Conn) begin(ctx context.Context, method string) (to grpc.ClientConnInterface, done func(error), err error) {
	if c.Breaker != nil {
		verdict := c.Breaker.Enter(func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, patience) })
		switch verdict {
		case Overflow:
			return nil, nil, status.Error(codes.Unavailable, overflow)
		case Waited:
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil, nil, status.FromContextError(ctx.Err()).Err()
			}
			return nil, nil, status.Error(codes.DeadlineExceeded, "waited for its turn until its time was over")
		}
	}
	var key Key
	if c.Key != nil {
		key = c.Key(ctx, method)
	}
	h := c.Group.Pick(key)
	if h == nil {
		c.leave()
		return nil, nil, status.Error(codes.Unavailable, noHost)
	}
	return c.to[h.Addr], func(err error) {
		code, fault := outcomeOf(ctx, err)
		c.Group.Done(h, code, fault)
		c.leave()
	}, nil
}

func (c *Conn) leave() {
	if c.Breaker != nil {
		c.Breaker.Leave()
	}
}

// outcomeOf is what the end of a call says of its host.
func outcomeOf(ctx context.Context, err error) (httpStatus int, f Fault) {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return 0, NoConclusion
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return 0, Slow
	}
	return failing[status.Code(err)], NoFault
}

// failing are the codes that a host is to blame for, as the HTTP statuses that
// Envoy's outlier detection takes them for; all others are successes to it.
var failing = map[codes.Code]int{
	codes.Unknown: 500, codes.Internal: 500, codes.DataLoss: 500, codes.Unimplemented: 501, codes.Unavailable: 503, codes.DeadlineExceeded: 504,
}
