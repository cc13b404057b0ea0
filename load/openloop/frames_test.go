package openloop

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/load"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"
)

// cut is what a frameReader found.
type cut struct {
	frames []string
	data   []byte
}

func (c *cut) frameBegan(frameHeader) error          { return nil }
func (c *cut) frameData(_ frameHeader, piece []byte) { c.data = append(c.data, piece...) }
func (c *cut) frameWhole(h frameHeader, payload []byte) error {
	line := h.kind.String() + " " + string(h.flags) + " "
	if h.kind == http2.FrameHeaders {
		var err error
		if payload, err = unpad(h, payload); err != nil {
			return err
		}
	}
	c.frames = append(c.frames, line+string(payload)+string(c.data))
	c.data = nil
	return nil
}

func cutFrames(input []byte, piece int) ([]string, error) {
	var r frameReader
	c := &cut{}
	for len(input) > 0 {
		n := min(piece, len(input))
		if err := r.feed(input[:n], c); err != nil {
			return c.frames, err
		}
		input = input[n:]
	}
	return c.frames, nil
}

// libraryFrames is what x/net's Framer finds in the same bytes, as far as it
// goes; of frames that it has parsed it says nothing.
func libraryFrames(input []byte) (frames []string) {
	framer := http2.NewFramer(io.Discard, bytes.NewReader(input))
	framer.SetMaxReadFrameSize(maxFrameSize)
	framer.AllowIllegalReads = true
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return frames
		}
		line := f.Header().Type.String() + " " + string(f.Header().Flags) + " "
		switch f := f.(type) {
		case *http2.DataFrame:
			line += string(f.Data())
		case *http2.HeadersFrame:
			line += string(f.HeaderBlockFragment())
		default:
			line = "" // its payload is parsed already
		}
		frames = append(frames, line)
	}
}

// FuzzFrames: the same frames however the bytes are cut, and those that x/net
// finds in them.
func FuzzFrames(f *testing.F) {
	var out bytes.Buffer
	framer := http2.NewFramer(&out, nil)
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}, EndHeaders: true, PadLength: 3, Priority: http2.PriorityParam{StreamDep: 3, Weight: 9}})
	_ = framer.WriteDataPadded(1, false, []byte("hello"), make([]byte, 7))
	_ = framer.WriteData(1, true, []byte("world"))
	_ = framer.WriteDataPadded(1, true, nil, nil)
	_ = framer.WritePing(false, [8]byte{1})
	_ = framer.WriteGoAway(1, http2.ErrCodeNo, []byte("bye"))
	f.Add(out.Bytes(), 1)
	f.Add(out.Bytes(), 10)
	f.Fuzz(func(t *testing.T, input []byte, piece int) {
		if piece < 1 || piece > 1<<20 {
			return
		}
		whole, errWhole := cutFrames(input, len(input)+1)
		cut, errCut := cutFrames(input, piece)
		if diff := cmp.Diff(whole, cut); diff != "" || (errWhole == nil) != (errCut == nil) {
			t.Fatalf("in pieces of %d (%v, %v):\n%s", piece, errWhole, errCut, diff)
		}
		for i, theirs := range libraryFrames(input) {
			if i >= len(whole) || theirs != "" && theirs != whole[i] {
				t.Fatalf("frame %d: x/net finds %q; we find %q, %v", i, theirs, whole[min(i, len(whole)-1):], errWhole)
			}
		}
	})
}

// loneHTTP2 is a worker with one connection, which greets, and three requests
// that wait for it.
func loneHTTP2(t *testing.T, p load.Protocol) (*worker, *http2Protocol, int32) {
	t.Helper()
	e := &engine{
		targets:    []load.Target{{Name: "lone", Addr: "127.0.0.1:1", Protocol: p, Connections: 1, MaxConnections: 1, Streams: 3}},
		population: load.Population{Requests: []load.Request{{Method: "POST", Path: "/a/b", Body: 100}}}, epoch: time.Now(),
	}
	e.requests = buildRequests(e.targets, e.population)
	w, err := e.newWorker(0, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.drop(0)
		w.poller.close()
		_ = unix.Close(pair[1])
	})
	w.timeout = time.Hour
	c, pool := &w.conns[0], &w.pools[0]
	pool.empty, pool.open, pool.connecting = none, 1, 1
	c.fd, c.state, c.arrival, c.rested = pair[0], connecting, none, true
	if err := w.poller.control(unix.EPOLL_CTL_ADD, c.fd, unix.EPOLLIN, 0, 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.takeUp(load.Sample{Written: never, FirstByte: never, LastByte: never, Class: pending})
	}
	w.greet(0)
	return w, pool.protocol.(*http2Protocol), 0
}

// FuzzHTTP2 feeds a connection anything: it must neither panic nor settle a
// request twice, nor leave one behind.
func FuzzHTTP2(f *testing.F) {
	var out bytes.Buffer
	framer := http2.NewFramer(&out, nil)
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 3}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}, EndHeaders: true})
	_ = framer.WriteData(1, true, []byte("hello"))
	_ = framer.WriteWindowUpdate(3, 100)
	_ = framer.WriteRSTStream(3, http2.ErrCodeRefusedStream)
	_ = framer.WriteGoAway(1, http2.ErrCodeNo, nil)
	f.Add(out.Bytes(), 1, false)
	f.Add(out.Bytes(), 30, true)
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), 100, false)
	f.Fuzz(func(t *testing.T, input []byte, piece int, grpc bool) {
		if piece < 1 || piece > 1<<20 {
			return
		}
		w, p, slot := loneHTTP2(t, map[bool]load.Protocol{false: load.HTTP2, true: load.GRPC}[grpc])
		first := w.conns[slot].generation // a lost connection is tried again
		gone := func() bool { return w.conns[slot].generation != first || w.conns[slot].state == empty }
		for len(input) > 0 && !gone() {
			n := min(piece, len(input))
			p.take(slot, input[:n])
			w.flush()
			input = input[n:]
		}
		if !gone() {
			p.ended(slot, 0)
		}
		settled := 0
		for i := range 3 {
			if w.sample(int32(i)).Class != pending {
				settled++
			}
		}
		if left := w.outstanding; left != 3-settled || left < w.pools[0].queued {
			t.Fatalf("%d of 3 settled, %d outstanding, %d in line", settled, left, w.pools[0].queued)
		}
	})
}

// The encoder's blocks are what x/net decodes, in whatever order the fields
// come and however small the table is.
func TestEncoder(t *testing.T) {
	f := newFields()
	of := []int32{f.add(":method", "GET", 1), f.add(":path", "/x", 1), f.add("X-Name", "value", 1), f.add("authorization", strings.Repeat("t", 300), 0.1)}
	for i := range 200 {
		f.add("x-user", strings.Repeat("u", i), 1e-3)
	}
	f.rank()
	for _, size := range []uint32{0, 50, 200, 4096, 1 << 20} {
		var e encoder
		e.reset()
		e.resize(size)
		decoder := hpack.NewDecoder(tableSize, nil)
		decoder.SetAllowedMaxDynamicTableSize(min(size, tableSize))
		for round := range 100 {
			block := e.begin(nil)
			var want []hpack.HeaderField
			for _, i := range append(of, int32(len(of)+round)) {
				block = e.append(block, &f.all[i])
				for h, j := range f.index {
					if i == j {
						want = append(want, h)
					}
				}
			}
			got, err := decoder.DecodeFull(block)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Fatalf("table of %d, round %d: %v\n%s", size, round, err, diff)
			}
			if size >= tableSize && round == 99 && len(block) > len(of)+250 {
				t.Errorf("a block of %d bytes: the table is not used", len(block))
			}
		}
	}
}

// FuzzDecoder: what is remembered of a block is what decoding it again gives.
func FuzzDecoder(f *testing.F) {
	f.Add([]byte{0x88}, []byte{0x48, 0x03, '2', '0', '0'})
	f.Add([]byte{0xbe}, []byte{0x20})
	f.Add([]byte{0x0f, 0x01, 0x01, 'x'}, []byte{0x40, 0x01, 'a', 0x01, 'b'})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var d decoder
		d.reset()
		var fresh answer
		library := hpack.NewDecoder(tableSize, nil)
		library.SetMaxStringLength(maxHeader)
		for _, block := range [][]byte{first, second, first, first, second, second, first} {
			got, err := d.decode(block)
			reference := decoder{got: answer{grpc: none, length: none}}
			library.SetEmitFunc(reference.emit)
			_, theirs := library.Write(block)
			if theirs == nil {
				theirs = library.Close()
			}
			if fresh = reference.got; (err == nil) != (theirs == nil) || err == nil && got != fresh {
				t.Fatalf("%x: %+v, %v; x/net gives %+v, %v", block, got, err, fresh, theirs)
			}
			if err != nil {
				return
			}
		}
	})
}
