package openloop

import (
	"encoding/binary"
	"slices"

	"github.com/taremesh/tare/load"
	"golang.org/x/net/http2"
)

func (x *http2Conn) frameBegan(h frameHeader) error {
	if !x.settled && (h.kind != http2.FrameSettings || h.flags.Has(http2.FlagSettingsAck)) {
		return errHTTP2
	}
	if (x.blockOf != 0) != (h.kind == http2.FrameContinuation) || x.blockOf != 0 && x.blockOf != h.stream {
		return errHTTP2
	}
	if int(h.kind) < len(frameRules) {
		if r := frameRules[h.kind]; !r.known || r.streamless != (h.stream == 0) && !r.either || r.length > 0 && h.length != r.length {
			return errHTTP2
		}
	}
	switch h.kind {
	case http2.FrameData, http2.FrameHeaders, http2.FrameRSTStream:
		if h.stream&1 == 0 || h.stream >= x.next {
			return errHTTP2
		}
	}
	st := x.stream(h.stream)
	if st != nil && (h.kind == http2.FrameHeaders || h.kind == http2.FrameData) {
		if s := x.p.w.sample(st.arrival); s.FirstByte < 0 {
			s.FirstByte = x.now
		}
	}
	if h.kind == http2.FrameData {
		return x.dataBegan(h, st)
	}
	return nil
}

// frameRules are of RFC 9113 §6, by kind of frame. A kind that is beyond them
// is left aside.
var frameRules = [...]struct {
	known, streamless, either bool
	length                    uint32
}{
	http2.FrameData:         {known: true},
	http2.FrameHeaders:      {known: true},
	http2.FramePriority:     {known: true, length: 5},
	http2.FrameRSTStream:    {known: true, length: 4},
	http2.FrameSettings:     {known: true, streamless: true},
	http2.FramePushPromise:  {}, // we said that we take none
	http2.FramePing:         {known: true, streamless: true, length: 8},
	http2.FrameGoAway:       {known: true, streamless: true},
	http2.FrameWindowUpdate: {known: true, either: true, length: 4},
	http2.FrameContinuation: {known: true},
}

// dataBegan keeps account of the windows that we gave.
func (x *http2Conn) dataBegan(h frameHeader, st *stream) error {
	window := max(x.p.window, firstWindow)
	if h.length > window-x.unread {
		return errHTTP2
	}
	if x.unread += h.length; x.unread > window/2 {
		x.out = appendWindowUpdate(x.out, 0, x.unread)
		x.unread = 0
		x.touch()
	}
	if st == nil {
		return nil
	}
	if h.length > x.p.window-st.unread {
		return errHTTP2
	}
	if st.unread += h.length; st.unread > x.p.window/2 && !h.flags.Has(http2.FlagDataEndStream) {
		x.out = appendWindowUpdate(x.out, st.number, st.unread)
		st.unread = 0
		x.touch()
	}
	return nil
}

func (x *http2Conn) frameData(h frameHeader, piece []byte) {
	if st := x.stream(h.stream); st != nil {
		st.received += int64(len(piece))
		if x.p.asked.grpc {
			st.messages.feed(piece)
		}
	}
}

func (x *http2Conn) frameWhole(h frameHeader, b []byte) error {
	switch h.kind {
	case http2.FrameData:
		if st := x.stream(h.stream); st != nil {
			if !st.headed || st.messages.bad {
				x.malformed(st)
			} else if h.flags.Has(http2.FlagDataEndStream) {
				x.complete(st)
			}
		}
	case http2.FrameHeaders:
		b, err := unpad(h, b)
		if err != nil {
			return err
		}
		if h.flags.Has(http2.FlagHeadersEndHeaders) {
			return x.header(h.stream, b, h.flags.Has(http2.FlagHeadersEndStream))
		}
		x.block = append(x.block[:0], b...)
		x.blockOf, x.blockEnd = h.stream, h.flags.Has(http2.FlagHeadersEndStream)
	case http2.FrameContinuation:
		if x.block = append(x.block, b...); len(x.block) > maxHeader {
			return errHTTP2
		}
		if h.flags.Has(http2.FlagContinuationEndHeaders) {
			x.blockOf = 0
			return x.header(h.stream, x.block, x.blockEnd)
		}
	case http2.FrameSettings:
		return x.settings(h, b)
	case http2.FramePing:
		if !h.flags.Has(http2.FlagPingAck) {
			x.out = appendFrameHeader(x.out, http2.FramePing, http2.FlagPingAck, 0, len(b))
			x.out = append(x.out, b...)
			x.touch()
		}
	case http2.FrameGoAway:
		return x.goAway(b)
	case http2.FrameWindowUpdate:
		return x.windowUpdate(h.stream, binary.BigEndian.Uint32(b)&maxWindow)
	case http2.FrameRSTStream:
		x.resetBy(h.stream, http2.ErrCode(binary.BigEndian.Uint32(b)))
	}
	return nil
}

func (x *http2Conn) header(number uint32, block []byte, last bool) error {
	got, err := x.decoder.decode(block) // also of a stream that has ended: the table follows
	if err != nil {
		return err
	}
	st := x.stream(number)
	switch {
	case st == nil:
	case got.bad, st.headed == (got.status != 0), st.headed && !last, !st.headed && got.status < 200 && (last || got.status == 101):
		x.malformed(st)
	case !st.headed && got.status < 200: // interim: the real one follows
	default:
		if !st.headed {
			st.headed, st.status, st.length = true, got.status, got.length
		}
		if st.grpc = got.grpc; last {
			x.complete(st)
		}
	}
	return nil
}

// malformed settles a stream that breaks the protocol and harms no other.
func (x *http2Conn) malformed(st *stream) {
	w, arrival := x.p.w, st.arrival
	w.sample(arrival).Status = st.status
	x.giveUp(st, http2.ErrCodeProtocol)
	w.settle(arrival, load.Malformed)
}

// complete settles a whole response.
func (x *http2Conn) complete(st *stream) {
	if st.length >= 0 && st.received != st.length && !st.head && st.status != 304 {
		x.malformed(st)
		return
	}
	w, arrival := x.p.w, st.arrival
	s := w.sample(arrival)
	status, class := st.status, load.Class(0)
	if x.p.asked.grpc {
		status, class = st.callOutcome()
	} else {
		class = classOf(status)
	}
	if s.Status = status; class <= load.ServerError {
		s.LastByte = x.now
	}
	if st.out.left > 0 { // answered before it heard everything
		x.giveUp(st, http2.ErrCodeCancel)
	} else {
		x.free(st)
	}
	x.c.rested, x.c.served = true, true
	x.credit++
	w.settle(arrival, class)
}

func (x *http2Conn) settings(h frameHeader, b []byte) error {
	if h.flags.Has(http2.FlagSettingsAck) {
		if len(b) > 0 {
			return errHTTP2
		}
		return nil
	}
	if len(b)%6 != 0 {
		return errHTTP2
	}
	for ; len(b) > 0; b = b[6:] {
		value := binary.BigEndian.Uint32(b[2:])
		switch http2.SettingID(binary.BigEndian.Uint16(b)) {
		case http2.SettingHeaderTableSize:
			x.encoder.resize(value)
		case http2.SettingMaxConcurrentStreams:
			x.limit = int(min(int64(value), int64(x.p.places)))
		case http2.SettingMaxFrameSize:
			if value < maxFrameSize || value > 1<<24-1 {
				return errHTTP2
			}
			x.frame = int(min(value, outBound))
		case http2.SettingInitialWindowSize:
			if value > maxWindow {
				return errHTTP2
			}
			if err := x.newInitial(int64(value)); err != nil {
				return err
			}
		}
	}
	x.settled = true
	x.out = appendFrameHeader(x.out, http2.FrameSettings, http2.FlagSettingsAck, 0, 0)
	x.touch()
	return nil
}

// newInitial changes the windows of all streams (RFC 9113 §6.9.2).
func (x *http2Conn) newInitial(initial int64) error {
	for i := range x.streams {
		st := &x.streams[i]
		if st.number == 0 {
			continue
		}
		if err := x.widen(st, initial-x.initial); err != nil {
			return err
		}
	}
	x.initial = initial
	return nil
}

// widen gives a stream more window, or takes some.
func (x *http2Conn) widen(st *stream, by int64) error {
	shut := st.window <= 0
	if st.window += by; st.window > maxWindow {
		return errHTTP2
	}
	if shut && st.window > 0 && st.out.left > 0 && !slices.Contains(x.pending, st.number) {
		x.pending = append(x.pending, st.number)
		x.touch()
	}
	return nil
}

func (x *http2Conn) windowUpdate(number, increment uint32) error {
	if increment == 0 {
		return errHTTP2
	}
	if number != 0 {
		if st := x.stream(number); st != nil {
			return x.widen(st, int64(increment))
		}
		return nil
	}
	if x.window += int64(increment); x.window > maxWindow {
		return errHTTP2
	}
	if len(x.pending) > 0 {
		x.touch()
	}
	return nil
}

// goAway: the server takes no more streams on this connection, and has not
// looked at those above the last.
func (x *http2Conn) goAway(b []byte) error {
	if len(b) < 8 {
		return errHTTP2
	}
	last := binary.BigEndian.Uint32(b) & maxWindow
	x.draining = true
	w := x.p.w
	var unsent []int32
	for i := range x.streams {
		st := &x.streams[i]
		if st.number <= last {
			continue
		}
		arrival := st.arrival
		x.free(st)
		if x.c.rested {
			unsent = append(unsent, arrival)
		} else {
			w.settle(arrival, load.Reset)
		}
	}
	w.putAllBack(&w.pools[x.c.pool], unsent)
	return nil
}

// resetBy: the server has ended a stream. One that it refused goes elsewhere;
// each response pays for one such try, so that a server which refuses
// everything is not asked in a circle.
func (x *http2Conn) resetBy(number uint32, code http2.ErrCode) {
	st := x.stream(number)
	if st == nil {
		return
	}
	w, arrival := x.p.w, st.arrival
	s := w.sample(arrival)
	x.free(st)
	if code == http2.ErrCodeRefusedStream && s.FirstByte < 0 && x.credit > 0 {
		x.credit--
		w.putBack(&w.pools[x.c.pool], arrival)
		return
	}
	s.Status = st.status
	w.settle(arrival, load.Reset)
}
