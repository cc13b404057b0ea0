package proxywasm

import (
	"context"
	"time"
)

// Config is a plugin: a module, how it is configured, and what it may use.
type Config struct {
	// Name is the plugin's, in errors and in the property plugin_name. RootID
	// and VMID are what the properties of these names say; plugins of one VMID
	// that are given one Shared see the same data.
	Name, RootID, VMID string
	// Module is the WebAssembly binary.
	Module []byte
	// VMConfiguration and Configuration are what the guest reads when it starts
	// and when it is configured.
	VMConfiguration, Configuration []byte
	// Limits bound what a guest may use; a zero field takes its default.
	Limits Limits
	// Shared holds shared data and queues; nil: the plugin has its own.
	Shared *Shared
	// Call sends a request to a cluster and waits for the response; nil: a
	// guest's http_call is answered as one to an unknown cluster. It is called
	// on goroutines of its own; its context ends with the call's timeout and
	// when the plugin is closed.
	Call func(context.Context, Call) (CallResponse, error)
	// Cluster reports whether a cluster that a guest would call is known; nil:
	// each one is, and the call itself fails.
	Cluster func(name string) bool
	// Log takes what the guest logs; nil: it is dropped. Called by many
	// goroutines at a time.
	Log func(Level, string)
	// LogLevel is the lowest level that is logged.
	LogLevel Level
}

// Limits bound what guests of a plugin may use.
type Limits struct {
	// Deadline is how long one call of a guest may run, host functions
	// included; time in which it lets others run does not count. 0: 100 ms.
	Deadline time.Duration
	// StartDeadline is the same for each call that starts an instance. 0: 5 s.
	StartDeadline time.Duration
	// MemoryBytes is the most linear memory of one instance, rounded down to
	// pages of 64 KiB. 0: 64 MiB.
	MemoryBytes uint64
	// Instances is the most instances; as each belongs to one stream at a time,
	// it bounds the streams that have not ended as well. 0: 256.
	Instances int
	// BodyBytes is the most of a body that is held back for a guest, and the
	// longest body of a call. 0: 1 MiB.
	BodyBytes int
	// ModuleBytes is the largest module. 0: 32 MiB.
	ModuleBytes int
	// Calls is the most http_calls that one instance may have under way. 0: 64.
	Calls int
	// Metrics is the most metrics that a plugin may define. 0: 1,000.
	Metrics int
	// Properties is the most bytes of properties that a stream may set. 0: 64 KiB.
	Properties int
}

// DefaultLimits are the limits that zero fields stand for.
func DefaultLimits() Limits {
	return Limits{
		Deadline:      100 * time.Millisecond,
		StartDeadline: 5 * time.Second,
		MemoryBytes:   64 << 20,
		Instances:     256,
		BodyBytes:     1 << 20,
		ModuleBytes:   32 << 20,
		Calls:         64,
		Metrics:       1000,
		Properties:    64 << 10,
	}
}

// or fills zero and negative fields from others.
func (l Limits) or(d Limits) Limits {
	return Limits{
		Deadline:      positive(l.Deadline, d.Deadline),
		StartDeadline: positive(l.StartDeadline, d.StartDeadline),
		MemoryBytes:   positive(l.MemoryBytes, d.MemoryBytes),
		Instances:     positive(l.Instances, d.Instances),
		BodyBytes:     positive(l.BodyBytes, d.BodyBytes),
		ModuleBytes:   positive(l.ModuleBytes, d.ModuleBytes),
		Calls:         positive(l.Calls, d.Calls),
		Metrics:       positive(l.Metrics, d.Metrics),
		Properties:    positive(l.Properties, d.Properties),
	}
}

func positive[T int | uint64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Level is how grave a line of a guest's log is.
type Level uint32

// The levels, lowest first.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
	Critical
)

// String is the level's name.
func (l Level) String() string {
	names := [...]string{"trace", "debug", "info", "warn", "error", "critical"}
	if int(l) < len(names) {
		return names[l]
	}
	return "unknown"
}

// Field is one name and value of a map of fields.
type Field struct{ Name, Value string }

// Call is a request that a guest sends by http_call. Pseudo-headers are among
// the headers.
type Call struct {
	Cluster  string
	Headers  []Field
	Body     []byte
	Trailers []Field
	Timeout  time.Duration
}

// CallResponse is the response to a Call. The pseudo-header :status belongs to
// its headers.
type CallResponse struct {
	Headers  []Field
	Body     []byte
	Trailers []Field
}

// Map names one of a stream's maps of fields.
type Map uint32

// The maps of a stream.
const (
	RequestHeaders Map = iota
	RequestTrailers
	ResponseHeaders
	ResponseTrailers
)

// Exchange is one request and its response, as the plane shows it to a guest.
type Exchange interface {
	// Fields is a map of fields; nil when there is none yet. Headers hold the
	// pseudo-headers (:method, :path, :authority, :scheme; :status) first.
	Fields(Map) Fields
	// Property is an attribute of the stream by its path, whose parts NUL
	// separates, encoded as the ABI has it: text as it is, numbers and times in
	// 8 bytes, little endian. False when there is none. The host itself answers
	// what belongs to the plugin.
	Property(path []byte) ([]byte, bool)
}

// Routed is an Exchange whose route can be looked for again, with the request as
// it is then.
type Routed interface {
	Exchange
	ClearRoute()
}

// Fields is an ordered map of fields. Names are compared without regard to case.
// What it is given is the guest's memory: it copies what it keeps. What it
// returns stands until the next change.
type Fields interface {
	Len() int
	At(i int) (name, value []byte)
	// Get is the value of a name; where there are many, all of them, joined by
	// commas, as Envoy has it.
	Get(name []byte) ([]byte, bool)
	Set(name, value []byte)
	Add(name, value []byte)
	Remove(name []byte)
}

// Action is what the plane does after a hook.
type Action uint32

// The actions.
const (
	Continue Action = iota
	Pause
)

// Reply is a response that a guest gives in the place of the upstream's.
type Reply struct {
	Status  int
	Details string // a word for the access log
	Headers []Field
	Body    []byte
	// GRPCStatus is the status for a client of gRPC; −1: none.
	GRPCStatus int32
}
