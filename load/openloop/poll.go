package openloop

import (
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The poller's own descriptors, beside the connections' slots.
const (
	wakeSlot  = -1
	timerSlot = -2
)

// poller is one thread's epoll, with a sleep of nanoseconds.
type poller struct {
	epoll, wakeup int
	timer         int // a timerfd where the kernel lacks epoll_pwait2, else -1
	events        [128]unix.EpollEvent
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create an epoll: %w", err)
	}
	p := &poller{epoll: epoll, wakeup: -1, timer: -1}
	if p.wakeup, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		p.close()
		return nil, fmt.Errorf("create an eventfd: %w", err)
	}
	if err := p.control(unix.EPOLL_CTL_ADD, p.wakeup, unix.EPOLLIN, wakeSlot, 0); err != nil {
		p.close()
		return nil, fmt.Errorf("watch the eventfd: %w", err)
	}
	// Kernels before 5.11, and some sandboxes, lack the call.
	if _, errno := p.pwait2(0); errno != 0 && errno != unix.EINTR {
		if err := p.useTimer(); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

// useTimer lets sleep use a timerfd instead of epoll_pwait2.
func (p *poller) useTimer() error {
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("create a timerfd: %w", err)
	}
	p.timer = timer
	if err := p.control(unix.EPOLL_CTL_ADD, timer, unix.EPOLLIN, timerSlot, 0); err != nil {
		return fmt.Errorf("watch the timerfd: %w", err)
	}
	return nil
}

func (p *poller) close() {
	for _, fd := range [...]int{p.timer, p.wakeup, p.epoll} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

func (p *poller) control(op, fd int, events uint32, slot int32, generation int32) error {
	return unix.EpollCtl(p.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: slot, Pad: generation})
}

// poll returns the events that are there now. It is the call of every spin
// round: raw, since it never blocks and needs nothing of the Go scheduler.
func (p *poller) poll() ([]unix.EpollEvent, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	return p.found(n, errno)
}

// sleep waits for events at most that long. It is raw too: told of a blocking
// call, the Go scheduler takes the thread's processor away within 20 µs and has
// to find another on waking, which was measured to double the CPU time of a
// paced request. The engine has a processor to spare for everybody else.
func (p *poller) sleep(d time.Duration) ([]unix.EpollEvent, unix.Errno) {
	if d <= 0 {
		return p.poll()
	}
	if p.timer < 0 {
		n, errno := p.pwait2(d)
		return p.found(n, errno)
	}
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if _, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(p.timer), 0, uintptr(unsafe.Pointer(&at)), 0, 0, 0); errno != 0 {
		return nil, errno
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), ^uintptr(0), 0, 0)
	return p.found(n, errno)
}

func (p *poller) pwait2(d time.Duration) (uintptr, unix.Errno) {
	timeout := unix.NsecToTimespec(int64(d))
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.epoll),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), uintptr(unsafe.Pointer(&timeout)), 0, 0)
	return n, errno
}

// found takes the poller's own descriptors out of the events.
func (p *poller) found(n uintptr, errno unix.Errno) ([]unix.EpollEvent, unix.Errno) {
	if errno == unix.EINTR {
		return nil, 0
	}
	if errno != 0 {
		return nil, errno
	}
	kept := p.events[:0]
	for _, e := range p.events[:n] {
		if e.Fd >= 0 {
			kept = append(kept, e)
			continue
		}
		fd := p.wakeup
		if e.Fd == timerSlot {
			fd = p.timer
		}
		var count [8]byte
		_, _ = readNow(fd, count[:])
	}
	return kept, 0
}

// wake ends a sleep from another thread.
func (p *poller) wake() {
	one := [8]byte{1}
	_, _ = writeNow(p.wakeup, one[:])
}

// readNow and writeNow are for descriptors that do not block.
func readNow(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func writeNow(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// writeBothNow writes two pieces, neither of them empty, by one call.
func writeBothNow(fd int, first, second []byte) (int, unix.Errno) {
	pieces := [2]unix.Iovec{
		{Base: &first[0], Len: uint64(len(first))},
		{Base: &second[0], Len: uint64(len(second))},
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&pieces)), uintptr(len(pieces)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// cpuTime reads a CPU clock of this process or thread.
func cpuTime(clock int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0 // both clocks always exist on Linux
	}
	return time.Duration(t.Nano())
}
