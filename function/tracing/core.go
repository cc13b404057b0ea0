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
	sampled bool
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
	// and ok whether it is well formed.
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
		w.trace, w.sampled = newTrace(), rand.Float64()*100 < sample
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
	c.sampled = flags[0]&1 == 1
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

// readB3 reads B3, in one header or in several. A trace id of 64 bits is the
// lower half of one of 128.
func readB3(get func(string) string) (c traceContext, there, ok bool) {
	trace, span, flag := get("x-b3-traceid"), get("x-b3-spanid"), get("x-b3-sampled")
	if one := get("b3"); one != "" {
		parts := append(strings.Split(one, "-"), "", "", "")
		trace, span, flag = parts[0], parts[1], parts[2]
	}
	if trace == "" && span == "" {
		return c, false, false
	}
	if len(trace) == 16 {
		trace = strings.Repeat("0", 16) + trace
	}
	ok = unhex(c.trace[:], trace) && unhex(c.span[:], span) && c.trace != [16]byte{} && c.span != [8]byte{}
	c.sampled = flag == "1" || flag == "d"
	return c, true, ok
}

// writeB3 writes B3 in several headers.
func writeB3(w work, set func(name, value string)) {
	set("b3", "")
	set("x-b3-traceid", hex.EncodeToString(w.trace[:]))
	set("x-b3-spanid", hex.EncodeToString(w.span[:]))
	set("x-b3-sampled", digit(w.sampled))
	if w.parent == [8]byte{} {
		set("x-b3-parentspanid", "")
		return
	}
	set("x-b3-parentspanid", hex.EncodeToString(w.parent[:]))
}
