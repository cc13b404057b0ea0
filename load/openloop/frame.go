package openloop

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/taremesh/tare/load"
)

// Protocol names what parent and child speak, with its version.
const Protocol = "tare-generate/3"

// The kinds of frame.
const (
	frameOpen     = 'O'
	frameReady    = 'R'
	frameGenerate = 'G'
	frameCancel   = 'C'
	frameStats    = 'T'
	frameSamples  = 'S'
	frameEnd      = 'E'
	frameFault    = 'F'
)

// maxFrame bounds what a frame may claim to hold: a population of a million
// users with tokens fits.
const maxFrame = 1 << 30

type frame struct {
	kind    byte
	payload []byte
}

// openMessage is the payload of frame O.
type openMessage struct {
	Targets    []load.Target   `json:"targets"`
	Population load.Population `json:"population"`
	Threads    int             `json:"threads"`  // 0: by the number of cores
	SpinCap    float64         `json:"spin_cap"` // share of one core; 0: by the number of cores
}

// readyMessage is the payload of frame R.
type readyMessage struct {
	Epoch   int64 `json:"epoch_ns"` // CLOCK_MONOTONIC
	Threads int   `json:"threads"`
}

// statsMessage is the payload of frame T.
type statsMessage struct {
	Stats    load.Stats `json:"stats"`
	Canceled bool       `json:"canceled"`
}

// faultMessage is the payload of frame F.
type faultMessage struct {
	Error string `json:"error"`
}

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("send frame %q: %d bytes are more than %d", kind, len(payload), maxFrame)
	}
	head := [5]byte{kind}
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload)))
	if _, err := w.Write(head[:]); err != nil {
		return fmt.Errorf("send frame %q: %w", kind, err)
	}
	if _, err := w.Write(payload); err != nil {
		return fmt.Errorf("send frame %q: %w", kind, err)
	}
	return nil
}

// writeMessage sends a frame of JSON. T is one of the messages above.
func writeMessage[T any](w io.Writer, kind byte, message T) error {
	payload, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode frame %q: %w", kind, err)
	}
	return writeFrame(w, kind, payload)
}

func readFrame(r io.Reader) (frame, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err // io.EOF between frames is the proper end
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return frame{}, fmt.Errorf("frame %q claims %d bytes, more than %d", head[0], n, maxFrame)
	}
	// Grown as bytes arrive: a false length costs no memory.
	payload, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(payload) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return frame{}, fmt.Errorf("read frame %q of %d bytes: %w", head[0], n, err)
	}
	return frame{head[0], payload}, nil
}

func decodeMessage[T any](f frame) (T, error) {
	var message T
	if err := json.Unmarshal(f.payload, &message); err != nil {
		return message, fmt.Errorf("decode frame %q: %w", f.kind, err)
	}
	return message, nil
}

// sampleWriter sends what is written to it as frames S.
type sampleWriter struct{ w io.Writer }

func (s sampleWriter) Write(b []byte) (int, error) {
	if err := writeFrame(s.w, frameSamples, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// sampleReader joins frames S until frame E. It is an io.ByteReader.
type sampleReader struct {
	r     *bufio.Reader
	rest  []byte
	ended bool
}

func (s *sampleReader) fill() error {
	for len(s.rest) == 0 {
		if s.ended {
			return io.EOF
		}
		f, err := readFrame(s.r)
		if err != nil {
			return err
		}
		switch f.kind {
		case frameSamples:
			s.rest = f.payload
		case frameEnd:
			s.ended = true
		default:
			return fmt.Errorf("frame %q among samples", f.kind)
		}
	}
	return nil
}

func (s *sampleReader) Read(b []byte) (int, error) {
	if err := s.fill(); err != nil {
		return 0, err
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *sampleReader) ReadByte() (byte, error) {
	if err := s.fill(); err != nil {
		return 0, err
	}
	c := s.rest[0]
	s.rest = s.rest[1:]
	return c, nil
}

// drain reads up to frame E.
func (s *sampleReader) drain() error {
	for !s.ended {
		s.rest = nil
		if err := s.fill(); err != nil && err != io.EOF {
			return err
		}
	}
	return nil
}
