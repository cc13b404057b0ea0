package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"

	"github.com/taremesh/tare/internal/grpcconn"
)

// When entries are sent before their time, and how many may wait.
const (
	batch       = 128
	mostWaiting = 16384
	// endPatience is how long the collector may take to take the last ones.
	endPatience = 5 * time.Second
)

// stream sends entries to a collector, behind the requests' back.
type stream struct {
	log     string
	flush   time.Duration
	addr    func() (string, bool)
	conns   grpcconn.Pool
	entries chan *datav3.HTTPAccessLogEntry
	end     chan struct{}
	closing sync.Once
	done    sync.WaitGroup

	open   alsv3.AccessLogService_StreamAccessLogsClient // nil: none
	cancel context.CancelFunc
}

func newStream(log string, flush time.Duration, addr func() (string, bool)) *stream {
	s := &stream{log: log, flush: flush, addr: addr, entries: make(chan *datav3.HTTPAccessLogEntry, mostWaiting), end: make(chan struct{})}
	s.done.Go(s.run)
	return s
}

// tell takes an entry; without room it is dropped.
func (s *stream) tell(e *datav3.HTTPAccessLogEntry) {
	select {
	case s.entries <- e:
	default:
	}
}

func (s *stream) run() {
	tick := time.NewTicker(s.flush)
	defer tick.Stop()
	var waiting []*datav3.HTTPAccessLogEntry
	for {
		select {
		case e := <-s.entries:
			if waiting = append(waiting, e); len(waiting) < batch {
				continue
			}
		case <-tick.C:
		case <-s.end:
			s.send(append(waiting, s.rest()...))
			s.hangUp()
			return
		}
		s.send(waiting)
		waiting = nil
	}
}

// rest is what has not been taken from the channel.
func (s *stream) rest() (all []*datav3.HTTPAccessLogEntry) {
	for {
		select {
		case e := <-s.entries:
			all = append(all, e)
		default:
			return all
		}
	}
}

// send sends entries on the open stream, or on a new one when it has ended: the
// node that it says is the process, since filters do not know the proxy's name.
// What neither takes is lost: a proxy that kept it would grow.
func (s *stream) send(entries []*datav3.HTTPAccessLogEntry) {
	if len(entries) == 0 {
		return
	}
	m := &alsv3.StreamAccessLogsMessage{LogEntries: &alsv3.StreamAccessLogsMessage_HttpLogs{
		HttpLogs: &alsv3.StreamAccessLogsMessage_HTTPAccessLogEntries{LogEntry: entries}}}
	if s.open != nil && s.open.Send(m) == nil {
		return
	}
	if !s.dial() {
		return
	}
	m.Identifier = &alsv3.StreamAccessLogsMessage_Identifier{Node: &corev3.Node{Id: fmt.Sprintf("embedded-%d", os.Getpid())}, LogName: s.log}
	if s.open.Send(m) != nil {
		s.drop()
	}
}

// dial opens a stream in place of the one that has ended.
func (s *stream) dial() bool {
	s.drop()
	addr, ok := s.addr()
	if !ok {
		return false
	}
	conn, err := s.conns.To(addr)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	open, err := alsv3.NewAccessLogServiceClient(conn).StreamAccessLogs(ctx)
	if err != nil {
		cancel()
		return false
	}
	s.open, s.cancel = open, cancel
	return true
}

// drop gives the stream up.
func (s *stream) drop() {
	if s.cancel != nil {
		s.cancel()
	}
	s.open, s.cancel = nil, nil
}

// hangUp ends the stream and waits until the collector has taken all of it.
func (s *stream) hangUp() {
	if s.open == nil {
		return
	}
	late := time.AfterFunc(endPatience, s.cancel)
	defer late.Stop()
	if _, err := s.open.CloseAndRecv(); err != nil && !errors.Is(err, io.EOF) {
		s.drop() // what was not taken is lost
		return
	}
	s.drop()
}

// Close sends what is left.
func (s *stream) Close() error {
	s.closing.Do(func() { close(s.end) })
	s.done.Wait()
	return s.conns.Close()
}
