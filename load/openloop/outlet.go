package openloop

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/taremesh/tare/load"
)

const (
	// outletRoom is how many bytes wait in memory for the parent; what comes
	// beyond them goes to a file until the parent has caught up.
	outletRoom = 2 << 20
	filePiece  = 1 << 18 // what is read of the file at once
)

// outlet sends frames to the parent, in order, without ever letting those wait
// who push them: a parent that is slow must not delay a request.
type outlet struct {
	w    io.Writer
	most int    // bytes in memory
	dir  string // of the file; empty: os.TempDir
	done sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond // of all below
	queue   [][]byte
	waiting int      // bytes in queue
	free    [][]byte // frames to be filled again
	file    *os.File // has no name; nil: was not needed yet
	end     int64    // of what is in the file
	from    int64    // what was sent of it
	closed  bool
	err     error // of the parent's pipe or the file: nothing can be sent any more
}

func newOutlet(w io.Writer) *outlet {
	o := &outlet{w: w, most: outletRoom}
	o.changed.L = &o.mu
	o.done.Go(o.send)
	return o
}

// reserve brings memory for frames of samples in, before a load that will send
// some while it runs.
func (o *outlet) reserve() {
	o.mu.Lock()
	defer o.mu.Unlock()
	const size = chunkSamples * 24
	for least := chunkSamples * 12; len(o.free)*least < o.most+2*least; { // they are no shorter, filled
		b := make([]byte, size)
		for i := 0; i < size; i += pageBytes {
			b[i] = 1
		}
		o.free = append(o.free, b)
	}
}

// frame is an empty frame of that kind, to be filled and pushed.
func (o *outlet) frame(kind byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	var b []byte
	if n := len(o.free); n > 0 {
		b, o.free = o.free[n-1], o.free[:n-1]
	}
	return append(b[:0], kind, 0, 0, 0, 0)
}

// push sends a filled frame, which is the outlet's from then on.
func (o *outlet) push(frame []byte) error {
	if len(frame) > maxFrame {
		return fmt.Errorf("send frame %q: %d bytes are more than %d", frame[0], len(frame), maxFrame)
	}
	binary.BigEndian.PutUint32(frame[1:], uint32(len(frame)-headBytes))
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	defer o.changed.Broadcast()
	if o.from == o.end && o.waiting < o.most {
		o.queue = append(o.queue, frame)
		o.waiting += len(frame)
		return nil
	}
	o.err = o.putAside(frame)
	o.free = append(o.free, frame)
	return o.err
}

// putAside appends a frame to the file.
func (o *outlet) putAside(frame []byte) error {
	if o.file == nil {
		f, err := os.CreateTemp(o.dir, "tare-generate-*")
		if err != nil {
			return fmt.Errorf("put samples aside that the parent does not take: %w", err)
		}
		o.file = f
		if err := os.Remove(f.Name()); err != nil {
			return fmt.Errorf("put samples aside that the parent does not take: %w", err)
		}
	}
	if _, err := o.file.WriteAt(frame, o.end); err != nil {
		return fmt.Errorf("put samples aside that the parent does not take (TMPDIR chooses where): %w", err)
	}
	o.end += int64(len(frame))
	return nil
}

// room says whether a frame that is pushed stays in memory.
func (o *outlet) room() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.roomy()
}

func (o *outlet) roomy() bool { return o.from == o.end && o.waiting < o.most }

// wait waits for room, or for an error.
func (o *outlet) wait() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.roomy() && o.err == nil {
		o.changed.Wait()
	}
}

// send is the goroutine that writes.
func (o *outlet) send() {
	piece := make([]byte, filePiece)
	for {
		frame, ok := o.pull(piece)
		if !ok {
			return
		}
		_, err := o.w.Write(frame)
		o.sent(frame, err)
	}
}

// pull returns what is to be sent next: a frame of the queue or a piece of the
// file; false when there is nothing and there will not be.
func (o *outlet) pull(piece []byte) ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.queue) == 0 && o.from == o.end && !o.closed && o.err == nil {
		o.changed.Wait()
	}
	switch {
	case o.err != nil:
		return nil, false
	case len(o.queue) > 0:
		return o.queue[0], true
	case o.from == o.end:
		return nil, false
	}
	n, err := o.file.ReadAt(piece[:min(int64(len(piece)), o.end-o.from)], o.from)
	if err != nil && !errors.Is(err, io.EOF) {
		o.err = fmt.Errorf("read samples that were put aside: %w", err)
		o.changed.Broadcast()
		return nil, false
	}
	return piece[:n], true
}

// sent takes note of what has been written.
func (o *outlet) sent(frame []byte, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.changed.Broadcast()
	if err != nil {
		o.err = fmt.Errorf("send to the parent: %w", err)
		return
	}
	if len(o.queue) > 0 {
		o.waiting -= len(frame)
		o.queue = append(o.queue[:0], o.queue[1:]...)
		o.free = append(o.free, frame)
		return
	}
	if o.from += int64(len(frame)); o.from == o.end {
		o.from, o.end = 0, 0
		if err := o.file.Truncate(0); err != nil {
			o.err = fmt.Errorf("empty the file of samples that were put aside: %w", err)
		}
	}
}

// close waits until all is sent, and returns why it could not be.
func (o *outlet) close() error {
	o.mu.Lock()
	o.closed = true
	o.changed.Broadcast()
	o.mu.Unlock()
	o.done.Wait()
	if o.file != nil {
		_ = o.file.Close() // nothing of it is needed
	}
	return o.err
}

// samples is for the receiver of a load.
func (o *outlet) samples(part []load.Sample) error {
	return o.push(load.AppendSamples(o.frame(frameSamples), part))
}

// message sends a frame of JSON. T is one of the protocol's messages.
func message[T any](o *outlet, kind byte, m T) error {
	payload, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode frame %q: %w", kind, err)
	}
	return o.push(append(o.frame(kind), payload...))
}
