package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// The test binary plays the processes: "play service" and "play proxy", and
// tare's own "serve relay" and "serve external".
func TestMain(m *testing.M) {
	if len(os.Args) < 3 || os.Args[1] != "play" && os.Args[1] != "serve" {
		os.Exit(m.Run())
	}
	var err error
	switch os.Args[2] {
	case "relay", "external":
		err = playPassing(os.Args[2])
	case "service":
		err = playService()
	case "proxy":
		err = playProxy()
	case "nonsense":
		fmt.Println("hello")
		select {}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// part is what a service of these tests is told to play.
type part struct {
	CrashAtStart string // its last words
	CrashAtProbe string
	Status       int
	Started      string // file that it adds its Name to
	Name         string
}

func playService() error {
	cfg, err := workload.ReadConfig(os.Stdin)
	if err != nil {
		return err
	}
	var p part
	if err := json.Unmarshal(cfg.Service, &p); err != nil {
		return err
	}
	if p.Started != "" {
		f, err := os.OpenFile(p.Started, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		fmt.Fprintln(f, p.Name)
		f.Close()
	}
	if p.CrashAtStart != "" {
		return errors.New(p.CrashAtStart)
	}
	var served atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		if p.CrashAtProbe != "" {
			fmt.Fprintln(os.Stderr, p.CrashAtProbe)
			os.Exit(9)
		}
		if p.Status != 0 {
			w.WriteHeader(p.Status)
		}
		fmt.Fprint(w, r.Header.Get("Via"))
	})
	stats := func() workload.Stats { return workload.Stats{Served: served.Load()} }
	return workload.Run(context.Background(), cfg, workload.Service{Handler: handler, Stats: stats}, workload.Announce(os.Stdout))
}

// playPassing plays a relay and what is asked: it calls the last address that it
// was told, if any, and adds its name.
func playPassing(name string) error {
	cfg, err := workload.ReadConfig(os.Stdin)
	if err != nil {
		return err
	}
	var calls testbed.Calls
	if err := json.Unmarshal(cfg.Service, &calls); err != nil {
		return err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, strings.Join(os.Args[2:], "-"))
		if len(calls.Addrs) == 0 {
			return
		}
		res, err := http.Get("http://" + calls.Addrs[len(calls.Addrs)-1])
		if err != nil {
			fmt.Fprint(w, err)
			return
		}
		defer res.Body.Close()
		fmt.Fprint(w, " ")
		io.Copy(w, res.Body)
	})
	return workload.Run(context.Background(), cfg, workload.Service{Handler: handler}, workload.Announce(os.Stdout))
}

// wanted is what the proxy of these tests is configured with.
type wanted struct {
	Listen    string
	Name      string
	Asked     string   // address that it asks, once at its start
	Endpoints []string // in turn
	Log       string   // file that a line of every request is added to
}

func playProxy() error {
	fmt.Println("ready")
	for in := json.NewDecoder(os.Stdin); ; {
		var w wanted
		if err := in.Decode(&w); err != nil {
			select {} // stays until it is stopped
		}
		l, err := net.Listen("tcp", w.Listen)
		if err != nil {
			fmt.Println(err)
			continue
		}
		if w.Asked != "" {
			res, err := http.Get("http://" + w.Asked)
			if err != nil {
				return err
			}
			answer, err := io.ReadAll(res.Body)
			if err != nil {
				return err
			}
			w.Name += "(" + string(answer) + ")"
		}
		var turn atomic.Int64
		log := io.Discard
		if w.Log != "" {
			if log, err = os.OpenFile(w.Log, os.O_APPEND|os.O_WRONLY, 0); err != nil {
				return err
			}
		}
		proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: w.Endpoints[int(turn.Add(1))%len(w.Endpoints)]})
		}}
		go http.Serve(l, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			r.Header.Set("Via", strings.TrimSpace(r.Header.Get("Via")+" "+w.Name))
			fmt.Fprintln(log, r.URL.Path)
			proxy.ServeHTTP(rw, r)
		}))
		fmt.Println("ok")
	}
}

// plane runs proxies of this test binary.
type plane struct{ launcher *process.Launcher }

func (plane) Name() string { return "small" }

func (plane) Program(context.Context) (dataplane.Program, error) { return dataplane.Program{}, nil }

func (p plane) Start(ctx context.Context, o dataplane.Options) (dataplane.Instance, error) {
	child, err := p.launcher.Start(process.Command{Name: "proxy " + o.Name, Args: []string{"play", "proxy"}, Cores: o.Cores, Files: o.Files})
	if err != nil {
		return nil, err
	}
	if _, err := child.Ready(ctx); err != nil {
		child.Stop(0)
		return nil, err
	}
	return instance{child}, nil
}

type instance struct{ *process.Process }

func (i instance) Configure(_ context.Context, p dataplane.Proxy) error {
	w := wanted{Listen: p.Listen, Name: "proxy", Endpoints: p.Clusters[0].Endpoints}
	if len(p.Hosts) > 0 {
		w.Name = p.Hosts[0].Name
	}
	for _, c := range p.Clusters {
		if c.Name == function.ExternalCluster && c.HTTP2 {
			w.Asked = c.Endpoints[0]
		}
	}
	if p.AccessLog != nil {
		w.Log = p.AccessLog.Path
	}
	if err := json.NewEncoder(i.Stdin).Encode(w); err != nil {
		return err
	}
	line, err := i.Stdout.ReadString('\n')
	if err != nil {
		return err
	}
	if line = strings.TrimSpace(line); line != "ok" {
		return errors.New(line)
	}
	return nil
}

func (i instance) Stop() error { i.Process.Stop(time.Second); return nil }
