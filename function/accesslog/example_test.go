package accesslog_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/taremesh/tare/function/accesslog"
)

// An application logs its requests with a logger of its own.
func Example() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "method" || a.Key == "path" || a.Key == "status" || a.Key == "sent" {
			return a
		}
		return slog.Attr{}
	}}))
	handler := accesslog.Middleware(logger)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not here", http.StatusNotFound)
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/pull?tag=1", nil))
	// Output: method=GET path="/pull?tag=1" status=404 sent=9
}
