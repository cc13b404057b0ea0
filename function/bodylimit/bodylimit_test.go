package bodylimit

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	bufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/buffer/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"bytes": 1}`:          "",
		`{"bytes": 1073741824}`: "",
		`{}`:                    "bytes: 0",
		`{"bytes": -1}`:         "bytes: -1",
		`{"bytes": 1073741825}`: "is not between",
		`{"bytes": 1, "x": 1}`:  "x",
	} {
		p, err := study.JSONParams("p", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(p); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

func TestFilterReadsEnvoysMessage(t *testing.T) {
	made, err := config(Spec{Bytes: 77})
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFilter(made.Config)
	if err != nil {
		t.Fatal(err)
	}
	if b, ok := f.(function.BodyFilter); !ok || b.MostBody() != 77 {
		t.Errorf("the filter is %#v", f)
	}
	for _, m := range []*bufferv3.Buffer{{}, {MaxRequestBytes: wrapperspb.UInt32(0)}, {MaxRequestBytes: wrapperspb.UInt32(most + 1)}} {
		packed, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newFilter(packed); err == nil || !strings.Contains(err.Error(), "field max_request_bytes") {
			t.Errorf("%v: error %v", m, err)
		}
	}
}

// endless counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

// TestMiddlewareReadsNoMoreThanItMust: memory for the limit, whatever is sent.
func TestMiddlewareReadsNoMoreThanItMust(t *testing.T) {
	handler := Middleware(1000)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request goes on") }))
	body := &endless{}
	r := httptest.NewRequest(http.MethodPost, "/", body)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge || body.read > 2000 {
		t.Errorf("status %d after %d bytes", w.Code, body.read)
	}
	told := &endless{}
	r = httptest.NewRequest(http.MethodPost, "/", told)
	r.ContentLength = 1001
	w = httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge || told.read > 0 {
		t.Errorf("a length that is told: status %d after %d bytes", w.Code, told.read)
	}
}

// TestMiddlewareRefusesBrokenBody: what breaks off never reaches the handler.
func TestMiddlewareRefusesBrokenBody(t *testing.T) {
	handler := Middleware(1000)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request goes on") }))
	broken := io.MultiReader(strings.NewReader("abc"), readerFunc(func([]byte) (int, error) { return 0, errors.New("broken off") }))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", broken))
	if w.Code != http.StatusBadRequest {
		t.Errorf("status %d", w.Code)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
