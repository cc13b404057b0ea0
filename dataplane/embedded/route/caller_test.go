package route

import (
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/durationpb"
)

// fields is a head.
type fields map[string]string

func (f fields) Copy(name string, before int) ([]byte, bool) {
	v, ok := f[name]
	return []byte(v), ok && before == 0
}

func TestCallerWaits(t *testing.T) {
	const grpc = "application/grpc"
	for _, c := range []struct {
		most   time.Duration
		kind   string
		said   string
		want   time.Duration
		counts bool
	}{
		{time.Second, grpc, "300m", 300 * time.Millisecond, true},
		{time.Second, grpc, "10S", time.Second, true},
		{time.Second, grpc, "", time.Second, true},
		{time.Second, grpc, "soon", time.Second, true},
		{time.Second, grpc, "0m", time.Second, true},
		{0, grpc, "10S", 10 * time.Second, true},
		{0, grpc, "", 0, true},
		{time.Second, "application/grpc+proto", "300m", 300 * time.Millisecond, true},
		{time.Second, "text/plain", "300m", 0, false},
		{time.Second, "", "300m", 0, false},
	} {
		//lint:ignore SA1019 it is what is tried
		caller, err := newCaller(&routev3.RouteAction{MaxGrpcTimeout: durationpb.New(c.most)})
		if err != nil {
			t.Fatal(err)
		}
		head := fields{}
		if c.kind != "" {
			head["content-type"] = c.kind
		}
		if c.said != "" {
			head["grpc-timeout"] = c.said
		}
		if got, counts := caller.Wait(head); got != c.want || counts != c.counts {
			t.Errorf("most %v, %q says %q: %v, %t; want %v, %t", c.most, c.kind, c.said, got, counts, c.want, c.counts)
		}
	}
	if _, counts := (*Caller)(nil).Wait(fields{"content-type": grpc}); counts {
		t.Error("a route that asks nobody asks")
	}
}

func TestAppendTimeoutIsReadAgain(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "1m", -time.Second: "1m", time.Microsecond: "1m", 300 * time.Millisecond: "300m", 299999 * time.Microsecond: "299m",
		99_999_999 * time.Millisecond: "99999999m", 30 * time.Hour: "108000S", 1 << 62: "99999999S",
	} {
		got := AppendTimeout(nil, d)
		if read, ok := GRPCTimeout(got); string(got) != want || !ok || d > 0 && read > max(d, time.Millisecond) {
			t.Errorf("%v is %s, read as %v: want %s", d, got, read, want)
		}
	}
}
