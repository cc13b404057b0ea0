package routecontext_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/routecontext"
)

// A client sends what teams push to a service of their own.
func Example() {
	rules := routecontext.Spec{Rules: []routecontext.Rule{{
		When: []routecontext.Condition{
			{From: routecontext.Claim, Name: "subscription", Value: "Team"},
			{From: routecontext.Method, Value: http.MethodPut},
		},
		Service: 1,
	}, {
		When:    []routecontext.Condition{{From: routecontext.Cookie, Name: "lab", Match: routecontext.Present}},
		Service: 2,
	}}}
	wrap, err := routecontext.NewTransport(rules, []string{"images:80", "teams:80", "lab:80"})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := http.Client{Transport: wrap(printing{})}
	ctx := function.WithCaller(context.Background(), function.Caller{User: "ann", Subscription: "Team"})
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		r, err := http.NewRequestWithContext(ctx, method, "http://images.test/a", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp, err := client.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
	}
	// Output:
	// GET images:80
	// PUT teams:80
}

// printing sends nothing and says what it would have sent.
type printing struct{}

func (printing) RoundTrip(r *http.Request) (*http.Response, error) {
	fmt.Println(r.Method, r.URL.Host)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}
