package headermutation

import (
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	procfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/internal/extproc"
)

// nowhere is a proxy without endpoints.
type nowhere struct{}

func (nowhere) Endpoint(string) (string, bool) { return "", false }

// What the filter that asks a processor does not do, it refuses by its field.
func TestProcessorRefuses(t *testing.T) {
	base := func() *procfilterv3.ExternalProcessor { return extproc.Config("asked", Spec{}.process()) }
	for _, c := range []struct {
		change func(*procfilterv3.ExternalProcessor)
		fault  string
	}{
		{func(*procfilterv3.ExternalProcessor) {}, ""},
		{func(m *procfilterv3.ExternalProcessor) { m.FailureModeAllow = true }, "failure_mode_allow"},
		{func(m *procfilterv3.ExternalProcessor) {
			m.ProcessingMode.RequestBodyMode = procfilterv3.ProcessingMode_BUFFERED
		}, "request_body_mode"},
		{func(m *procfilterv3.ExternalProcessor) {
			m.ProcessingMode.ResponseTrailerMode = procfilterv3.ProcessingMode_SEND
		}, "response_trailer_mode"},
		{func(m *procfilterv3.ExternalProcessor) { m.GrpcService.GetEnvoyGrpc().ClusterName = "" }, "cluster_name: is required"},
		{func(m *procfilterv3.ExternalProcessor) {
			m.GrpcService.TargetSpecifier = &corev3.GrpcService_GoogleGrpc_{GoogleGrpc: &corev3.GrpcService_GoogleGrpc{}}
		}, "google_grpc"},
		{func(m *procfilterv3.ExternalProcessor) { m.RequestAttributes = []string{"x"} }, "request_attributes"},
	} {
		m := base()
		c.change(m)
		packed, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		_, err = joinProcessor(packed, nowhere{})
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%v: %v, want %q", m, err, c.fault)
		}
	}
}
