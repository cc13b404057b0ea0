package embedded

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/internal/http1"
)

// When a log is written to its file: at so many bytes, and at such times, as
// Envoy does.
const (
	flushBytes = 64 << 10
	flushTime  = 10 * time.Second
)

// accessLog writes a line of every request to a file. Lines are gathered in
// memory; one goroutine writes them, so that no request waits for the disk.
type accessLog struct {
	logFormat
	file *os.File
	full chan struct{} // there is enough to write
	end  chan struct{}
	done sync.WaitGroup
	lost func(error) // told when lines could not be written

	mu     sync.Mutex
	lines  []byte
	spare  []byte
	failed bool
}

// openLog opens the file and starts the writer; end ends it.
func openLog(s logSpec, lost func(error)) (*accessLog, error) {
	format, err := parseLogFormat(s.format)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("unable to open file '%s': %w", s.path, err)
	}
	l := &accessLog{logFormat: format, file: f, full: make(chan struct{}, 1), end: make(chan struct{}), lost: lost}
	l.done.Go(l.write)
	return l, nil
}

// close writes what is left.
func (l *accessLog) close() {
	close(l.end)
	l.done.Wait()
	l.flush()
	if err := l.file.Close(); err != nil {
		l.fail(err)
	}
}

func (l *accessLog) write() {
	t := time.NewTicker(flushTime)
	defer t.Stop()
	for {
		select {
		case <-l.full:
		case <-t.C:
		case <-l.end:
			return
		}
		l.flush()
	}
}

// flush is called by one goroutine at a time.
func (l *accessLog) flush() {
	l.mu.Lock()
	lines := l.lines
	l.lines, l.spare = l.spare[:0], nil
	l.mu.Unlock()
	if len(lines) > 0 {
		if _, err := l.file.Write(lines); err != nil {
			l.fail(err)
		}
	}
	l.mu.Lock()
	l.spare = lines
	l.mu.Unlock()
}

// fail says once that lines are lost.
func (l *accessLog) fail(err error) {
	if !l.failed && l.lost != nil {
		l.lost(fmt.Errorf("write the access log: %w", err))
	}
	l.failed = true
}

// note is what is known of a request for its line. One belongs to each
// connection and is used again for every request.
type note struct {
	http2    bool       // the request came over it
	log      *accessLog // nil: there is no request, or no log
	began    time.Time
	protocol string
	fields   []byte // what the format wants of the request's head
	ends     []int  // of each of them in fields
	upstream string
	status   int          // 0: no answer
	received atomic.Int64 // bytes of the request's body; announced ones when there is a length
	sent     int64        // bytes of the response's body
	done     bool         // the response has reached its end
	watched  bool         // all but the fields is wanted without a log, too
}

// begin copies from the request what its line will need: the head is gone when
// its body has been read. A nil request is one that was not understood.
func (n *note) begin(l *accessLog, r *http1.Request) {
	n.log = l
	if l == nil && !n.watched {
		return
	}
	n.began, n.protocol, n.upstream, n.status, n.sent, n.done = time.Now(), "HTTP/1.1", "", 0, 0, false
	n.received.Store(0)
	n.fields, n.ends = n.fields[:0], n.ends[:0]
	if r == nil {
		n.protocol = ""
	} else {
		n.received.Store(max(r.Length, 0))
		switch {
		case n.http2:
			n.protocol = "HTTP/2"
		case r.Old():
			n.protocol = "HTTP/1.0"
		}
	}
	if l == nil {
		return
	}
	for _, name := range l.wanted {
		n.fields = append(n.fields, fieldOf(r, name)...)
		n.ends = append(n.ends, len(n.fields))
	}
}

func fieldOf(r *http1.Request, name string) []byte {
	if r == nil {
		return nil
	}
	switch name {
	case ":method":
		return r.Method
	case ":path":
		return r.Target
	case ":authority", "host":
		return r.Host
	}
	value, _ := r.Get(name)
	return value
}

// end adds the line to the log.
func (n *note) end() {
	l := n.log
	n.log = nil
	l.mu.Lock()
	l.lines = l.append(l.lines, n, time.Now())
	full := len(l.lines) >= flushBytes
	l.mu.Unlock()
	if full {
		select {
		case l.full <- struct{}{}:
		default: // the writer has been told
		}
	}
}

// logFormat is Envoy's text format, taken apart.
type logFormat struct {
	parts  []logPart
	wanted []string // fields of the request, in the order of the parts
}

// logPart is a piece of text or an operator; where it is neither, it is the
// next of the wanted fields.
type logPart struct {
	text     string
	operator func(b []byte, n *note, now time.Time) []byte
}

// logOperators are those of Envoy's that this plane knows, beside REQ(…).
var logOperators = map[string]func(b []byte, n *note, now time.Time) []byte{
	"START_TIME": func(b []byte, n *note, _ time.Time) []byte {
		return n.began.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	},
	"PROTOCOL":       func(b []byte, n *note, _ time.Time) []byte { return orDash(b, n.protocol) },
	"RESPONSE_CODE":  func(b []byte, n *note, _ time.Time) []byte { return strconv.AppendInt(b, int64(n.status), 10) },
	"BYTES_RECEIVED": func(b []byte, n *note, _ time.Time) []byte { return strconv.AppendInt(b, n.received.Load(), 10) },
	"BYTES_SENT":     func(b []byte, n *note, _ time.Time) []byte { return strconv.AppendInt(b, n.sent, 10) },
	"DURATION": func(b []byte, n *note, now time.Time) []byte {
		return strconv.AppendInt(b, now.Sub(n.began).Milliseconds(), 10)
	},
	"UPSTREAM_HOST": func(b []byte, n *note, _ time.Time) []byte { return orDash(b, n.upstream) },
}

func orDash(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	return append(b, s...)
}

func parseLogFormat(text string) (f logFormat, err error) {
	for text != "" {
		before, rest, found := strings.Cut(text, "%")
		if before != "" {
			f.parts = append(f.parts, logPart{text: before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "%")
		if !closed {
			return f, fmt.Errorf("the operator %%%s has no end", name)
		}
		text = after
		field, isField := strings.CutPrefix(name, "REQ(")
		operator, known := logOperators[name]
		switch {
		case name == "":
			f.parts = append(f.parts, logPart{text: "%"})
		case known:
			f.parts = append(f.parts, logPart{operator: operator})
		case isField && strings.HasSuffix(field, ")") && !strings.Contains(field, "?"):
			f.parts = append(f.parts, logPart{})
			f.wanted = append(f.wanted, strings.ToLower(strings.TrimSuffix(field, ")")))
		default:
			return f, fmt.Errorf("the operator %%%s%% is not supported", name)
		}
	}
	return f, nil
}

// append adds the line of a request.
func (f *logFormat) append(b []byte, n *note, now time.Time) []byte {
	field, start := 0, 0
	for _, p := range f.parts {
		switch {
		case p.text != "":
			b = append(b, p.text...)
		case p.operator != nil:
			b = p.operator(b, n, now)
		default:
			value := n.fields[start:n.ends[field]]
			start = n.ends[field]
			if field++; len(value) == 0 {
				b = append(b, '-')
			}
			b = append(b, value...)
		}
	}
	return b
}
