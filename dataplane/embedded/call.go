package embedded

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/taremesh/tare/dataplane/proxywasm"
)

// mostCalled is the largest body of a response to a plugin's own request.
const mostCalled = mostGathered

// knows reports whether plugins may call a cluster of that name.
func (p *proxy) knows(name string) bool {
	t := p.table.Load()
	return t != nil && t.clusters[name] != nil
}

// Endpoint picks an address of a cluster, for a filter that calls services.
func (p *proxy) Endpoint(cluster string) (addr string, ok bool) {
	t := p.table.Load()
	if t == nil || t.clusters[cluster] == nil {
		return "", false
	}
	e := t.clusters[cluster].glance()
	if e == nil {
		return "", false
	}
	return e.addr, true
}

// call carries out a plugin's own request to a cluster.
func (p *proxy) call(ctx context.Context, call proxywasm.Call) (proxywasm.CallResponse, error) {
	req, err := p.newCall(ctx, call)
	if err != nil {
		return proxywasm.CallResponse{}, fmt.Errorf("call cluster %s: %w", call.Cluster, err)
	}
	resp, err := p.caller.RoundTrip(req)
	if err != nil {
		return proxywasm.CallResponse{}, fmt.Errorf("call cluster %s: %w", call.Cluster, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostCalled+1))
	if err == nil && len(body) > mostCalled {
		err = fmt.Errorf("the response is larger than %d bytes", mostCalled)
	}
	if err != nil {
		return proxywasm.CallResponse{}, fmt.Errorf("call cluster %s: %w", call.Cluster, err)
	}
	out := proxywasm.CallResponse{Body: body, Headers: []proxywasm.Field{{Name: ":status", Value: strconv.Itoa(resp.StatusCode)}}}
	for name, values := range resp.Header {
		for _, v := range values {
			out.Headers = append(out.Headers, proxywasm.Field{Name: strings.ToLower(name), Value: v})
		}
	}
	return out, nil
}

func (p *proxy) newCall(ctx context.Context, call proxywasm.Call) (*http.Request, error) {
	t := p.table.Load()
	if t == nil || t.clusters[call.Cluster] == nil {
		return nil, fmt.Errorf("there is no such cluster")
	}
	e := t.clusters[call.Cluster].glance()
	if e == nil {
		return nil, fmt.Errorf("it has no endpoint")
	}
	var method, path, host string
	pseudo := map[string]*string{":method": &method, ":path": &path, ":authority": &host}
	header := http.Header{}
	for _, f := range call.Headers {
		switch into := pseudo[f.Name]; {
		case into != nil:
			*into = f.Value
		case !strings.HasPrefix(f.Name, ":"):
			header.Add(f.Name, f.Value)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+e.addr+path, bytes.NewReader(call.Body))
	if err != nil {
		return nil, err
	}
	req.Header, req.Host = header, host
	return req, nil
}
