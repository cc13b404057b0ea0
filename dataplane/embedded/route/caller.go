package route

import (
	"strconv"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// Caller is what the callers of gRPC's requests have to say of how long they
// wait: their grpc-timeout takes the place of the route's timeout, and what is
// left of it is handed on.
type Caller struct {
	most time.Duration // whatever they say; 0: any time
}

func newCaller(a *routev3.RouteAction) (*Caller, error) {
	//lint:ignore SA1019 what has taken its place holds to the header and does not hand on what is left
	most := a.GetMaxGrpcTimeout()
	if most == nil {
		return nil, nil
	}
	d, err := duration("max_grpc_timeout", most)
	return &Caller{d}, err
}

// Wait is how long the caller of a request waits, 0 for any time; false: it is
// none of gRPC's.
func (c *Caller) Wait(x Copier) (time.Duration, bool) {
	if c == nil {
		return 0, false
	}
	if kind, ok := x.Copy("content-type", 0); !ok || !IsGRPC(kind) {
		return 0, false
	}
	said, ok := x.Copy("grpc-timeout", 0)
	if d, valid := GRPCTimeout(said); ok && valid && d > 0 && (c.most == 0 || d < c.most) {
		return d, true
	}
	return c.most, true
}

// AppendTimeout writes a time as grpc-timeout has it, in milliseconds as long as
// there is room, and never as none.
func AppendTimeout(b []byte, d time.Duration) []byte {
	const room = 100_000_000
	n, unit := int64(max(d/time.Millisecond, 1)), byte('m')
	if n >= room {
		n, unit = int64(d/time.Second), 'S'
	}
	return append(strconv.AppendInt(b, min(n, room-1), 10), unit)
}
