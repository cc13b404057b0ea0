package openloop

import (
	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

// opening is the protocol whose requests are connections: each is opened (with
// TLS where the target has it) and closed. Its pool has none that stand, and
// every connection is opened for one arrival: Written is when the kernel was
// told to connect, the last byte when the connection stood.
type opening struct{ w *worker }

func (p *opening) greet(slot int32) bool {
	w := p.w
	c := &w.conns[slot]
	pool := &w.pools[c.pool]
	s := w.sample(c.arrival)
	s.FirstByte = w.now()
	s.LastByte = s.FirstByte
	arrival := c.arrival
	w.drop(slot)
	w.settle(arrival, load.OK)
	w.pump(pool)
	return false
}

func (p *opening) cancel(slot, _ int32) {
	pool := &p.w.pools[p.w.conns[slot].pool]
	p.w.drop(slot)
	p.w.pump(pool)
}

// No connection lives on, so that nothing more comes.
func (*opening) start(int32, int32)      {}
func (*opening) retire(int32)            {}
func (*opening) take(int32, []byte) bool { return true }
func (*opening) writable(int32) bool     { return true }
func (*opening) ended(int32, unix.Errno) {}
