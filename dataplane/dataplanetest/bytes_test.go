package dataplanetest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	"github.com/taremesh/tare/function/mtls"
)

// upgraded lets a listener's connections be upgraded.
func upgraded(r *dataplane.Resources) error {
	return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
		m.UpgradeConfigs = []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}}
		return nil
	})
}

// bare makes a listener hand on bytes.
func bare(r *dataplane.Resources) error {
	packed, err := dataplane.Pack(&tcpproxyv3.TcpProxy{StatPrefix: "bytes", ClusterSpecifier: &tcpproxyv3.TcpProxy_Cluster{Cluster: dataplane.ServiceCluster}})
	if err != nil {
		return err
	}
	r.Listener.FilterChains[0].Filters = []*listenerv3.Filter{{Name: "envoy.filters.network.tcp_proxy", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed}}}
	r.Routes = nil
	return nil
}

// dial is a connection with an end.
func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// handsOver answers as a server of WebSocket does, and then says back what it
// hears, in upper case, until the client ends, or says that this is the end.
func handsOver(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/no" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	c, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nSec-WebSocket-Accept: %s!\r\n\r\nfirst ", r.Header.Get("Upgrade"), r.Header.Get("Sec-Websocket-Key"))
	_ = rw.Flush()
	for last := ""; ; {
		b, err := rw.ReadByte()
		if err != nil {
			return
		}
		_, _ = rw.WriteString(strings.ToUpper(string(b)))
		_ = rw.Flush()
		if last += string(b); last == "the end" {
			return
		}
		last = last[max(0, len(last)-len("the en")):]
	}
}

const upgrade = "GET %s HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Version: 13\r\n\r\n"

// switching asks for WebSocket and says something at once.
func switching(t *testing.T, addr, path string) (lines []string) {
	t.Helper()
	c := dial(t, addr)
	fmt.Fprintf(c, upgrade+"hello ", path)
	in := bufio.NewReader(c)
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		return []string{"no response"}
	}
	lines = append([]string{fmt.Sprint("status ", r.StatusCode)}, headerLines("header ", r.Header)...)
	if r.StatusCode != http.StatusSwitchingProtocols {
		return lines
	}
	heard := make([]byte, len("first HELLO "))
	if _, err := io.ReadFull(in, heard); err != nil {
		return append(lines, "cut off")
	}
	fmt.Fprint(c, "again")
	rest := make([]byte, len("AGAIN"))
	_, err = io.ReadFull(in, rest)
	return append(lines, fmt.Sprintf("heard %q %q %v", heard, rest, err))
}

// TestBothUpgrade: WebSocket goes through, where it may.
func TestBothUpgrade(t *testing.T) {
	t.Parallel()
	listed, who := known(t, "websocket"), newPeople(t)
	var records [2][]string
	for k, plane := range planes(t) {
		s := h1.serve(t, who, handsOver)
		addr, strict := free(t), free(t)
		p := between(h1, h1, who, addr, s.addr)
		p.Shapes = append(p.Shapes, upgraded)
		begin(t, plane, p)
		records[k] = append(switching(t, addr, "/"), s.look()...)
		records[k] = append(records[k], switching(t, addr, "/no")...)
		s.look()
		begin(t, plane, between(h1, h1, who, strict, s.addr))
		records[k] = append(records[k], "where it may not:")
		records[k] = append(records[k], switching(t, strict, "/")...)
		records[k] = append(records[k], s.look()...)
	}
	hold(t, listed, "websocket", records[0], records[1])
}

// TestBothCarryBytes: bare TCP goes both ways, each of which ends by itself.
func TestBothCarryBytes(t *testing.T) {
	t.Parallel()
	listed := known(t)
	var records [2][]string
	for k, plane := range planes(t) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					heard, _ := io.ReadAll(c)
					fmt.Fprintf(c, "you said %d bytes", len(heard))
				}()
			}
		}()
		addr := free(t)
		p := dataplanetest.ToAll(addr, l.Addr().String())
		p.Shapes = []dataplane.Shape{bare}
		i := begin(t, plane, p)
		for _, size := range []int{0, 5, 1 << 20} {
			c := dial(t, addr)
			if _, err := c.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			heard, err := io.ReadAll(c)
			records[k] = append(records[k], fmt.Sprintf("after %d bytes heard %q %v", size, heard, err))
		}
		// Nobody behind it: the client's connection ends.
		p.Clusters[0].Endpoints = []string{free(t)}
		if err := i.Configure(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		heard, err := io.ReadAll(dial(t, addr))
		records[k] = append(records[k], fmt.Sprintf("of nobody heard %q %v", heard, err))
	}
	hold(t, listed, "tcp", records[0], records[1])
}

// TestBothShakeHandsFirst: bytes over TLS.
func TestBothShakeHandsFirst(t *testing.T) {
	t.Parallel()
	who := newPeople(t)
	for _, plane := range planes(t) {
		s := h1.serve(t, who, answer)
		addr := free(t)
		p := dataplanetest.ToAll(addr, s.addr)
		p.Shapes = []dataplane.Shape{bare, mtls.Shape(who.proxy, mtls.Called, clientID)}
		begin(t, plane, p)
		lines := asked{path: "/"}.ask(t, h1tls.client(t, who), "https://"+addr, s)
		if lines[0] != "status 200 by HTTP/1.1" {
			t.Errorf("%s: got %q", plane.Name(), lines)
		}
		s = h1tls.serve(t, who, answer)
		p = dataplanetest.ToAll(free(t), s.addr)
		p.Shapes = []dataplane.Shape{bare, mtls.Shape(who.proxy, mtls.Calling, serviceID)}
		begin(t, plane, p)
		lines = asked{path: "/"}.ask(t, h1.client(t, who), "http://"+p.Listen, s)
		if lines[0] != "status 200 by HTTP/1.1" {
			t.Errorf("%s, TLS behind it: got %q", plane.Name(), lines)
		}
	}
}
