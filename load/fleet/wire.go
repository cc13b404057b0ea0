package fleet

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/load"
)

// Protocol names what coordinator and worker speak, with its version:
// docs/formats/fleet.md.
const Protocol = "tare-fleet/2"

// The kinds of message; each is one byte before its payload.
const (
	kindHello    = 'H' // worker: who it is
	kindPing     = 'P' // both: a reading of the clock is asked for, and given
	kindOpen     = 'O' // coordinator: targets and population
	kindReady    = 'R' // worker: all pools stand
	kindGenerate = 'G' // coordinator: a load.Load
	kindCancel   = 'C' // coordinator: end the load that runs
	kindSamples  = 'S' // worker: a set in the format of load.EncodeSamples
	kindProgress = 'W' // worker: a load.Progress
	kindStats    = 'T' // worker: the load has ended
	kindFault    = 'F' // worker: why the last order could not be carried out
	kindClose    = 'X' // coordinator: the session ends
)

type hello struct {
	Protocol string `json:"protocol"`
	Name     string `json:"name"`
}

// ping is a worker's monotonic clock in nanoseconds; nothing in the question.
type ping struct {
	Clock time.Duration `json:"clock_ns"`
}

type openOrder struct {
	Targets    []load.Target   `json:"targets"`
	Population load.Population `json:"population"`
}

// ready says since when the session's times count, on the worker's monotonic clock.
type ready struct {
	Epoch time.Duration `json:"epoch_ns"`
}

type ended struct {
	Stats    load.Stats `json:"stats"`
	Canceled bool       `json:"canceled"`
}

type fault struct {
	Words string `json:"error"`
}

func (f *fault) Error() string { return f.Words }

// The service: one stream in both directions, of bytes.
const (
	serviceName = "tare.fleet.v1.Fleet"
	methodName  = "Join"
)

var joinStream = grpc.StreamDesc{StreamName: methodName, ServerStreams: true, ClientStreams: true}

// maxMessage bounds what a message may hold: a population of a million users
// with tokens fits.
const maxMessage = 1 << 30

// wire is either end of a stream. Sending is safe for concurrent use.
type wire struct {
	stream interface {
		SendMsg(any) error
		RecvMsg(any) error
	}
	mu sync.Mutex
}

func (w *wire) send(kind byte, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stream.SendMsg(wrapperspb.Bytes(append([]byte{kind}, payload...)))
}

// tell sends a message as JSON.
func (w *wire) tell(kind byte, message any) error {
	payload, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("encode message %q: %w", kind, err)
	}
	return w.send(kind, payload)
}

// message is what came over the wire.
type message struct {
	kind    byte
	payload []byte
}

func (w *wire) receive() (message, error) {
	var b wrapperspb.BytesValue
	if err := w.stream.RecvMsg(&b); err != nil {
		return message{}, err
	}
	if len(b.Value) == 0 {
		return message{}, fmt.Errorf("an empty message: the other side does not speak %s", Protocol)
	}
	return message{b.Value[0], b.Value[1:]}, nil
}

// as decodes a message that must be of that kind; a fault is an error in its words.
func as[T any](m message, kind byte) (T, error) {
	var v T
	if m.kind == kindFault && kind != kindFault {
		f, err := as[fault](m, kindFault)
		if err != nil {
			return v, err
		}
		return v, &f
	}
	if m.kind != kind {
		return v, fmt.Errorf("message %q came, not %q", m.kind, kind)
	}
	if err := json.Unmarshal(m.payload, &v); err != nil {
		return v, fmt.Errorf("read message %q: %w", kind, err)
	}
	return v, nil
}
