package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/taremesh/tare/internal/process"
)

// agent is a Consul agent in development mode: server and client in one
// process on loopback, with everything in memory.
type agent struct {
	*process.Process
	launcher   *process.Launcher
	exe        string
	http, grpc string // where it listens
	log        *log
}

// stopGrace is how long a process may take to end by itself.
const stopGrace = time.Second

// startAgent starts an agent and returns when it can sign certificates.
func startAgent(ctx context.Context, l *process.Launcher, exe string, free func() (string, error)) (*agent, error) {
	a := &agent{launcher: l, exe: exe, log: &log{end: make(chan struct{})}}
	config, err := a.config(free)
	if err != nil {
		return nil, err
	}
	a.Process, err = l.Start(process.Command{
		Name: "the Consul agent", Exe: exe, Args: []string{"agent", "-dev", "-hcl", config}, Env: withoutConsul(os.Environ()), Input: []byte{},
	})
	if err != nil {
		return nil, err
	}
	go a.log.read(a.Stdout) // ends with the agent
	if err := a.ready(ctx); err != nil {
		a.Stop(stopGrace)
		return nil, err
	}
	return a, nil
}

// config takes ports for everything that cannot be switched off.
func (a *agent) config(free func() (string, error)) (string, error) {
	type object = map[string]any
	ports := object{"grpc_tls": -1, "https": -1, "dns": -1, "serf_wan": -1}
	for _, p := range []struct {
		name string
		addr *string // where it is wanted
	}{{"http", &a.http}, {"grpc", &a.grpc}, {"serf_lan", new(string)}, {"server", new(string)}} {
		var err error
		if *p.addr, err = free(); err != nil {
			return "", fmt.Errorf("start the Consul agent: %w", err)
		}
		if ports[p.name], err = portOf(*p.addr); err != nil {
			return "", fmt.Errorf("start the Consul agent: %w", err)
		}
	}
	text, err := json.Marshal(object{
		"node_name":                "tare",
		"ports":                    ports,
		"default_intention_policy": "deny",
		"disable_update_check":     true,
		"log_level":                "warn",
		"ui_config":                object{"enabled": false},
	})
	return string(text), err
}

func portOf(addr string) (int, error) {
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// withoutConsul blanks what the user's own environment tells Consul's commands.
func withoutConsul(environ []string) []string {
	var blank []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, "CONSUL_") || strings.HasPrefix(name, "CONNECT_") {
			blank = append(blank, name+"=")
		}
	}
	return blank
}

// pollEvery is the time between two looks at something that cannot be awaited.
const pollEvery = 10 * time.Millisecond

// ready waits until there is a leader and a certificate authority.
func (a *agent) ready(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	alive, cancel := context.WithCancel(ctx) // another program on its port may never answer
	defer cancel()
	go func() {
		select {
		case <-a.Done():
			cancel()
		case <-alive.Done():
		}
	}()
	for {
		var roots struct{ ActiveRootID string }
		err := a.get(alive, "/v1/connect/ca/roots", &roots)
		if err == nil && roots.ActiveRootID != "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until the Consul agent is ready: %w%s", ctx.Err(), a.log)
		case <-a.Done():
			select { // its last words say why
			case <-a.log.end:
			case <-ctx.Done():
			}
			return fmt.Errorf("start the Consul agent: %w%s", a.Err(), a.log)
		case <-tick.C:
		}
	}
}

// write writes a configuration entry.
func (a *agent) write(ctx context.Context, entry any) error { return a.put(ctx, "/v1/config", entry) }

// register tells the agent of a service.
func (a *agent) register(ctx context.Context, r registration) error {
	return a.put(ctx, "/v1/agent/service/register", r)
}

func (a *agent) put(ctx context.Context, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write a request to Consul: %w", err)
	}
	_, err = a.call(ctx, http.MethodPut, path, text)
	return err
}

func (a *agent) get(ctx context.Context, path string, into any) error {
	text, err := a.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (a *agent) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+a.http+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the Consul agent: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the Consul agent's answer to %s %s: %w", method, path, err)
	}
	if res.StatusCode >= 300 {
		return nil, fmt.Errorf("the Consul agent answered %s %s with %s: %s; it was sent %s", method, path, res.Status, bytes.TrimSpace(text), body)
	}
	return text, nil
}

// bootstrap has Consul write what the Envoy of a registered sidecar starts with.
func (a *agent) bootstrap(ctx context.Context, sidecar, admin string) (string, error) {
	p, err := a.launcher.Start(process.Command{
		Name: "consul connect envoy",
		Exe:  a.exe,
		Args: []string{"connect", "envoy", "-proxy-id", sidecar, "-bootstrap", "-admin-bind", admin,
			"-http-addr", "http://" + a.http, "-grpc-addr", "http://" + a.grpc, "-ignore-envoy-compatibility"},
		Env:   withoutConsul(os.Environ()),
		Input: []byte{},
	})
	if err != nil {
		return "", err
	}
	read := make(chan []byte, 1)
	go func() {
		text, _ := io.ReadAll(p.Stdout) // cut off, it is no JSON
		read <- text
	}()
	select {
	case text := <-read:
		<-p.Done()
		if !json.Valid(text) {
			return "", fmt.Errorf("have Consul write the bootstrap of %s: %w", sidecar, p.Err())
		}
		return string(text), nil
	case <-ctx.Done():
		p.Stop(0)
		return "", fmt.Errorf("have Consul write the bootstrap of %s: %w", sidecar, ctx.Err())
	}
}

// log keeps the last lines that the agent logged.
type log struct {
	end   chan struct{} // closed when all is read
	mu    sync.Mutex
	lines []string
}

// mostLines is how many are kept.
const mostLines = 12

func (l *log) read(r interface{ ReadString(byte) (string, error) }) {
	defer close(l.end)
	for {
		line, err := r.ReadString('\n')
		l.add(strings.TrimSpace(line))
		if err != nil {
			return
		}
	}
}

func (l *log) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line == "" {
		return
	}
	if len(l.lines) == mostLines {
		l.lines = l.lines[1:]
	}
	l.lines = append(l.lines, line)
}

// String is the lines, for the end of an error message.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return ""
	}
	return "; its log ends:\n  " + strings.Join(l.lines, "\n  ")
}
