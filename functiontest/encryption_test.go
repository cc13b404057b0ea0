package functiontest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/named"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/testbed/local"
)

const encryptedStudy = `tare: study/1
name: encrypted
dataplane: %s
workload: {name: echo}
treatments:
  - {name: sidecar, control: router}
  - {name: sidecars, control: router, site: client, baseline: sidecar}
  - {name: encrypted, set: {mtls: on}, baseline: sidecars}
  - {name: gateway, control: router, site: ingress, baseline: encrypted}
design: {blocks: 10}
`

// TestMutualTLSBetweenSidecars: with the factor mtls what goes between proxies
// is TLS, the service learns who called its sidecar, and the sidecar lets
// nobody in who is not the one in front of it; without the factor it is clear
// text. Every process is real, and a tap stands before all that a proxy calls.
func TestMutualTLSBetweenSidecars(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	launcher, err := process.NewLauncher("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(launcher.Close)
	for _, plane := range b.DataPlanes.All() {
		s, err := study.Parse("encrypted.yaml", fmt.Appendf(nil, encryptedStudy, plane.Name()))
		if err != nil {
			t.Fatal(err)
		}
		p, err := study.MakePlan(*s, study.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := experiment.NewApparatus(p, b.Catalog)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			of     string
			called []string // who calls the proxies, the server's first
		}{{"sidecars", nil}, {"encrypted", []string{"client"}}, {"gateway", []string{"client", "ingress"}}} {
			t.Run(plane.Name()+"/"+c.of, func(t *testing.T) {
				w := standTapped(t, launcher, plane, a.Topologies[s.Index(c.of)])
				w.check(t, c.called)
			})
		}
	}
}

// tappedWay is a topology that stands, with what went between its processes.
type tappedWay struct {
	addr    string
	proxies []*tappedProxy // the server's first
}

func standTapped(t *testing.T, l *process.Launcher, plane dataplane.DataPlane, x testbed.Topology) *tappedWay {
	t.Helper()
	tapped := &tappedPlane{DataPlane: plane, t: t}
	planes, err := named.NewSet[dataplane.DataPlane]("data plane", dataplane.DataPlane.Name, tapped)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	up, err := local.New(l, planes).Up(ctx, []testbed.Topology{x}, []int{0})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := up.Down(); err != nil {
			t.Error(err)
		}
	})
	return &tappedWay{up.Addr(0), tapped.proxies}
}

func (w *tappedWay) check(t *testing.T, called []string) {
	const path = "/what-nobody-may-read"
	ask := func(url string) error {
		client := &http.Client{Timeout: patience, Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		res, err := client.Get(url + path)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %s", res.Status)
		}
		return nil
	}
	if err := ask("http://" + w.addr); err != nil {
		t.Fatal(err)
	}
	served := w.proxies[0].tap.said()
	if !bytes.Contains(served, []byte(path)) {
		t.Fatalf("the request never came to the service: %q", served)
	}
	for k, p := range w.proxies[1:] {
		said, clear := p.tap.said(), k >= len(called)
		const handshake = 22 // RFC 8446 §5.1
		if bytes.Contains(said, []byte(path)) != clear || !clear && (len(said) == 0 || said[0] != handshake) {
			t.Errorf("proxy %d from the service is called in clear text: want %t, and it was told %.80q", k, clear, said)
		}
	}
	if len(called) == 0 {
		return
	}
	if id := "URI=spiffe://tare.test/" + called[0]; !strings.Contains(string(served), id) {
		t.Errorf("the service was not told of %s: %q", id, served)
	}
	for k, p := range w.proxies[:len(called)] {
		for _, scheme := range []string{"http://", "https://"} { // with no certificate
			if err := ask(scheme + p.listen); err == nil {
				t.Errorf("proxy %d from the service answered %s without an identity", k, scheme)
			}
		}
	}
	if after := w.proxies[0].tap.said(); bytes.Count(after, []byte(path)) != bytes.Count(served, []byte(path)) {
		t.Errorf("a request without an identity came to the service: %q", after)
	}
}

// tappedPlane puts a tap before the service of every proxy that it starts.
type tappedPlane struct {
	dataplane.DataPlane
	t       *testing.T
	proxies []*tappedProxy // in the order in which they were started; one at a time
}

func (p *tappedPlane) Start(ctx context.Context, o dataplane.Options) (dataplane.Instance, error) {
	i, err := p.DataPlane.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	x := &tappedProxy{Instance: i, t: p.t}
	p.proxies = append(p.proxies, x)
	return x, nil
}

type tappedProxy struct {
	dataplane.Instance
	t      *testing.T
	listen string
	tap    *tap
}

func (p *tappedProxy) Configure(ctx context.Context, wanted dataplane.Proxy) error {
	if p.tap == nil {
		p.tap = newTap(p.t, wanted.Clusters[0].Endpoints[0])
	}
	p.listen = wanted.Listen
	wanted.Clusters = []dataplane.Cluster{{Name: wanted.Clusters[0].Name, Endpoints: []string{p.tap.addr}}}
	return p.Instance.Configure(ctx, wanted)
}

// tap hands on connections and keeps what callers say.
type tap struct {
	addr string
	mu   sync.Mutex
	all  []byte
}

func newTap(t *testing.T, to string) *tap {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &tap{addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { x.pass(in, to) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return x
}

func (x *tap) pass(in net.Conn, to string) {
	defer in.Close()
	out, err := net.DialTimeout("tcp", to, 10*time.Second)
	if err != nil {
		return
	}
	defer out.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(in, out) // until one of both closes
		in.Close()
	}()
	_, _ = io.Copy(io.MultiWriter(out, x), in)
	out.Close()
	<-back
}

func (x *tap) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, b...)
	return len(b), nil
}

func (x *tap) said() []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	return bytes.Clone(x.all)
}
