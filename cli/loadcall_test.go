package cli_test

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	health1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
)

// A call's message is given as JSON, and the server says by reflection what it
// means; what it cannot mean is refused before anything is offered.
func TestLoadCallsByReflection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	well := health.NewServer()
	well.SetServingStatus("shop", health1.HealthCheckResponse_SERVING)
	health1.RegisterHealthServer(server, well)
	reflection.Register(server)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	at := "grpc://" + l.Addr().String() + "/grpc.health.v1.Health/Check"
	load := func(message string) result {
		return tare(t, t.TempDir(), "load", at, "--message", message, "--requests", "50", "--connections", "2", "--no-floor", "-o", "json")
	}
	r := load(`{"service": "shop"}`)
	var got struct {
		Requests int `json:"requests"`
		Errors   int `json:"errors"`
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != 0 || got.Requests != 50 || got.Errors != 0 {
		t.Errorf("exit %d, %+v, %v\n%s", r.code, got, err, r.err)
	}
	if r := load(`{"service": "nobody"}`); r.code == 0 {
		t.Errorf("50 calls answered NOT_FOUND: exit 0\n%s", r.out)
	}
	if r := load(`{"shop": 1}`); r.code != 2 || !strings.Contains(r.err, "HealthCheckRequest") {
		t.Errorf("a field that it does not have: exit %d, %s", r.code, r.err)
	}
}
