package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
	"github.com/taremesh/tare/workload/relay"
)

// echo answers with what it was asked.
func echo(t *testing.T, name string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-From", name)
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.Host, r.URL.RequestURI(), body, r.Header.Get("X-Forwarded-For"))
	}))
	t.Cleanup(s.Close)
	return s
}

func addr(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

func post(t *testing.T, base string) (status int, from, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, base+"/a%2Fb?q=1", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example"
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("X-From"), string(text)
}

// It passes everything on as it is, to the first address.
func TestServe(t *testing.T) {
	first, second := echo(t, "first"), echo(t, "second")
	text, err := json.Marshal(testbed.Calls{Addrs: []string{addr(first), addr(second)}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan workload.Ready, 1), make(chan error, 1)
	go func() {
		ended <- relay.Serve(ctx, workload.Config{Listen: "127.0.0.1:0", Service: text}, nil, func(r workload.Ready) { ready <- r })
	}()
	base := "http://" + (<-ready).Addr
	for range 3 {
		if status, from, body := post(t, base); status != http.StatusTeapot || from != "first" || body != "POST shop.example /a%2Fb?q=1 hello " {
			t.Errorf("%d from %s: %q", status, from, body)
		}
	}
	res, err := http.Get(base + workload.StatsPath)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var s workload.Stats
	if err := json.NewDecoder(res.Body).Decode(&s); err != nil || s.Served != 3 {
		t.Errorf("served %d, %v", s.Served, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// trip is a round tripper that is a function.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Transports choose what is called, the first one outermost.
func TestTransports(t *testing.T) {
	first, second := echo(t, "first"), echo(t, "second")
	var order []string
	mark := func(name string, place int) relay.Transport {
		return func(addrs []string) (func(http.RoundTripper) http.RoundTripper, error) {
			return func(next http.RoundTripper) http.RoundTripper {
				return trip(func(r *http.Request) (*http.Response, error) {
					order = append(order, name)
					r.URL.Host = addrs[place]
					return next.RoundTrip(r)
				})
			}, nil
		}
	}
	h, err := relay.Handler([]string{addr(first), addr(second)}, []relay.Transport{mark("outer", 0), mark("inner", 1)})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(h)
	defer front.Close()
	if _, from, _ := post(t, front.URL); from != "second" || strings.Join(order, " ") != "outer inner" {
		t.Errorf("from %s in the order %v", from, order)
	}
}

func TestRefused(t *testing.T) {
	if _, err := relay.Handler(nil, nil); err == nil || !strings.Contains(err.Error(), "no address") {
		t.Errorf("without addresses: %v", err)
	}
	broken := func([]string) (func(http.RoundTripper) http.RoundTripper, error) {
		return nil, errors.New("out of cheese")
	}
	if _, err := relay.Handler([]string{"127.0.0.1:1"}, []relay.Transport{broken}); err == nil || !strings.Contains(err.Error(), "out of cheese") {
		t.Errorf("a transport that cannot be made: %v", err)
	}
	if err := relay.Serve(t.Context(), workload.Config{Service: []byte("[")}, nil, nil); err == nil {
		t.Error("it took what is no JSON")
	}
	gone := echo(t, "gone")
	gone.Close()
	h, err := relay.Handler([]string{addr(gone)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusBadGateway {
		t.Errorf("nobody is there: %d", w.Code)
	}
}

func ExampleHandler() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", r.URL.Path) }))
	defer service.Close()
	h, err := relay.Handler([]string{strings.TrimPrefix(service.URL, "http://")}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/world", nil))
	fmt.Println(w.Code, w.Body)
	// Output: 200 hello /world
}
