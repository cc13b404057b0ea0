package mirror

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/emptypb"
)

// GRPC is the library form for clients of gRPC: the connection of a client, whose
// calls and streams go to the first service and copies of them to the second.
// A copy has the call's method, outgoing metadata, messages and what its options
// say of them; its authority is that of the second connection, unless the call
// chooses one. It is made by NewGRPC; the zero value is not ready. Close it.
//
// A stream is copied when its client has closed its side. Messages are copied as
// they are sent, so that the caller may use them again; those that are no
// protocol buffers are not, and their calls count as skipped, as do streams that
// end before the client's side is closed.
type GRPC struct {
	*copies
	own, second grpc.ClientConnInterface
}

var _ grpc.ClientConnInterface = (*GRPC)(nil)

// NewGRPC makes the connection; services are connections to the first service
// and to the second. The caller closes them, after this one.
func NewGRPC(s Spec, services []grpc.ClientConnInterface) (*GRPC, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	if len(services) < Services {
		return nil, fmt.Errorf("mirror: %d connections are given: want %d", len(services), Services)
	}
	return &GRPC{copies: newCopies(s), own: services[0], second: services[1]}, nil
}

// Invoke makes a call. Errors are those of the first connection.
func (g *GRPC) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	if g.wanted() {
		var sent messages
		sent.add(args)
		if sent.lost {
			g.skipped.Add(1)
		} else {
			also := ofCopy(opts)
			g.begin(ctx, func(ctx context.Context) {
				// What becomes of a copy changes nothing; an empty message takes any.
				_ = g.second.Invoke(ctx, method, sent.kept[0], new(emptypb.Empty), also...)
			})
		}
	}
	return g.own.Invoke(ctx, method, args, reply, opts...)
}

// NewStream begins a stream. Errors are those of the first connection.
func (g *GRPC) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	own, err := g.own.NewStream(ctx, desc, method, opts...)
	if err != nil || !g.wanted() {
		return own, err
	}
	also := ofCopy(opts)
	return &stream{ClientStream: own, single: !desc.ClientStreams, done: func(sent []proto.Message, whole bool) {
		if !whole {
			g.skipped.Add(1)
			return
		}
		g.begin(ctx, func(ctx context.Context) { g.repeat(ctx, desc, method, sent, also) })
	}}, nil
}

// repeat sends what was sent to the first service to the second.
func (g *GRPC) repeat(ctx context.Context, desc *grpc.StreamDesc, method string, sent []proto.Message, opts []grpc.CallOption) {
	s, err := g.second.NewStream(ctx, desc, method, opts...)
	if err != nil {
		return // what becomes of a copy changes nothing
	}
	var answers sync.WaitGroup
	answers.Go(func() { // at the same time, or a service that answers much takes no more
		for s.RecvMsg(new(emptypb.Empty)) == nil {
		}
	})
	for _, m := range sent {
		if s.SendMsg(m) != nil {
			break
		}
	}
	_ = s.CloseSend() // the answers say how it ended, and are thrown away
	answers.Wait()
}

// stream keeps what is sent, and hands it on once, at its end.
type stream struct {
	grpc.ClientStream
	single bool // the client sends one message, and closes its side with it
	sent   messages
	once   sync.Once
	done   func(sent []proto.Message, whole bool)
}

// SendMsg sends a message and keeps a copy.
func (s *stream) SendMsg(m any) error {
	s.sent.add(m)
	err := s.ClientStream.SendMsg(m)
	if err == nil && s.single {
		s.whole()
	}
	return err
}

// CloseSend closes the client's side.
func (s *stream) CloseSend() error {
	err := s.ClientStream.CloseSend()
	s.whole()
	return err
}

func (s *stream) whole() { s.once.Do(func() { s.done(s.sent.kept, !s.sent.lost) }) }

// RecvMsg takes a message. The stream may be over before the client has said all.
func (s *stream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil {
		s.once.Do(func() { s.done(nil, false) })
	}
	return err
}

// messages are copies of what is sent, of MostBody bytes together.
type messages struct {
	kept []proto.Message
	size int
	lost bool // it is too long, or not to be copied
}

// eachMessage is counted for every message, so that empty ones cost something.
const eachMessage = 64

func (s *messages) add(m any) {
	if s.lost {
		return
	}
	p, ok := asProto(m)
	if !ok {
		s.kept, s.lost = nil, true
		return
	}
	size := proto.Size(p)
	if len(s.kept) > 0 { // one alone may have all of the bytes
		size += eachMessage
	}
	if s.size += size; s.size > MostBody {
		s.kept, s.lost = nil, true
		return
	}
	s.kept = append(s.kept, proto.Clone(p))
}

func asProto(m any) (proto.Message, bool) {
	switch m := m.(type) {
	case proto.Message:
		return m, true
	case protoadapt.MessageV1:
		return protoadapt.MessageV2Of(m), true
	}
	return nil, false
}

// ofCopy are the options that say what a call is like. Others write into the
// caller's memory, or make it wait.
func ofCopy(opts []grpc.CallOption) (all []grpc.CallOption) {
	for _, o := range opts {
		switch o.(type) {
		case grpc.AuthorityOverrideCallOption, grpc.PerRPCCredsCallOption, grpc.CompressorCallOption, grpc.ContentSubtypeCallOption,
			grpc.ForceCodecCallOption, grpc.ForceCodecV2CallOption, grpc.MaxSendMsgSizeCallOption, grpc.MaxRecvMsgSizeCallOption:
			all = append(all, o)
		}
	}
	return all
}
