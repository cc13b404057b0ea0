package proxywasm

import (
	"sync"
	"sync/atomic"
)

// MetricKind is what a metric counts.
type MetricKind uint32

// The kinds of metrics.
const (
	Counter MetricKind = iota
	Gauge
	Histogram
)

// Metric is a metric that a guest defined, as it stands.
type Metric struct {
	Name string
	Kind MetricKind
	// Value is the count of a counter and the value of a gauge; of a histogram
	// it is the sum of what was recorded.
	Value uint64
	// Count is how many values a histogram recorded.
	Count uint64
}

type metric struct {
	name         string
	kind         MetricKind
	value, count atomic.Uint64
}

// metrics are those of a plugin, one for all its instances. A metric's id is
// its place, counted from 1.
type metrics struct {
	most int
	mu   sync.Mutex
	all  atomic.Pointer[[]*metric] // grown by copying
}

func (m *metrics) list() []*metric {
	if all := m.all.Load(); all != nil {
		return *all
	}
	return nil
}

// define finds a metric or makes it.
func (m *metrics) define(kind uint32, name []byte) (uint32, status) {
	if kind > uint32(Histogram) {
		return 0, statusBadArgument
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.list()
	for i, x := range old {
		if x.kind == MetricKind(kind) && x.name == string(name) {
			return uint32(i + 1), statusOK
		}
	}
	if len(old) >= m.most {
		return 0, statusInternalFailure
	}
	all := append(old[:len(old):len(old)], &metric{name: string(name), kind: MetricKind(kind)})
	m.all.Store(&all)
	return uint32(len(all)), statusOK
}

func (m *metrics) find(id uint32) *metric {
	all := m.list()
	if id == 0 || uint64(id) > uint64(len(all)) {
		return nil
	}
	return all[id-1]
}

// record sets a gauge, adds to a counter and gives a histogram a value, as
// Envoy does.
func (m *metrics) record(id uint32, value uint64) status {
	x := m.find(id)
	if x == nil {
		return statusNotFound
	}
	if x.kind == Gauge {
		x.value.Store(value)
		return statusOK
	}
	x.value.Add(value)
	x.count.Add(1)
	return statusOK
}

func (m *metrics) increment(id uint32, delta int64) status {
	x := m.find(id)
	switch {
	case x == nil:
		return statusNotFound
	case x.kind == Histogram || x.kind == Counter && delta < 0:
		return statusBadArgument
	}
	x.value.Add(uint64(delta))
	return statusOK
}

func (m *metrics) get(id uint32) (uint64, status) {
	x := m.find(id)
	switch {
	case x == nil:
		return 0, statusNotFound
	case x.kind == Histogram:
		return 0, statusBadArgument
	}
	return x.value.Load(), statusOK
}

// Metrics are the plugin's metrics, in the order of their definition.
func (p *Plugin) Metrics() []Metric {
	all := p.metrics.list()
	out := make([]Metric, len(all))
	for i, x := range all {
		out[i] = Metric{x.name, x.kind, x.value.Load(), 0}
		if x.kind == Histogram {
			out[i].Count = x.count.Load()
		}
	}
	return out
}
