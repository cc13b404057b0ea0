package openloop

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

// gate is a parent that takes nothing until it is opened.
type gate struct {
	open chan struct{}
	got  bytes.Buffer
	err  error
}

func (g *gate) Write(b []byte) (int, error) {
	<-g.open
	if g.err != nil {
		return 0, g.err
	}
	return g.got.Write(b)
}

// A parent that takes nothing makes nobody wait: what memory has no room for
// goes to a file, and all comes in order once it takes again.
func TestOutletPutsAside(t *testing.T) {
	dir := t.TempDir()
	g := &gate{open: make(chan struct{})}
	o := newOutlet(g)
	o.most, o.dir = 10_000, dir
	var want bytes.Buffer
	push := func(n int) {
		for i := range n {
			payload := bytes.Repeat([]byte{byte(i)}, 100*i)
			if err := writeFrame(&want, 'S', payload); err != nil {
				t.Fatal(err)
			}
			if err := o.push(append(o.frame('S'), payload...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	push(200)
	if o.room() || o.end < 1_000_000 {
		t.Fatalf("room %t, %d bytes in the file: nothing was put aside", o.room(), o.end)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the file has a name: %v, %v", left, err)
	}
	close(g.open)
	o.wait()
	push(50) // to memory again
	if err := o.close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g.got.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes came, want %d in order", g.got.Len(), want.Len())
	}
}

func TestOutletSaysWhatFailed(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	o := newOutlet(g)
	o.most, o.dir = 1, t.TempDir()+"/none"
	var err error
	for range 3 { // one is being written, one waits
		err = o.push(append(o.frame('S'), 1))
	}
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "put samples aside") {
		t.Errorf("no place for the file: error %v", err)
	}
	close(g.open)
	if err := o.close(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("close: error %v", err)
	}
	g = &gate{open: make(chan struct{}), err: io.ErrClosedPipe}
	close(g.open)
	o = newOutlet(g)
	if err := o.push(o.frame('S')); err != nil {
		t.Error(err)
	}
	if err := o.close(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a parent that is gone: error %v", err)
	}
}

// A receiver without room is not asked, until more is held than may be; then
// samples go to it all the same.
func TestCollectorHoldsBack(t *testing.T) {
	full := func() *chunk { return &chunk{used: chunkSamples} }
	w := &worker{}
	k := &kept{full: true}
	c := (&engine{workers: []*worker{w}}).newCollector(load.Load{Each: 1}, 0, k)
	for range (holdBack + slack) / chunkSamples {
		w.full.push(full())
	}
	c.gather()
	if c.stream(holdBack); !c.streaming || k.parts != 0 {
		t.Errorf("streaming %t, %d parts to a receiver without room", c.streaming, k.parts)
	}
	w.full.push(full())
	c.gather()
	if c.stream(holdBack); k.parts != 1 || c.waiting != holdBack+slack {
		t.Errorf("%d parts, %d samples wait, want 1 and %d", k.parts, c.waiting, holdBack+slack)
	}
	k.full = false
	if c.stream(holdBack); c.waiting != 0 || k.parts != (holdBack+slack)/chunkSamples+1 {
		t.Errorf("%d samples wait, %d parts", c.waiting, k.parts)
	}
	var empty int
	for s := w.returned.takeAll(); s != nil; s = s.below {
		empty++
	}
	if empty <= k.parts || empty > k.parts+lead { // with what the collector keeps at hand
		t.Errorf("%d chunks came back, want %d", empty, k.parts)
	}
}

// However long a load is, the chunks that a thread and the collector pass to
// each other are the same ones: memory does not grow with the length.
func TestChunksAreUsedAgain(t *testing.T) {
	w := &worker{}
	w.reserve(4 * chunkSamples)
	c := (&engine{workers: []*worker{w}}).newCollector(load.Load{Each: 1}, 0, &kept{})
	made := map[*chunk]bool{}
	for range 500 {
		for range 2 { // between two looks
			filled := w.empty()
			filled.used = 1 // what is in it does not matter here
			made[filled] = true
			w.full.push(filled)
		}
		c.gather()
		c.stream(3)
	}
	if most := 4 + 2*lead; len(made) > most {
		t.Errorf("%d chunks for 500 looks, want at most %d", len(made), most)
	}
}

// Threads of a closed load hand on in any rhythm; what comes out is in order.
func TestClosedSamplesAreSorted(t *testing.T) {
	workers := []*worker{{}, {}}
	var k kept
	c := (&engine{workers: workers}).newCollector(load.Load{Closed: true, Each: 1}, 0, &k)
	hand := func(w *worker, until time.Duration, intended ...time.Duration) {
		full := &chunk{used: len(intended), until: until}
		for i, at := range intended {
			full.samples[i].Intended = at
		}
		w.full.push(full)
		c.gather()
	}
	hand(workers[0], 30, 1, 2, 25, 31) // 31 had to wait: it precedes none of the next
	if c.flush(false) {
		t.Error("the other thread may still hand on what precedes it")
	}
	hand(workers[1], 20, 3, 9)
	for c.flush(false) {
	}
	if got := len(k.all); got != 4 { // up to 20
		t.Errorf("%d samples are out: %v", got, k.all)
	}
	hand(workers[1], noArrival, 22, 40)
	hand(workers[0], noArrival, 30, 33)
	for c.flush(true) {
	}
	var got []time.Duration
	for _, s := range k.all {
		got = append(got, s.Intended)
	}
	if diff := cmp.Diff([]time.Duration{1, 2, 3, 9, 22, 25, 30, 31, 33, 40}, got); diff != "" {
		t.Error(diff)
	}
}

// The places of a thread's arrivals are used again, and its memory is that of
// what is under way.
func TestArrivalsAreARing(t *testing.T) {
	var a arrivals
	a.reserve(1)
	first := a.spare
	for n := range 3 * chunkSamples {
		place, err := a.place(load.Sample{Intended: time.Duration(n), Class: pending})
		if err != nil {
			t.Fatal(err)
		}
		if s := a.sample(place); s.Intended != time.Duration(n) {
			t.Fatalf("place %d holds %v", place, s.Intended)
		}
		a.passOldest(time.Duration(n))
		if full := a.full.takeAll(); full != nil {
			if full != first || full.used != chunkSamples || full.until != time.Duration(n) {
				t.Fatalf("handed on: %d samples until %v, the first chunk: %t", full.used, full.until, full == first)
			}
			a.returned.push(full)
		}
	}
	a.next = maxPlaces - chunkSamples // as if so many had been taken up and the first still ran
	a.oldest, a.handed = 0, 0
	a.chunks[0], a.chunks[maxChunks-2] = first, new(chunk)
	for range chunkSamples {
		if _, err := a.place(load.Sample{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.place(load.Sample{}); !errors.Is(err, errTooMany) {
		t.Errorf("one more than there are places: %v", err)
	}
}

// A load whose parent dies in mid-stream ends, and with it the child.
func TestOrphanEnds(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100)) // which Serve turns off
	target := serve(t, answerAll)
	target.Connections, target.MaxConnections = 4, 4
	orders, parent := io.Pipe()
	words, child := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- Serve(orders, child) }()
	read := func(kind byte) {
		t.Helper()
		for {
			f, err := readFrame(words)
			if err != nil {
				t.Fatal(err)
			}
			if f.kind == kind {
				return
			}
		}
	}
	hello := make([]byte, len(Protocol)+1)
	if _, err := io.ReadFull(words, hello); err != nil || string(hello) != Protocol+"\n" {
		t.Fatalf("%q, %v", hello, err)
	}
	for _, err := range []error{
		writeMessage(parent, frameOpen, openMessage{Targets: []load.Target{target}, HoldBack: 1}),
		writeMessage(parent, frameGenerate, generateMessage{Load: load.Load{Closed: true, Duration: time.Hour}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	read(frameReady)
	read(frameSamples)
	parent.Close() // as the kernel does for a parent that is killed
	words.CloseWithError(unix.EPIPE)
	if err := <-served; err == nil || !errors.Is(err, unix.EPIPE) {
		t.Errorf("error %v, want that nobody takes the samples", err)
	}
}

func TestFilesAreAllowed(t *testing.T) {
	if err := allowFiles([]load.Target{{Connections: 100, MaxConnections: 200}}); err != nil {
		t.Error(err)
	}
	err := allowFiles([]load.Target{{Connections: 1 << 40, MaxConnections: 1 << 41}})
	if err == nil || !strings.Contains(err.Error(), "ulimit -n 1099511627840") {
		t.Errorf("error %v, want the remedy in it", err)
	}
}
