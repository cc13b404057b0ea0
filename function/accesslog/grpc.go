package accesslog

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// keyCode is of Middleware's keys what gRPC has beside them.
const keyCode = "grpc_status"

// GRPC is Middleware for servers of gRPC (grpc.StatsHandler): a record for each
// call and each stream, when it has ended, with the attributes of Middleware and
// grpc_status, the code's name, for which a line of NewHandler has no place. The
// method is POST, the path the full method and the status 200, as HTTP has them;
// received and sent are the messages as they are on the wire, with their frames.
// It is made by NewGRPC; the zero value is not ready.
type GRPC struct{ log *slog.Logger }

var _ stats.Handler = (*GRPC)(nil)

// NewGRPC writes to the logger.
func NewGRPC(l *slog.Logger) *GRPC { return &GRPC{l} }

// exchange is a call or a stream under way. Its messages may come and go at once.
type exchange struct {
	path           string
	header         metadata.MD
	received, sent atomic.Int64
}

type exchangeKey struct{}

// TagRPC begins a call's account.
func (*GRPC) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, exchangeKey{}, &exchange{path: info.FullMethodName})
}

// HandleRPC counts a call's messages, and logs its end.
func (g *GRPC) HandleRPC(ctx context.Context, s stats.RPCStats) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return
	}
	switch s := s.(type) {
	case *stats.InHeader:
		x.header = s.Header
	case *stats.InPayload:
		x.received.Add(int64(s.WireLength))
	case *stats.OutPayload:
		x.sent.Add(int64(s.WireLength))
	case *stats.End:
		g.log.LogAttrs(context.WithoutCancel(ctx), slog.LevelInfo, "request",
			slog.Time(keyBegan, s.BeginTime), slog.String(keyMethod, http.MethodPost), slog.String(keyPath, x.path), slog.String(keyProtocol, "HTTP/2"),
			slog.Int(keyStatus, http.StatusOK), slog.Int64(keyReceived, x.received.Load()), slog.Int64(keySent, x.sent.Load()),
			slog.Duration(keyTook, s.EndTime.Sub(s.BeginTime)), slog.String(keyAgent, x.first("user-agent")), slog.String(keyAuthority, x.first(":authority")),
			slog.String(keyCode, status.Code(s.Error).String()))
	}
}

func (x *exchange) first(name string) string {
	if all := x.header.Get(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// TagConn does nothing: connections have no lines.
func (*GRPC) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (*GRPC) HandleConn(context.Context, stats.ConnStats) {}
