package cors_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function/cors"
)

// Pages of one other site may read what the service says.
func Example() {
	wrap, err := cors.NewMiddleware(cors.Spec{Origins: []string{"https://images.test"}, Methods: []string{http.MethodPut}})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "served") }))
	for _, origin := range []string{"https://images.test", "https://else.test"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Printf("%s may be read by %q\n", w.Body, w.Header().Get("Access-Control-Allow-Origin"))
	}
	// Output:
	// served may be read by "https://images.test"
	// served may be read by ""
}
