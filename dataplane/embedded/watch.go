package embedded

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
)

// watch tells of clients that go away while nothing is read from them: the
// kernel reports the end of a connection once, at no cost for any request. A
// client that ends its own side has gone, as in Envoy.
type watch struct {
	fd   int
	file *os.File
	done chan struct{}

	mu    sync.Mutex
	conns map[uint64]*conn
	last  uint64
}

func newWatch() (*watch, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch connections: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, fmt.Errorf("watch connections: %w", err)
	}
	w := &watch{fd: fd, file: os.NewFile(uintptr(fd), "watch"), done: make(chan struct{}), conns: map[uint64]*conn{}}
	raw, err := w.file.SyscallConn()
	if err != nil {
		w.file.Close()
		return nil, fmt.Errorf("watch connections: %w", err)
	}
	go func() {
		defer close(w.done)
		for w.next(raw) {
		}
	}()
	return w, nil
}

// next waits for ends and hands them on; false: the watch is over.
func (w *watch) next(raw syscall.RawConn) bool {
	var events [64]syscall.EpollEvent
	n := 0
	err := raw.Read(func(fd uintptr) bool {
		var err error
		n, err = syscall.EpollWait(int(fd), events[:], 0)
		return n > 0 || err != nil && err != syscall.EINTR
	})
	if err != nil || n <= 0 {
		return false
	}
	for _, e := range events[:n] {
		token := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
		w.mu.Lock()
		c := w.conns[token]
		w.mu.Unlock()
		if c != nil {
			c.cancel(clientGone)
		}
	}
	return true
}

// add watches a connection. Where that fails the sweep finds out, later.
func (w *watch) add(c *conn, tcp *net.TCPConn) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last++
	c.token = w.last
	e := syscall.EpollEvent{Events: syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: int32(c.token), Pad: int32(c.token >> 32)}
	added := false
	if raw.Control(func(fd uintptr) { added = syscall.EpollCtl(w.fd, syscall.EPOLL_CTL_ADD, int(fd), &e) == nil }) == nil && added {
		w.conns[c.token] = c
	}
}

// drop forgets a connection, which the kernel does when it is closed.
func (w *watch) drop(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c.token)
}

func (w *watch) close() {
	w.file.Close()
	<-w.done
}
