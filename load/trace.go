package load

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// TraceFormat is the first line of a recorded trace: its name and version.
// docs/formats/trace.md describes what follows.
const TraceFormat = "tare-trace/1"

// MaxTrace is how many arrivals a trace may have: they are kept in memory, 2 to
// 5 bytes each.
const MaxTrace = 1 << 26

// maxTraceLine bounds a line of a trace.
const maxTraceLine = 1 << 10

// Trace is when requests were made, and, where it says so, of which kind they
// were and who made them. The zero value has none.
type Trace struct {
	records  []byte // the gap before it in ns, then the request and the user, if given
	requests bool
	users    bool
	n        int
	last     time.Duration
	request  int // the greatest
	user     int // the greatest
}

// Len is how many arrivals it has.
func (t *Trace) Len() int { return t.n }

// Last is when the last of them is.
func (t *Trace) Last() time.Duration { return t.last }

func (t *Trace) add(a Arrival) error {
	switch {
	case a.At < t.last:
		return fmt.Errorf("the time %v comes after %v: times must not go back", a.At, t.last)
	case a.At > MaxLength:
		return fmt.Errorf("the time is %v, more than %v", a.At, MaxLength)
	case a.Request < 0 || a.Request > math.MaxUint16:
		return fmt.Errorf("the request is %d, not 0 to %d", a.Request, math.MaxUint16)
	case a.User < 0 || a.User > math.MaxInt32:
		return fmt.Errorf("the user is %d, not 0 to %d", a.User, math.MaxInt32)
	case t.n == MaxTrace:
		return fmt.Errorf("more than %d arrivals", MaxTrace)
	}
	t.records = binary.AppendUvarint(t.records, uint64(a.At-t.last))
	if t.requests {
		t.records = binary.AppendUvarint(t.records, uint64(a.Request))
		t.request = max(t.request, a.Request)
	}
	if t.users {
		t.records = binary.AppendUvarint(t.records, uint64(a.User))
		t.user = max(t.user, a.User)
	}
	t.last = a.At
	t.n++
	return nil
}

// playback is where in a trace a schedule is.
type playback struct {
	trace *Trace
	rest  []byte
	at    time.Duration
}

// next fills in what the trace says of the next arrival; false after the last.
func (p *playback) next(a *Arrival) bool {
	if len(p.rest) == 0 {
		return false
	}
	p.at += time.Duration(p.number())
	a.At = p.at
	if p.trace.requests {
		a.Request = int(p.number())
	}
	if p.trace.users {
		a.User = int(p.number())
	}
	return true
}

// number is the next of the records, which are whole: only add writes them.
func (p *playback) number() uint64 {
	x, n := binary.Uvarint(p.rest)
	p.rest = p.rest[n:]
	return x
}

// TraceOf is the trace of samples: their intended times from the first on,
// their kinds of request and their users.
func TraceOf(samples []Sample) (*Trace, error) {
	t := &Trace{requests: true, users: true}
	for i, s := range samples {
		if err := t.add(Arrival{At: s.Intended - samples[0].Intended, Request: int(s.Request), User: int(s.User)}); err != nil {
			return nil, fmt.Errorf("make a trace of samples: sample %d: %w", i, err)
		}
	}
	if t.n == 0 {
		return nil, errors.New("make a trace of samples: there are none")
	}
	return t, nil
}

// ReadTrace reads a trace, or the intended times of samples.
func ReadTrace(r io.Reader) (*Trace, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	if head, _ := in.Peek(len(samplesFamily)); string(head) == samplesFamily {
		samples, err := DecodeSamples(in)
		if err != nil {
			return nil, fmt.Errorf("read a trace: %w", err)
		}
		return TraceOf(samples)
	}
	t, err := readTrace(in)
	if err != nil {
		return nil, fmt.Errorf("read a trace: %w", err)
	}
	return t, nil
}

func readTrace(in io.Reader) (*Trace, error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxTraceLine)
	t, columns := &Trace{}, []string(nil)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		var err error
		switch {
		case number == 1 && line != TraceFormat:
			err = fmt.Errorf("it is %q, and a trace begins with %q", line, TraceFormat)
		case number == 1 || line == "" || line[0] == '#':
		case columns == nil:
			columns, err = t.readColumns(line)
		default:
			err = t.readRow(line, columns)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("a line has more than %d bytes", maxTraceLine)
	case err != nil:
		return nil, err
	case t.n == 0:
		return nil, errors.New("it has no arrivals")
	}
	return t, nil
}

// readColumns reads what the rows hold.
func (t *Trace) readColumns(line string) ([]string, error) {
	columns := strings.Split(line, ",")
	for i, name := range columns {
		columns[i] = strings.TrimSpace(name)
		switch name := columns[i]; {
		case i == 0 && name == "time":
		case i > 0 && name == "request" && !t.requests:
			t.requests = true
		case i > 0 && name == "user" && !t.users:
			t.users = true
		default:
			return nil, fmt.Errorf("the columns are %q, not time, then request or user or both, each once", line)
		}
	}
	return columns, nil
}

func (t *Trace) readRow(line string, columns []string) error {
	a := Arrival{}
	for _, column := range columns {
		field, rest, more := strings.Cut(line, ",")
		if more != (column != columns[len(columns)-1]) {
			return fmt.Errorf("it has not as many fields as there are columns (%s)", strings.Join(columns, ","))
		}
		field, line = strings.TrimSpace(field), rest
		var err error
		switch column {
		case "time":
			a.At, err = parseSeconds(field)
		case "request":
			a.Request, err = parseIndex(field)
		case "user":
			a.User, err = parseIndex(field)
		}
		if err != nil {
			return fmt.Errorf("the %s: %w", column, err)
		}
	}
	return t.add(a)
}

func parseIndex(field string) (int, error) {
	n, err := strconv.ParseUint(field, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number from 0 to %d", field, math.MaxInt32)
	}
	return int(n), nil
}

// parseSeconds reads decimal seconds exactly, down to a nanosecond.
func parseSeconds(field string) (time.Duration, error) {
	whole, fraction, _ := strings.Cut(field, ".")
	if len(fraction) > 9 || len(whole) > 9 {
		return 0, fmt.Errorf("%q has more than nine digits before or after the point", field)
	}
	seconds, err := strconv.ParseUint(whole, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of seconds", field)
	}
	nanos, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of seconds", field)
	}
	return time.Duration(seconds)*time.Second + time.Duration(nanos), nil
}

// Write writes the trace as ReadTrace reads it.
func (t *Trace) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	columns := "time"
	if t.requests {
		columns += ",request"
	}
	if t.users {
		columns += ",user"
	}
	fmt.Fprintf(out, "%s\n%s\n", TraceFormat, columns)
	p, a := playback{trace: t, rest: t.records}, Arrival{}
	for p.next(&a) {
		fmt.Fprintf(out, "%d.%09d", a.At/time.Second, a.At%time.Second)
		if t.requests {
			fmt.Fprintf(out, ",%d", a.Request)
		}
		if t.users {
			fmt.Fprintf(out, ",%d", a.User)
		}
		fmt.Fprintln(out)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write a trace: %w", err)
	}
	return nil
}

// check says whether the population has all that the trace names.
func (t *Trace) check(p Population) error {
	switch {
	case t.n == 0:
		return errors.New("the trace has no arrivals")
	case t.users && t.user >= max(1, len(p.Users)):
		return fmt.Errorf("the trace names user %d, and there are %d", t.user, max(1, len(p.Users)))
	case t.requests && t.request >= max(1, len(p.Requests)):
		return fmt.Errorf("the trace names request %d, and there are %d kinds of request", t.request, max(1, len(p.Requests)))
	}
	return nil
}

// traceJSON is how a trace goes from one process to another.
type traceJSON struct {
	Records  string `json:"records"`
	Requests bool   `json:"requests,omitempty"`
	Users    bool   `json:"users,omitempty"`
}

// MarshalJSON keeps a trace as small as it is in memory.
func (t *Trace) MarshalJSON() ([]byte, error) {
	return json.Marshal(traceJSON{base64.StdEncoding.EncodeToString(t.records), t.requests, t.users})
}

// UnmarshalJSON checks every arrival anew.
func (t *Trace) UnmarshalJSON(text []byte) error {
	var j traceJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return fmt.Errorf("decode a trace: %w", err)
	}
	rest, err := base64.StdEncoding.DecodeString(j.Records)
	if err != nil {
		return fmt.Errorf("decode a trace: %w", err)
	}
	decoded := Trace{requests: j.Requests, users: j.Users}
	for len(rest) > 0 {
		var fields [3]uint64
		for i, given := range [...]bool{true, j.Requests, j.Users} {
			if !given {
				continue
			}
			x, n := binary.Uvarint(rest)
			if n <= 0 || x > math.MaxInt64/2 {
				return fmt.Errorf("decode a trace: arrival %d is damaged", decoded.n)
			}
			fields[i], rest = x, rest[n:]
		}
		a := Arrival{At: decoded.last + time.Duration(fields[0]), Request: int(fields[1]), User: int(fields[2])}
		if err := decoded.add(a); err != nil {
			return fmt.Errorf("decode a trace: arrival %d: %w", decoded.n, err)
		}
	}
	*t = decoded
	return nil
}
