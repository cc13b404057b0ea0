package collect

import (
	"errors"
	"io"
	"net"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
)

type logService struct {
	accesslogv3.UnimplementedAccessLogServiceServer
	collector *Collector
}

// StreamAccessLogs takes a proxy's log. Who speaks is in the first message.
func (s *logService) StreamAccessLogs(stream accesslogv3.AccessLogService_StreamAccessLogsServer) error {
	var node, log string
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&accesslogv3.StreamAccessLogsResponse{})
		}
		if err != nil {
			return err
		}
		if id := m.GetIdentifier(); id != nil {
			node, log = id.GetNode().GetId(), id.GetLogName()
		}
		var all []Entry
		for _, e := range m.GetHttpLogs().GetLogEntry() {
			all = append(all, entry(node, log, e))
		}
		s.collector.add(func(g *Gathered) { g.Entries = append(g.Entries, all...) })
	}
}

func entry(node, log string, e *datav3.HTTPAccessLogEntry) Entry {
	q, r, c := e.GetRequest(), e.GetResponse(), e.GetCommonProperties()
	return Entry{
		Node: node, Log: log, Path: q.GetPath(), Authority: q.GetAuthority(), Method: corev3.RequestMethod_name[int32(q.GetRequestMethod())],
		Status: int(r.GetResponseCode().GetValue()), Received: int64(q.GetRequestBodyBytes()), Sent: int64(r.GetResponseBodyBytes()),
		Began: c.GetStartTime().AsTime(), Took: c.GetDuration().AsDuration(), Upstream: hostport(c.GetUpstreamRemoteAddress()),
		Headers: q.GetRequestHeaders(),
	}
}

func hostport(a *corev3.Address) string {
	s := a.GetSocketAddress()
	if s.GetAddress() == "" {
		return ""
	}
	return net.JoinHostPort(s.GetAddress(), strconv.Itoa(int(s.GetPortValue())))
}
