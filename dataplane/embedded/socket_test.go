package embedded

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// sockets are the two ends of a connection: a socket, and Go's own.
func sockets(t testing.TB) (net.Conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	s := plain(a.(*net.TCPConn))
	if _, ok := s.(*socket); !ok {
		t.Fatalf("%T", s)
	}
	return s, b.(*net.TCPConn)
}

// A write that fills the kernel's buffers goes on when there is room, and all
// of it arrives.
func TestSocketCarriesMuch(t *testing.T) {
	s, other := sockets(t)
	sent := make([]byte, 32<<20)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Write(sent)
		done <- errors.Join(err, s.(*socket).CloseWrite())
	}()
	got, err := io.ReadAll(other)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d arrived as they were", len(got), len(sent))
	}
	go func() {
		_, err := other.Write(sent)
		done <- errors.Join(err, other.Close())
	}()
	got, err = io.ReadAll(onlyReader{s})
	if err := errors.Join(err, <-done); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d came back: %v", len(got), len(sent), err)
	}
}

// onlyReader hides the copying that TCPConn has.
type onlyReader struct{ io.Reader }

func TestSocketErrors(t *testing.T) {
	s, other := sockets(t)
	if err := s.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past its deadline: %v", err)
	}
	if err := s.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	woken := make(chan error, 1)
	go func() {
		_, err := s.Read(make([]byte, 1))
		woken <- err
	}()
	if err := other.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := <-woken; !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if err := errors.Join(other.SetLinger(0), other.Close()); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil { // until the reset is here
		_, err = s.Write([]byte("x"))
	}
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a reset: %v", err)
	}
	s.Close()
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading what is closed: %v", err)
	}
	if _, err := s.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing to what is closed: %v", err)
	}
}

func TestSocketAllocatesNothing(t *testing.T) {
	s, other := sockets(t)
	b := []byte("0123456789")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := s.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(other, b); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(b); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
