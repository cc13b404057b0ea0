package xds

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
)

// resourceTypes is in the order in which a proxy takes them.
var resourceTypes = []string{resource.SecretType, resource.ClusterType, resource.EndpointType, resource.ListenerType, resource.RouteType}

// ledger keeps what every node has acknowledged.
type ledger struct {
	mu      sync.Mutex
	nodes   map[string]*nodeState
	streams map[int64]*streamState
}

// streamState is one open stream and the responses on it without an answer.
type streamState struct {
	node string
	open map[string]sent // by nonce
}

// sent is what one response carried. The version is the snapshot's: what the
// cache puts beside each resource is a digest.
type sent struct {
	version   string
	resources []string
	removed   []string
}

type nodeState struct {
	streams int
	version string                       // expected
	want    map[string]map[string]string // type, name, version
	have    map[string]map[string]string
	refusal error
	changed chan struct{} // closed and replaced at every change
}

func newLedger() *ledger {
	return &ledger{nodes: map[string]*nodeState{}, streams: map[int64]*streamState{}}
}

func (l *ledger) node(id string) *nodeState {
	n, ok := l.nodes[id]
	if !ok {
		n = &nodeState{have: map[string]map[string]string{}, changed: make(chan struct{})}
		l.nodes[id] = n
	}
	return n
}

func (n *nodeState) signal() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// expect starts the account of a new version.
func (l *ledger) expect(id, version string, want map[string]map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.node(id)
	n.version, n.want, n.refusal = version, want, nil
}

// wait returns when the condition holds or fails, or the context ends.
func (l *ledger) wait(ctx context.Context, id string, holds func(*nodeState) (bool, error)) error {
	for {
		l.mu.Lock()
		n := l.node(id)
		ok, err := holds(n)
		changed := n.changed
		l.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			return fmt.Errorf("%s: %w", n.missing(), ctx.Err())
		}
	}
}

// settled reports whether the node has exactly what is wanted of it.
func (n *nodeState) settled() (bool, error) {
	if n.refusal != nil {
		return false, n.refusal
	}
	for _, typ := range resourceTypes {
		if !maps.Equal(n.have[typ], n.want[typ]) {
			return false, nil
		}
	}
	return true, nil
}

// missing says in words what the node owes.
func (n *nodeState) missing() string {
	if n.streams == 0 {
		return "it has no stream open"
	}
	var types []string
	for _, typ := range resourceTypes {
		if !maps.Equal(n.have[typ], n.want[typ]) {
			types = append(types, shortType(typ))
		}
	}
	if len(types) == 0 {
		return "it owes nothing"
	}
	return "not acknowledged: " + strings.Join(types, ", ")
}

func (l *ledger) request(id int64, r *discoveryv3.DeltaDiscoveryRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	st, ok := l.streams[id]
	if !ok {
		st = &streamState{node: r.GetNode().GetId(), open: map[string]sent{}}
		l.streams[id] = st
		n := l.node(st.node)
		// A new stream starts from nothing, whatever an earlier one had.
		n.have = map[string]map[string]string{}
		n.streams++
		n.signal()
	}
	n := l.node(st.node)
	for _, name := range r.GetResourceNamesUnsubscribe() {
		delete(n.have[r.GetTypeUrl()], name)
	}
	if s, ok := st.open[r.GetResponseNonce()]; ok {
		delete(st.open, r.GetResponseNonce())
		n.answer(r, s)
	}
	n.signal()
}

func (n *nodeState) answer(r *discoveryv3.DeltaDiscoveryRequest, s sent) {
	typ := r.GetTypeUrl()
	if detail := r.GetErrorDetail(); detail != nil {
		if s.version == n.version {
			n.refusal = &Refusal{Type: shortType(typ), Words: detail.GetMessage()}
		}
		return
	}
	if n.have[typ] == nil {
		n.have[typ] = map[string]string{}
	}
	for _, name := range s.resources {
		n.have[typ][name] = s.version
	}
	for _, name := range s.removed {
		delete(n.have[typ], name)
	}
}

func (l *ledger) response(id int64, r *discoveryv3.DeltaDiscoveryResponse) {
	s := sent{version: r.GetSystemVersionInfo(), removed: r.GetRemovedResources()}
	for _, res := range r.GetResources() {
		s.resources = append(s.resources, res.GetName())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if st, ok := l.streams[id]; ok {
		st.open[r.GetNonce()] = s
	}
}

func (l *ledger) closed(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	st, ok := l.streams[id]
	if !ok {
		return
	}
	delete(l.streams, id)
	n := l.node(st.node)
	n.streams--
	if n.streams == 0 && n.want != nil && n.refusal == nil {
		if ok, _ := n.settled(); !ok {
			n.refusal = errClosed
		}
	}
	n.signal()
}

// forget drops a node without streams.
func (l *ledger) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.nodes[id]; ok && n.streams == 0 {
		delete(l.nodes, id)
	}
}

// Refusal is a node's answer to a type of resource that it does not take.
type Refusal struct {
	Type  string // Listener, Cluster, …
	Words string // the node's
}

func (r *Refusal) Error() string { return "it refused the " + r.Type + ": " + r.Words }

// errClosed is what waiting ends with when a proxy hangs up before it answered.
var errClosed = errors.New("it closed its stream before it had acknowledged everything")

// shortType is the message's name without its package.
func shortType(typeURL string) string {
	return typeURL[strings.LastIndexByte(typeURL, '.')+1:]
}
