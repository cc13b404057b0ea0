package xds

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/google/go-cmp/cmp"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/taremesh/tare/dataplane"
)

const patience = 20 * time.Second

// peer is a proxy that does what the test says.
type peer struct {
	t      *testing.T
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	hangUp func()
}

func newServer(t *testing.T) *Server {
	t.Helper()
	s, err := NewServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// connect subscribes to everything that a proxy of whole needs.
func connect(t *testing.T, s *Server) *peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	c, err := grpc.NewClient("passthrough:///"+s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); c.Close() })
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(c).DeltaAggregatedResources(ctx)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t, stream, func() { cancel(); c.Close() }}
	p.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: resource.ClusterType})
	p.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: resource.EndpointType, ResourceNamesSubscribe: []string{"api", "web"}})
	p.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: resource.ListenerType})
	p.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: resource.RouteType, ResourceNamesSubscribe: []string{RoutesName}})
	return p
}

func (p *peer) send(r *discoveryv3.DeltaDiscoveryRequest) {
	p.t.Helper()
	r.Node = &corev3.Node{Id: "node"}
	if err := p.stream.Send(r); err != nil {
		p.t.Fatal(err)
	}
}

// answer takes n responses; words is a refusal by type.
func (p *peer) answer(n int, words map[string]string, silent ...string) (types []string) {
	p.t.Helper()
	for range n {
		r, err := p.stream.Recv()
		if err != nil {
			p.t.Fatal(err)
		}
		types = append(types, shortType(r.GetTypeUrl()))
		a := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce()}
		if w, ok := words[shortType(r.GetTypeUrl())]; ok {
			a.ErrorDetail = &rpcstatus.Status{Code: 3, Message: w}
		}
		quiet := false
		for _, s := range silent {
			quiet = quiet || s == shortType(r.GetTypeUrl())
		}
		if !quiet {
			p.send(a)
		}
	}
	return types
}

// set runs Set beside the test.
func set(ctx context.Context, s *Server, p dataplane.Proxy) chan error {
	done := make(chan error, 1)
	go func() { done <- s.Set(ctx, "node", p) }()
	return done
}

func result(t *testing.T, done chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("Set does not return")
		return nil
	}
}

// owes waits until the acknowledgements that were sent have been counted.
func owes(t *testing.T, s *Server, want string) {
	t.Helper()
	for {
		s.acks.mu.Lock()
		n := s.acks.node("node")
		missing, changed := n.missing(), n.changed
		s.acks.mu.Unlock()
		if missing == want {
			return
		}
		select {
		case <-changed:
		case <-time.After(patience):
			t.Fatalf("it still says %q", missing)
		}
	}
}

func TestSetWaitsForEveryType(t *testing.T) {
	s := newServer(t)
	p := connect(t, s)
	if err := s.Connected(t.Context(), "node"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the same again is sent again
		done := set(t.Context(), s, whole(t))
		p.answer(3, nil)
		select {
		case err := <-done:
			t.Fatalf("returned after three of four types: %v", err)
		default:
		}
		p.answer(1, nil)
		if err := result(t, done); err != nil {
			t.Fatal(err)
		}
	}
}

// An update comes in the order in which nothing refers to what is not there.
func TestOrder(t *testing.T) {
	s := newServer(t)
	p := connect(t, s)
	done := set(t.Context(), s, whole(t))
	p.answer(4, nil)
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	done = set(t.Context(), s, whole(t))
	got := p.answer(4, nil)
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefusal(t *testing.T) {
	for _, typ := range []string{"Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"} {
		t.Run(typ, func(t *testing.T) {
			s := newServer(t)
			p := connect(t, s)
			done := set(t.Context(), s, whole(t))
			p.answer(4, map[string]string{typ: "field x: not supported"})
			err := result(t, done)
			if err == nil || !strings.Contains(err.Error(), "refused the "+typ+": field x: not supported") {
				t.Fatalf("got %v", err)
			}
			done = set(t.Context(), s, whole(t))
			p.answer(4, nil)
			if err := result(t, done); err != nil {
				t.Errorf("after the refusal: %v", err)
			}
		})
	}
}

// A node that has taken some types of what it refused gets back what it had.
func TestRefusalGoesBack(t *testing.T) {
	s := newServer(t)
	p := connect(t, s)
	done := set(t.Context(), s, whole(t))
	p.answer(4, nil)
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	next := whole(t)
	next.Listen = "127.0.0.1:20009"
	done = set(t.Context(), s, next)
	p.answer(4, map[string]string{"Listener": "no"})
	if diff := cmp.Diff([]string{"Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"}, p.answer(4, nil)); diff != "" {
		t.Error(diff)
	}
	var refusal *Refusal
	if err := result(t, done); !errors.As(err, &refusal) || *refusal != (Refusal{"Listener", "no"}) {
		t.Errorf("got %v", err)
	}
	now, err := s.cache.GetSnapshot("node")
	if err != nil {
		t.Fatal(err)
	}
	l := now.GetResources(resource.ListenerType)[ListenerName].(*listenerv3.Listener)
	if port := l.GetAddress().GetSocketAddress().GetPortValue(); port != 20001 {
		t.Errorf("it was given port %d, want the one before, 20001", port)
	}
}

// A refusal of what has been replaced meanwhile says nothing of what replaced it.
func TestLateRefusal(t *testing.T) {
	s := newServer(t)
	p := connect(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := set(ctx, s, whole(t))
	var late *discoveryv3.DeltaDiscoveryRequest
	for range 4 {
		r, err := p.stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		a := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce()}
		if r.GetTypeUrl() == resource.ListenerType {
			a.ErrorDetail = &rpcstatus.Status{Code: 3, Message: "late"}
			late = a
			continue
		}
		p.send(a)
	}
	owes(t, s, "not acknowledged: Listener")
	cancel()
	if err := result(t, done); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	done = set(t.Context(), s, whole(t))
	p.answer(3, nil) // the listener follows when the earlier one is answered
	p.send(late)
	p.answer(1, nil)
	if err := result(t, done); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestRemoval(t *testing.T) {
	s := newServer(t)
	p := connect(t, s)
	done := set(t.Context(), s, whole(t))
	p.answer(4, nil)
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	less := whole(t)
	less.Clusters = less.Clusters[1:]
	less.Hosts = less.Hosts[1:]
	ctx, cancel := context.WithCancel(t.Context())
	done = set(ctx, s, less)
	p.answer(4, nil, "Cluster") // the removal is not acknowledged
	owes(t, s, "not acknowledged: Cluster")
	cancel()
	if err := result(t, done); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "not acknowledged: Cluster") {
		t.Errorf("got %v", err)
	}
}

func TestSetEndsWithContext(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := set(ctx, s, whole(t))
	cancel()
	if err := result(t, done); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no stream") {
		t.Errorf("without a proxy: got %v", err)
	}
	s = newServer(t) // the other one would send what it has first
	p := connect(t, s)
	ctx, cancel = context.WithCancel(t.Context())
	done = set(ctx, s, whole(t))
	p.answer(4, nil, "ClusterLoadAssignment", "RouteConfiguration")
	owes(t, s, "not acknowledged: ClusterLoadAssignment, RouteConfiguration")
	cancel()
	err := result(t, done)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "not acknowledged: ClusterLoadAssignment, RouteConfiguration") {
		t.Errorf("half acknowledged: got %v", err)
	}
}

func TestProxyHangsUp(t *testing.T) {
	s := newServer(t)
	p := connect(t, s)
	done := set(t.Context(), s, whole(t))
	p.answer(4, nil, "Listener")
	p.hangUp()
	if err := result(t, done); !errors.Is(err, errClosed) {
		t.Errorf("got %v", err)
	}
}

func TestCloseTwice(t *testing.T) {
	s := newServer(t)
	s.Close()
	s.Close()
}
