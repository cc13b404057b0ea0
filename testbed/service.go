package testbed

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/workload"
)

// Service is the running service of a topology.
type Service struct {
	*process.Process
	Addr string // where it listens
}

// statsTimeout bounds how long a service may take to tell its count.
const statsTimeout = 10 * time.Second

// StartService starts the topology's service on loopback and returns when it
// has said where it listens. A service that has started is returned with an
// error too, to be stopped.
func StartService(ctx context.Context, l *process.Launcher, t Topology) (*Service, error) {
	return startService(ctx, l, t, ServiceRole, t.Workload.Command, t.Service)
}

// Calls is the workload's own part of the configuration of a relay.
type Calls struct {
	Addrs []string `json:"addrs"` // host:port, each a replica of what it calls
}

// StartRelay starts the topology's relay like StartService; it calls the addresses.
func StartRelay(ctx context.Context, l *process.Launcher, t Topology, addrs []string) (*Service, error) {
	text, err := json.Marshal(Calls{addrs})
	if err != nil {
		return nil, fmt.Errorf("write the configuration of the relay of %s: %w", t.Name, err)
	}
	config := workload.Config{Workers: t.Service.Workers, Service: text, Functions: t.Relay.Functions}
	return startService(ctx, l, t, RelayRole, []string{"serve", "relay"}, config)
}

// StartAsked starts like StartService what the topology's proxies ask.
func StartAsked(ctx context.Context, l *process.Launcher, t Topology) (*Service, error) {
	config := workload.Config{Workers: t.Service.Workers, Service: t.Asked.Spec}
	return startService(ctx, l, t, ExternalRole, []string{"serve", "external", t.Asked.Function}, config)
}

func startService(ctx context.Context, l *process.Launcher, t Topology, role Role, command []string, config workload.Config) (*Service, error) {
	what := fmt.Sprintf("the %s of %s", role, t.Name)
	if config.Listen == "" {
		config.Listen = "127.0.0.1:0"
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("write the configuration of %s: %w", what, err)
	}
	p, err := l.Start(process.Command{Name: what, Args: command, Input: text, Cores: t.Cores})
	if err != nil {
		return nil, err
	}
	s := &Service{Process: p}
	line, err := p.Ready(ctx)
	if err != nil {
		return s, err
	}
	var ready workload.Ready
	if err := json.Unmarshal([]byte(line), &ready); err != nil || ready.Addr == "" {
		return s, fmt.Errorf("start %s: its first line is no address: %q", what, line)
	}
	s.Addr = ready.Addr
	return s, nil
}

// Stats asks the service, past any proxy, for its own count.
func (s *Service) Stats(ctx context.Context) (workload.Stats, error) {
	var st workload.Stats
	url := "http://" + s.Addr + workload.StatsPath
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return st, fmt.Errorf("ask %s: %w", url, err)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return st, fmt.Errorf("ask the service for its count: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return st, fmt.Errorf("ask the service for its count: %s answered %s", url, res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&st); err != nil {
		return st, fmt.Errorf("read the service's count from %s: %w", url, err)
	}
	return st, nil
}

// Send sends the request to an address, on a connection of its own. An answer
// of 400 and above is an error.
func (r Request) Send(ctx context.Context, addr string) error {
	req, err := http.NewRequestWithContext(ctx, r.Method, "http://"+addr+r.Path, nil)
	if err != nil {
		return err
	}
	req.Host = r.Host
	for _, h := range r.Header {
		req.Header.Set(h[0], h[1])
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 200))
	if err != nil {
		return err
	}
	if res.StatusCode >= 400 {
		return fmt.Errorf("%s %s answered %s: %s", r.Method, r.Path, res.Status, body)
	}
	return nil
}
