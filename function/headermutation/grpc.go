package headermutation

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// GRPC is the library form for servers of gRPC: interceptors that change the
// metadata of calls before they are handled, and the header metadata of their
// responses before it is sent. Trailers stay.
type GRPC struct{ request, response []Mutation }

// NewGRPC makes the interceptors. Names that gRPC keeps for itself are refused.
func NewGRPC(s Spec) (*GRPC, error) {
	s, err := s.complete()
	if err != nil {
		return nil, err
	}
	for _, ms := range [][]Mutation{s.Request, s.Response} {
		for _, m := range ms {
			if strings.HasPrefix(m.Name, "grpc-") || m.Name == "content-type" || strings.HasSuffix(m.Name, "-bin") {
				return nil, fmt.Errorf("header-mutation: %s: gRPC keeps it for itself, or it holds bytes: a proxy may change it, an interceptor cannot", m.Name)
			}
		}
	}
	return &GRPC{request: s.Request, response: s.Response}, nil
}

// Unary is an interceptor for a server (grpc.UnaryInterceptor).
func (g *GRPC) Unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	h := &head{changes: g.response}
	inner := grpc.ServerTransportStreamFromContext(ctx)
	ctx = grpc.NewContextWithServerTransportStream(g.incoming(ctx), &unaryStream{inner, h})
	resp, err := handle(ctx, req)
	if headErr := h.end(inner.SetHeader); err == nil && headErr != nil {
		return nil, headErr
	}
	return resp, err
}

// Stream is an interceptor for a server (grpc.StreamInterceptor).
func (g *GRPC) Stream(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	h := &head{changes: g.response}
	err := handle(srv, &serverStream{ServerStream: s, ctx: g.incoming(s.Context()), head: h})
	if headErr := h.end(s.SetHeader); err == nil {
		return headErr
	}
	return err
}

// incoming is the context with the call's metadata changed.
func (g *GRPC) incoming(ctx context.Context) context.Context {
	if len(g.request) == 0 {
		return ctx
	}
	md, _ := metadata.FromIncomingContext(ctx) // a copy
	return metadata.NewIncomingContext(ctx, changed(g.request, md))
}

// changed makes the mutations in place.
func changed(ms []Mutation, md metadata.MD) metadata.MD {
	if md == nil {
		md = metadata.MD{}
	}
	for _, m := range ms {
		switch m.Op {
		case Set:
			md.Set(m.Name, m.Value)
		case Append:
			md.Append(m.Name, m.Value)
		case Remove:
			md.Delete(m.Name)
		}
	}
	return md
}

// head gathers what a handler says in header metadata, until it is sent.
type head struct {
	changes []Mutation

	mu   sync.Mutex
	said metadata.MD
	sent bool
}

func (h *head) set(md metadata.MD, late func(metadata.MD) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sent {
		return late(md) // gRPC says what is wrong with that
	}
	h.said = metadata.Join(h.said, md)
	return nil
}

// send hands what was said, changed, to gRPC.
func (h *head) send(md metadata.MD, send func(metadata.MD) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sent {
		return send(md)
	}
	h.sent = true
	return send(changed(h.changes, metadata.Join(h.said, md)))
}

// end does so when the handler has sent nothing.
func (h *head) end(set func(metadata.MD) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sent {
		return nil
	}
	h.sent = true
	return set(changed(h.changes, h.said))
}

type unaryStream struct {
	grpc.ServerTransportStream
	head *head
}

func (s *unaryStream) SetHeader(md metadata.MD) error {
	return s.head.set(md, s.ServerTransportStream.SetHeader)
}

func (s *unaryStream) SendHeader(md metadata.MD) error {
	return s.head.send(md, s.ServerTransportStream.SendHeader)
}

type serverStream struct {
	grpc.ServerStream
	ctx  context.Context
	head *head
}

func (s *serverStream) Context() context.Context { return s.ctx }

func (s *serverStream) SetHeader(md metadata.MD) error {
	return s.head.set(md, s.ServerStream.SetHeader)
}

func (s *serverStream) SendHeader(md metadata.MD) error {
	return s.head.send(md, s.ServerStream.SendHeader)
}

// SendMsg sends the head first, as gRPC does.
func (s *serverStream) SendMsg(m any) error {
	if err := s.head.end(s.ServerStream.SetHeader); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}
