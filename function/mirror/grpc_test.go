package mirror

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/internal/calltest"
)

// taking is a service that takes every method and keeps what it was sent: the
// method, the metadata x-a and the messages. It answers each message with its name.
type taking struct {
	name string
	mu   sync.Mutex
	got  []string
	came chan struct{} // if set, it is told of each
	hold chan struct{} // if set, nothing is answered until it is closed
	err  error         // of the answer
}

func (s *taking) serve(_ any, ss grpc.ServerStream) error {
	method, _ := grpc.Method(ss.Context())
	md, _ := metadata.FromIncomingContext(ss.Context())
	all := []string{method, strings.Join(md.Get("x-a"), ",")}
	for {
		m := new(wrapperspb.StringValue)
		if err := ss.RecvMsg(m); err != nil {
			break // the client has said all, or is gone
		}
		all = append(all, m.GetValue())
		if m.GetValue() == "" {
			break // it wants the stream to end here
		}
	}
	s.mu.Lock()
	s.got = append(s.got, strings.Join(all, " "))
	s.mu.Unlock()
	if s.came != nil {
		s.came <- struct{}{}
	}
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ss.Context().Done():
		}
	}
	if s.err != nil {
		return s.err
	}
	if err := ss.SetHeader(metadata.Pairs("name", s.name)); err != nil {
		return err
	}
	return ss.SendMsg(wrapperspb.String(s.name))
}

func (s *taking) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// connect serves, on loopback.
func (s *taking) connect(t *testing.T) *grpc.ClientConn {
	t.Helper()
	return calltest.Serve(t, grpc_health_v1.UnimplementedHealthServer{}, grpc.UnknownServiceHandler(s.serve))
}

func standGRPC(t *testing.T, second *taking) (*GRPC, *taking) {
	t.Helper()
	own := &taking{name: "own"}
	g, err := NewGRPC(Spec{Percent: 100}, []grpc.ClientConnInterface{own.connect(t), second.connect(t)})
	if err != nil {
		t.Fatal(err)
	}
	return g, own
}

var kinds = map[string]*grpc.StreamDesc{
	"both ways": {ClientStreams: true, ServerStreams: true}, "the client's": {ClientStreams: true}, "the server's": {ServerStreams: true},
}

// converse sends messages by a stream and returns what came back, and its end.
func converse(ctx context.Context, g grpc.ClientConnInterface, desc *grpc.StreamDesc, messages ...string) (answer string, err error) {
	s, err := g.NewStream(ctx, desc, "/a.B/Stream")
	if err != nil {
		return "", err
	}
	m := new(wrapperspb.StringValue)
	for _, text := range messages {
		m.Value = text
		if err := s.SendMsg(m); err != nil {
			return "", err
		}
	}
	m.Value = "used again"
	if err := s.CloseSend(); err != nil {
		return "", err
	}
	var got wrapperspb.StringValue
	if err := s.RecvMsg(&got); err != nil {
		return "", err
	}
	if desc.ServerStreams {
		if err := s.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) {
			return "", err
		}
	}
	return got.GetValue(), nil
}

// Calls and streams of every kind are copied whole, with their metadata, and none
// waits for its copy or gets anything of its answer.
func TestGRPC(t *testing.T) {
	second := &taking{name: "second", hold: make(chan struct{}), err: status.Error(codes.DataLoss, "of the copy")}
	g, own := standGRPC(t, second)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-a", "1", "x-a", "2")
	var head metadata.MD
	in, out := wrapperspb.String("one"), new(wrapperspb.StringValue)
	if err := g.Invoke(ctx, "/a.B/Call", in, out, grpc.Header(&head)); err != nil || out.GetValue() != "own" {
		t.Errorf("a call: %v, %v", out, err)
	}
	in.Value = "used again"
	for kind, desc := range kinds {
		messages := []string{"one", "two", "three"}
		if !desc.ClientStreams {
			messages = messages[:1]
		}
		if got, err := converse(ctx, g, desc, messages...); err != nil || got != "own" {
			t.Errorf("a stream, %s: %q, %v", kind, got, err)
		}
	}
	close(second.hold)
	g.wait.Wait()
	if err := g.Close(); err != nil || g.Skipped() != 0 || head.Get("name")[0] != "own" {
		t.Errorf("%v, %d skipped, head %v", err, g.Skipped(), head)
	}
	want := []string{"/a.B/Call 1,2 one", "/a.B/Stream 1,2 one", "/a.B/Stream 1,2 one two three", "/a.B/Stream 1,2 one two three"}
	for _, s := range []*taking{own, second} {
		got := s.all()
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s got %q, not %q", s.name, got, want)
		}
	}
}

// A copy outlives its call's context: the client may have its answer and be gone.
func TestGRPCCopiesOutliveCalls(t *testing.T) {
	second := &taking{name: "second"}
	g, _ := standGRPC(t, second)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := g.NewStream(ctx, kinds["both ways"], "/a.B/Stream")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendMsg(wrapperspb.String("one")); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	g.wait.Wait()
	if got := second.all(); g.Skipped() != 0 || !slices.Equal(got, []string{"/a.B/Stream  one"}) {
		t.Errorf("%q came, %d skipped", got, g.Skipped())
	}
}

// Close ends copies although nobody answers.
func TestGRPCCloseEndsCopies(t *testing.T) {
	second := &taking{name: "second", hold: make(chan struct{}), came: make(chan struct{}, 2)}
	g, _ := standGRPC(t, second)
	ctx, cancel := context.WithCancel(t.Context())
	if err := g.Invoke(ctx, "/a.B/Call", wrapperspb.String("one"), new(wrapperspb.StringValue)); err != nil {
		t.Fatal(err)
	}
	if _, err := converse(ctx, g, kinds["both ways"], "two"); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-second.came
	<-second.came
	if err := g.Close(); err != nil || g.Skipped() != 0 {
		t.Errorf("%v, %d skipped", err, g.Skipped())
	}
}

// What is not copied is counted: messages that are too long together or are no
// protocol buffers, streams that end before the client has said all, and copies
// for which there is no room.
func TestGRPCSkipped(t *testing.T) {
	second := &taking{name: "second", hold: make(chan struct{})}
	g, own := standGRPC(t, second)
	defer g.Close()
	skips := uint64(0)
	skip := func(what string, err error) {
		t.Helper()
		if skips++; err != nil || g.Skipped() != skips {
			t.Errorf("%s: %v, %d skipped, not %d", what, err, g.Skipped(), skips)
		}
	}
	skip("a long message", g.Invoke(t.Context(), "/a.B/Call", wrapperspb.String(strings.Repeat("x", MostBody)), new(wrapperspb.StringValue)))
	half := strings.Repeat("x", MostBody/2)
	_, err := converse(t.Context(), g, kinds["both ways"], half, half)
	skip("long messages", err)
	if code := status.Code(g.Invoke(t.Context(), "/a.B/Call", "no message", new(wrapperspb.StringValue))); code != codes.Internal {
		t.Errorf("what is no protocol buffer: %v", code)
	}
	skip("no protocol buffer", nil)
	s, err := g.NewStream(t.Context(), kinds["both ways"], "/a.B/Stream")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendMsg(wrapperspb.String("")); err != nil {
		t.Fatal(err)
	}
	for err = nil; err == nil; err = s.RecvMsg(new(wrapperspb.StringValue)) {
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	skip("a stream that the service ends", nil)
	for range MostCopies {
		if err := g.Invoke(t.Context(), "/a.B/Call", wrapperspb.String("x"), new(wrapperspb.StringValue)); err != nil {
			t.Fatal(err)
		}
	}
	skip("no room for a call", g.Invoke(t.Context(), "/a.B/Call", wrapperspb.String("x"), new(wrapperspb.StringValue)))
	_, err = converse(t.Context(), g, kinds["the client's"], "x")
	skip("no room for a stream", err)
	close(second.hold)
	n := 0
	for _, got := range own.all() {
		if strings.HasSuffix(got, " x") {
			n++
		}
	}
	if n != MostCopies+2 {
		t.Errorf("the first service got %d of %d", n, MostCopies+2)
	}
}

// The longest message that is copied is copied.
func TestGRPCLongestMessage(t *testing.T) {
	second := &taking{name: "second"}
	g, _ := standGRPC(t, second)
	const frame = 4 // a field's key and the length of so much text
	text := strings.Repeat("x", MostBody-frame)
	if err := g.Invoke(t.Context(), "/a.B/Call", wrapperspb.String(text), new(wrapperspb.StringValue)); err != nil {
		t.Fatal(err)
	}
	g.wait.Wait()
	if got := second.all(); g.Skipped() != 0 || len(got) != 1 || !strings.HasSuffix(got[0], text) {
		t.Errorf("%d skipped, %d came", g.Skipped(), len(got))
	}
}

// The first service's failure is the call's, and a stream that cannot begin is no
// stream to copy.
func TestGRPCFailure(t *testing.T) {
	second := &taking{name: "second"}
	g, own := standGRPC(t, second)
	own.err = status.Error(codes.NotFound, "none")
	if err := g.Invoke(t.Context(), "/a.B/Call", wrapperspb.String("x"), new(wrapperspb.StringValue)); status.Code(err) != codes.NotFound {
		t.Errorf("a call: %v", err)
	}
	if _, err := converse(t.Context(), g, kinds["both ways"], "x"); status.Code(err) != codes.NotFound {
		t.Errorf("a stream: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.NewStream(gone, kinds["both ways"], "/a.B/Stream"); status.Code(err) != codes.Canceled {
		t.Errorf("a stream of who is gone: %v", err)
	}
	g.wait.Wait()
	if got := second.all(); len(got) != 2 || g.Skipped() != 0 {
		t.Errorf("%q came, %d skipped", got, g.Skipped())
	}
}

func TestGRPCRefuses(t *testing.T) {
	if _, err := NewGRPC(Spec{}, make([]grpc.ClientConnInterface, 2)); err == nil {
		t.Error("0 percent was taken")
	}
	if _, err := NewGRPC(Spec{Percent: 1}, make([]grpc.ClientConnInterface, 1)); err == nil || !strings.Contains(err.Error(), "1 connections") {
		t.Errorf("one connection: %v", err)
	}
}
