package cancellation

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/taremesh/tare/study"
)

// TestNetHTTPCancels shows why there is no library: a handler that calls with
// the context of its request has ended its own call when its caller goes.
func TestNetHTTPCancels(t *testing.T) {
	begun, ended := make(chan bool), make(chan bool)
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		begun <- true
		<-r.Context().Done()
		ended <- true
	}))
	defer service.Close()
	to, err := url.Parse(service.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(httputil.NewSingleHostReverseProxy(to))
	defer front.Close()
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, front.URL, nil)
		if err == nil {
			_, err = http.DefaultClient.Do(r)
		}
		done <- err
	}()
	<-begun
	leave()
	<-ended // the test ends by its time limit if this never comes
	if err := <-done; err == nil {
		t.Error("the caller that went has an answer")
	}
}

func TestDecodeTakesNothing(t *testing.T) {
	p, err := study.JSONParams("p", []byte(`{"soon": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decode(p); err == nil || !strings.Contains(err.Error(), "soon") {
		t.Errorf("error %v", err)
	}
}

func ExampleFunction() {
	fn := Function()
	fmt.Println(fn.Name, fn.Library == nil, fn.Native != nil)
	// Output: cancellation true true
}
