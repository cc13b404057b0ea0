package openloop

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/taremesh/tare/load"
)

// Protocol names what parent and child speak, with its version.
const Protocol = "tare-generate/6"

// The kinds of frame.
const (
	frameOpen     = 'O'
	frameReady    = 'R'
	frameGenerate = 'G'
	frameCancel   = 'C'
	frameSamples  = 'S'
	frameProgress = 'P'
	frameStats    = 'T'
	frameFault    = 'F'
)

// headBytes is the kind and the length.
const headBytes = 5

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
	Threads    int             `json:"threads"`   // 0: by the number of cores
	SpinCap    float64         `json:"spin_cap"`  // share of one core; 0: by the number of cores
	HoldBack   int             `json:"hold_back"` // samples kept while a load runs; 0: holdBack
}

// readyMessage is the payload of frame R.
type readyMessage struct {
	Epoch   int64 `json:"epoch_ns"` // CLOCK_MONOTONIC
	Threads int   `json:"threads"`
}

// generateMessage is the payload of frame G.
type generateMessage struct {
	Load     load.Load `json:"load"`
	Progress bool      `json:"progress"` // it is to be told
}

// statsMessage is the payload of frame T.
type statsMessage struct {
	Stats    load.Stats `json:"stats"`
	Canceled bool       `json:"canceled"`
	Error    string     `json:"error,omitempty"` // what ended the load before its time
}

// faultMessage is the payload of frame F.
type faultMessage struct {
	Error string `json:"error"`
}

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	if len(payload) > maxFrame {
		return fmt.Errorf("send frame %q: %d bytes are more than %d", kind, len(payload), maxFrame)
	}
	head := [headBytes]byte{kind}
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
	kind, n, err := readHead(r)
	if err != nil {
		return frame{}, err
	}
	return readPayload(r, kind, n)
}

// readHead reads what is before a payload: its kind and its length. io.EOF
// between frames is the proper end.
func readHead(r io.Reader) (byte, int, error) {
	var head [headBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, 0, fmt.Errorf("frame %q claims %d bytes, more than %d", head[0], n, maxFrame)
	}
	return head[0], int(n), nil
}

func readPayload(r io.Reader, kind byte, n int) (frame, error) {
	// Grown as bytes arrive: a false length costs no memory.
	payload, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(payload) < n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return frame{}, fmt.Errorf("read frame %q of %d bytes: %w", kind, n, err)
	}
	return frame{kind, payload}, nil
}

func decodeMessage[T any](f frame) (T, error) {
	var message T
	if err := json.Unmarshal(f.payload, &message); err != nil {
		return message, fmt.Errorf("decode frame %q: %w", f.kind, err)
	}
	return message, nil
}
