package tracing

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"time"
)

// traceContext is what a request says of its trace.
type traceContext struct {
	trace   [16]byte
	span    [8]byte
	decided bool // whether it is sampled; else that is for who reads it
	sampled bool
	debug   bool // B3: sampled, whatever the rules are
}

// work is one span that is under way.
type work struct {
	traceContext
	parent [8]byte // zero: none
	began  time.Time
}

// format reads and writes a context in headers.
type format struct {
	// read finds the context of a request; there tells whether there is one,
	// and ok whether it is well formed. A decision may stand alone.
	read func(get func(name string) string) (c traceContext, there, ok bool)
	// write sets the headers of a context whose parent is given.
	write func(w work, set func(name, value string))
}

var formats = map[string]format{W3C: {readW3C, writeW3C}, B3: {readB3, writeB3}}

// begin begins the work on a request, and tells what is behind of it; not ok:
// what the request says is no context, and it goes on as it came.
func (f format) begin(sample float64, get func(string) string, set func(name, value string)) (w work, ok bool) {
	c, there, good := f.read(get)
	if there && !good {
		return w, false
	}
	w = work{traceContext: c, parent: c.span, began: time.Now()}
	if !there {
		w.trace = newTrace()
	}
	if !w.decided {
		w.sampled = rand.Float64()*100 < sample
	}
	w.span = newSpan()
	f.write(w, set)
	return w, true
}

func newTrace() (id [16]byte) {
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()|1) // never zero, which is none
	return id
}

func newSpan() (id [8]byte) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

// unhex decodes lower-case hexadecimal digits of just this length.
func unhex(into []byte, text string) bool {
	if len(text) != 2*len(into) || strings.ToLower(text) != text {
		return false
	}
	_, err := hex.Decode(into, []byte(text))
	return err == nil
}

const traceparent = "traceparent"

// readW3C reads W3C's trace context, of version 00 to fe.
func readW3C(get func(string) string) (c traceContext, there, ok bool) {
	text := get(traceparent)
	if text == "" {
		return c, false, false
	}
	parts := strings.Split(text, "-")
	var version, flags [1]byte
	ok = len(parts) == 4 && unhex(version[:], parts[0]) && version[0] != 0xff && unhex(c.trace[:], parts[1]) &&
		unhex(c.span[:], parts[2]) && unhex(flags[:], parts[3]) && c.trace != [16]byte{} && c.span != [8]byte{}
	c.decided, c.sampled = true, flags[0]&1 == 1
	return c, true, ok
}

func writeW3C(w work, set func(name, value string)) {
	text := make([]byte, 0, 55)
	text = hex.AppendEncode(append(text, "00-"...), w.trace[:])
	text = hex.AppendEncode(append(text, '-'), w.span[:])
	set(traceparent, string(append(text, "-0"+digit(w.sampled)...)))
}

func digit(sampled bool) string {
	if sampled {
		return "1"
	}
	return "0"
}

// readB3 reads B3, in one header or in several (openzipkin/b3-propagation). A
// trace id of 64 bits is the lower half of one of 128. Without a sampling state
// the decision is left to who reads it; a state without ids decides for the trace
// that is begun. Debug is a decision, too.
func readB3(get func(string) string) (c traceContext, there, ok bool) {
	trace, span, state := get("x-b3-traceid"), get("x-b3-spanid"), get("x-b3-sampled")
	if get("x-b3-flags") == "1" {
		state = "d"
	}
	switch one := get("b3"); {
	case one == "":
	case strings.Contains(one, "-"):
		parts := append(strings.Split(one, "-"), "")
		trace, span, state = parts[0], parts[1], parts[2]
	default: // a state alone
		trace, span, state = "", "", one
	}
	switch state {
	case "1", "true":
		c.decided, c.sampled = true, true
	case "0", "false":
		c.decided = true
	case "d":
		c.decided, c.sampled, c.debug = true, true, true
	}
	if trace == "" && span == "" {
		return c, false, false
	}
	if len(trace) == 16 {
		trace = strings.Repeat("0", 16) + trace
	}
	ok = unhex(c.trace[:], trace) && unhex(c.span[:], span) && c.trace != [16]byte{} && c.span != [8]byte{}
	return c, true, ok
}

// writeB3 writes B3 in several headers, of which debug stands instead of sampled.
func writeB3(w work, set func(name, value string)) {
	sampled, flags, parent := digit(w.sampled), "", ""
	if w.debug {
		sampled, flags = "", "1"
	}
	if w.parent != [8]byte{} {
		parent = hex.EncodeToString(w.parent[:])
	}
	set("b3", "")
	set("x-b3-traceid", hex.EncodeToString(w.trace[:]))
	set("x-b3-spanid", hex.EncodeToString(w.span[:]))
	set("x-b3-sampled", sampled)
	set("x-b3-flags", flags)
	set("x-b3-parentspanid", parent)
}
