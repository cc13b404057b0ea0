package proxywasm

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// A module may take requests whole: its export tare_on_request stands for the
// context and all hooks of a stream, finds what it wants to know of the request
// in the memory that it lends, and leaves what is to be added to the response.
// One call of the guest is made then where there were four or more, and none of
// the host to read or to add headers. docs/formats/proxy-wasm.md has the rules.

// wanter is what such a module exports to say what it wants to know.
const wanter = "tare_wants"

// What a guest may want to know of a request.
const (
	wantHeader   = 0
	wantProperty = 1
)

// The most that a guest may want to know, and how long a name may be.
const (
	mostWants    = 64
	mostWantName = 256
)

// asUsual is the answer of a guest that wants a request through its hooks.
const asUsual = 0xffffffff

// The lent memory begins with the time, and an address and a size for each value.
const (
	timeBytes  = 8
	entryBytes = 8
)

// want is something that a guest wants to know of each request.
type want struct {
	kind uint32
	name []byte
}

// inquire asks a guest that takes requests whole what it wants to know.
func (in *instance) inquire() error {
	if in.hooks[OnRequest] == nil {
		return nil
	}
	if f := in.module.ExportedFunction(wanter); f != nil {
		d := f.Definition()
		if !numbers(d.ParamTypes(), 0) || !numbers(d.ResultTypes(), 1) {
			return fmt.Errorf("its export %s has another type than () -> i32", wanter)
		}
		in.enter(wanter, rootContext)
		if err := f.CallWithStack(in, in.stack[:]); err != nil {
			return in.fail(err)
		}
		if err := in.readWants(uint32(in.stack[0])); err != nil {
			return err
		}
	}
	if need := in.tableBytes(); uint64(in.lent.size) < uint64(need) {
		return fmt.Errorf("it exports %s, for which it must lend at least %d bytes, and lends %d (%s)", OnRequest, need, in.lent.size, lender)
	}
	return nil
}

// tableBytes is how much of the lent memory comes before the values.
func (in *instance) tableBytes() int { return timeBytes + entryBytes*len(in.wants) }

// readWants reads a count, and kind, address and size of each name. The address
// 0 is that of nothing wanted.
func (in *instance) readWants(at uint32) error {
	if at == 0 {
		return nil
	}
	count, ok := in.memory.ReadUint32Le(at)
	if !ok || count > mostWants {
		return fmt.Errorf("%s says %d things at %d: at most %d are possible, within its memory", wanter, count, at, mostWants)
	}
	list, ok := in.memory.Read(at+4, 12*count)
	if !ok {
		return fmt.Errorf("%s says a list at %d that ends beyond its memory", wanter, at)
	}
	for ; len(list) > 0; list = list[12:] {
		w := want{kind: word(list)}
		size := word(list[8:])
		name, ok := in.memory.Read(word(list[4:]), size)
		if !ok || size > mostWantName || w.kind > wantProperty {
			return fmt.Errorf("%s says something of the kind %d with a name of %d bytes: kinds are %d and %d, names have up to %d bytes within its memory",
				wanter, w.kind, size, wantHeader, wantProperty, mostWantName)
		}
		w.name = slices.Clone(name)
		in.wants = append(in.wants, w)
	}
	return nil
}

// lay puts what the guest wants to know into the lent memory; false: it does
// not fit, and the request goes the usual way. What is not there has the
// address 0.
func (in *instance) lay() bool {
	area, ok := in.memory.Read(in.lent.start, in.lent.size)
	headers := in.stream.exchange.Fields(RequestHeaders)
	if !ok || headers == nil {
		return false
	}
	in.effective = in.stream.id
	used := in.tableBytes()
	clear(area[:used])
	for i, w := range in.wants {
		var value []byte
		var found bool
		if w.kind == wantHeader {
			value, found = headers.Get(w.name)
		} else {
			value, found = in.property(w.name)
		}
		if !found {
			continue
		}
		if len(value) > len(area)-used {
			return false
		}
		entry := area[timeBytes+entryBytes*i:]
		binary.LittleEndian.PutUint32(entry, in.lent.start+uint32(used))
		binary.LittleEndian.PutUint32(entry[4:], uint32(len(value)))
		copy(area[used:], value)
		used = min((used+len(value)+7)&^7, len(area))
	}
	in.lent.used = uint32(used)
	return true
}

// stamp puts the time at the beginning of the lent memory, behind each reading
// of shared data, for a guest that takes a request whole: it is never earlier
// than what has been read.
func (in *instance) stamp() {
	if in.whole {
		in.putLong(uint64(in.lent.start), uint64(time.Now().UnixNano()))
	}
}

// take offers the request to a guest that may take it whole; false: it goes the
// usual way.
func (s *Stream) take(end bool) (a Action, taken bool) {
	in := s.in
	if !in.lay() {
		in.lent.used = 0
		return Pause, false
	}
	in.whole = true
	answer, ok := in.invoke(OnRequest, s.id, uint64(s.id), flag(end))
	in.whole = false
	if !ok || s.over() {
		s.taken = true
		return Pause, true
	}
	if answer == asUsual {
		in.lent.used = 0
		return Pause, false
	}
	s.taken = true
	if err := s.readAdditions(uint32(answer)); err != nil {
		in.fail(err)
		return Pause, true
	}
	return Continue, true
}

// Addition is a header that a guest has left for the response. It is the
// guest's memory.
type Addition struct{ Name, Value []byte }

// readAdditions reads what is to be added to the response: a count, and address
// and size of each name and value. They stay in the guest's memory, since
// nothing of it runs before the stream ends. The address 0 is that of nothing.
func (s *Stream) readAdditions(at uint32) error {
	if at == 0 {
		return nil
	}
	all, _ := s.in.memory.Read(0, s.in.memory.Size())
	var count uint32
	head, ok := part(all, at, 4)
	if ok {
		count = word(head)
	}
	if !ok || count > mostPairs {
		return fmt.Errorf("%s leaves %d headers at %d: at most %d are possible, within its memory", OnRequest, count, at, mostPairs)
	}
	list, ok := part(all, at+4, 16*count)
	if !ok {
		return fmt.Errorf("%s leaves headers at %d that end beyond its memory", OnRequest, at)
	}
	total := 0
	for ; len(list) > 0; list = list[16:] {
		name, okName := part(all, word(list), word(list[4:]))
		value, okValue := part(all, word(list[8:]), word(list[12:]))
		total += len(name) + len(value)
		if !okName || !okValue || total > mostPairBytes {
			return fmt.Errorf("%s leaves a header that is not within its memory, or more than %d bytes of them", OnRequest, mostPairBytes)
		}
		s.additions = append(s.additions, Addition{name, value})
	}
	return nil
}

// part is a piece of the guest's memory, if it lies within.
func part(all []byte, at, size uint32) ([]byte, bool) {
	end := uint64(at) + uint64(size)
	if end > uint64(len(all)) {
		return nil, false
	}
	return all[at:end:end], true
}

// Taken reports whether the guest has taken the request whole, and what it has
// left for the response, which the plane adds where the guest would have seen
// the head. Nothing more is asked of the guest: a plane ends such a stream at
// once, so that the instance is free for the next while the request is under
// way. What is left stands until then.
func (s *Stream) Taken() (left []Addition, taken bool) { return s.additions, s.taken }
