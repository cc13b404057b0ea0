package rbac_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/rbac"
	"github.com/taremesh/tare/study"
)

// An application lets only the subscription Team push.
func Example() {
	fn := rbac.Function()
	params, err := study.JSONParams("example", []byte(`{"action": "allow", "policies": [
		{"name": "anybody pulls", "permissions": [{"prefix": "/pull/", "methods": ["GET"]}]},
		{"name": "teams push", "permissions": [{"prefix": "/push/"}], "principals": [{"subscription": "Team"}]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	spec, err := fn.Decode(params)
	if err != nil {
		fmt.Println(err)
		return
	}
	wrap, err := fn.Library.Middleware(spec)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, subscription := range []string{"Personal", "Team"} {
		r := httptest.NewRequest(http.MethodPut, "/push/image", nil)
		r = r.WithContext(function.WithCaller(r.Context(), function.Caller{User: "ann", Subscription: subscription}))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(subscription, w.Code, w.Body)
	}
	// Output:
	// Personal 403 RBAC: access denied
	// Team 200
}
