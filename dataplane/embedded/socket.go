package embedded

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// socket is a TCP connection whose reads and writes are system calls that Go's
// scheduler is not told of. They never block, since the socket does not, so there
// is nothing for it to prepare for; being told costs a proxy a tenth of a request.
// One goroutine reads at a time, and one writes.
type socket struct {
	*net.TCPConn
	raw       syscall.RawConn
	in, out   transfer
	read, put func(fd uintptr) bool // made once
}

// transfer is one system call's buffer and result.
type transfer struct {
	b     []byte
	n     int
	errno syscall.Errno
}

// plain is the connection as a socket; as it is where it has none to be had.
func plain(c *net.TCPConn) net.Conn {
	raw, err := c.SyscallConn()
	if err != nil {
		return c // it is closed: whoever reads is told
	}
	s := &socket{TCPConn: c, raw: raw}
	s.read = func(fd uintptr) bool { return s.in.call(syscall.SYS_READ, fd) }
	s.put = func(fd uintptr) bool { return s.out.call(syscall.SYS_WRITE, fd) }
	return s
}

// call makes the system call, and reports whether it need not wait.
func (t *transfer) call(trap, fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.b))), uintptr(len(t.b)))
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		}
		t.n, t.errno = int(n), errno
		return true
	}
}

func (s *socket) Read(b []byte) (int, error) {
	s.in.b = b
	err := s.raw.Read(s.read)
	s.in.b = nil
	switch {
	case err != nil:
		return 0, err
	case s.in.errno != 0:
		return 0, os.NewSyscallError("read", s.in.errno)
	case s.in.n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return s.in.n, nil
}

func (s *socket) Write(b []byte) (done int, err error) {
	defer func() { s.out.b = nil }()
	for done < len(b) {
		s.out.b = b[done:]
		if err := s.raw.Write(s.put); err != nil {
			return done, err
		}
		if s.out.errno != 0 {
			return done, os.NewSyscallError("write", s.out.errno)
		}
		done += s.out.n
	}
	return done, nil
}
