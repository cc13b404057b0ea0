package mirror

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/taremesh/tare/study"

	"github.com/taremesh/tare/function"
)

func decoded(t *testing.T, text string) (Spec, error) {
	t.Helper()
	p, err := study.JSONParams("params", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := Decode(p)
	if err != nil {
		return Spec{}, err
	}
	return function.SpecAs[Spec](spec)
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]int{`{}`: 100, `{"percent": 1}`: 1, `{"percent": 100}`: 100} {
		if got, err := decoded(t, text); err != nil || got.Percent != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		`{"percent": 0}`:   "percent: 0",
		`{"percent": 101}`: "percent: 101",
		`{"percents": 1}`:  "percents",
	} {
		if _, err := decoded(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// sent is a round tripper that keeps what it is given, by address; copies wait
// until they are let go.
type sent struct {
	mu   sync.Mutex
	got  map[string][]string
	hold chan struct{} // closed: nobody waits
	err  error         // of the first service
}

func (s *sent) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.got[r.URL.Host] = append(s.got[r.URL.Host], string(body))
	s.mu.Unlock()
	if r.URL.Host == "copy:1" {
		select {
		case <-s.hold:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	} else if s.err != nil {
		return nil, s.err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(r.URL.Host)), Request: r}, nil
}

func stand(t *testing.T) (*Transport, *sent) {
	t.Helper()
	next := &sent{got: map[string][]string{}, hold: make(chan struct{})}
	m, err := NewTransport(Spec{Percent: 100}, []string{"own:1", "copy:1"}, next)
	if err != nil {
		t.Fatal(err)
	}
	return m, next
}

func send(t *testing.T, m *Transport, body io.Reader) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://images.test/", body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := m.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// A request does not wait for its copy, and Close ends the copies.
func TestCloseEndsCopies(t *testing.T) {
	m, next := stand(t)
	send(t, m, nil)
	send(t, m, strings.NewReader("body"))
	if err := m.Close(); err != nil { // returns although nobody lets the copies go
		t.Fatal(err)
	}
	if len(next.got["own:1"]) != 2 || m.Skipped() != 0 {
		t.Errorf("%v, %d skipped", next.got, m.Skipped())
	}
}

// A copy outlives its request's context: the client may have its answer and be gone.
func TestCopiesOutliveRequests(t *testing.T) {
	m, next := stand(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://images.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	cancel()
	close(next.hold)
	m.wait.Wait()
	if err := m.Close(); err != nil || len(next.got["copy:1"]) != 1 {
		t.Errorf("%v, %v", next.got, err)
	}
}

// What is not copied is counted: a body that is too long, and copies for which
// there is no room.
func TestSkipped(t *testing.T) {
	m, next := stand(t)
	defer m.Close()
	long := bytes.Repeat([]byte("x"), MostBody+1)
	send(t, m, bytes.NewReader(long))
	if m.Skipped() != 1 || len(next.got["own:1"][0]) != len(long) {
		t.Errorf("a long body: %d skipped, %d bytes sent", m.Skipped(), len(next.got["own:1"][0]))
	}
	for range MostCopies + 3 {
		send(t, m, nil)
	}
	if m.Skipped() != 4 {
		t.Errorf("%d skipped, not 4", m.Skipped())
	}
	close(next.hold)
}

// A body of just the length that is copied is copied whole.
func TestLongestBody(t *testing.T) {
	m, next := stand(t)
	close(next.hold)
	send(t, m, bytes.NewReader(make([]byte, MostBody)))
	m.wait.Wait()
	if err := m.Close(); err != nil || m.Skipped() != 0 || len(next.got["copy:1"]) != 1 || len(next.got["copy:1"][0]) != MostBody {
		t.Errorf("%v, %d skipped", err, m.Skipped())
	}
}

// A body that is sent again, from its beginning, is copied once.
func TestBodySentAgain(t *testing.T) {
	m, next := stand(t)
	close(next.hold)
	again := &again{next: next}
	m.next = again
	send(t, m, strings.NewReader("body"))
	m.wait.Wait()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if got := next.got["copy:1"]; len(got) != 1 || got[0] != "body" || len(next.got["own:1"]) != 1 {
		t.Errorf("%v", next.got)
	}
}

// again reads half a body of the first service's and begins anew, as net/http
// does when a connection turns out to be gone.
type again struct{ next http.RoundTripper }

func (a *again) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "own:1" || r.GetBody == nil {
		return a.next.RoundTrip(r)
	}
	if _, err := io.CopyN(io.Discard, r.Body, 2); err != nil {
		return nil, err
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	r.Body = body
	return a.next.RoundTrip(r)
}

// The first service's failure is the request's.
func TestFailure(t *testing.T) {
	m, next := stand(t)
	defer m.Close()
	close(next.hold)
	next.err = errors.New("gone")
	r, err := http.NewRequest(http.MethodGet, "http://images.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.RoundTrip(r); err != next.err {
		t.Errorf("%v", err)
	}
}

func TestTransportRefuses(t *testing.T) {
	if _, err := NewTransport(Spec{}, []string{"a", "b"}, nil); err == nil {
		t.Error("0 percent was taken")
	}
	if _, err := NewTransport(Spec{Percent: 1}, []string{"a"}, nil); err == nil || !strings.Contains(err.Error(), "1 services") {
		t.Errorf("one service: %v", err)
	}
}
