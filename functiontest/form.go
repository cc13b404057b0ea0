package functiontest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/taremesh/tare/function"
)

// Form makes instances of one form of a function.
type Form struct {
	Name string
	Make func(function.Function, function.Spec) (*Instance, error)
}

// Instance is one form at work, with a service behind it that counts.
type Instance struct {
	// Do sends one request through and says what became of it. It is safe for
	// concurrent use.
	Do func(path string, c function.Caller) function.Outcome
	// Served is how many requests the service got.
	Served func() int
}

// Forms are the Go forms that the function has.
func Forms(fn function.Function) []Form {
	var forms []Form
	if fn.Library != nil {
		forms = append(forms, Form{"library", library})
	}
	if fn.Native != nil {
		forms = append(forms, Form{"native", native})
	}
	return forms
}

// library runs the middleware in front of a handler that counts.
func library(fn function.Function, spec function.Spec) (*Instance, error) {
	wrap, err := fn.Library.Middleware(spec)
	if err != nil {
		return nil, err
	}
	return Behind(wrap), nil
}

// Behind is an instance of a middleware.
func Behind(wrap func(http.Handler) http.Handler) *Instance {
	var served atomic.Int64
	handler := wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { served.Add(1) }))
	return &Instance{
		Do: func(path string, c function.Caller) function.Outcome {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r.WithContext(function.WithCaller(r.Context(), c)))
			return outcome(w.Code)
		},
		Served: func() int { return int(served.Load()) },
	}
}

// native runs the filter that the translated message makes, for the whole
// chain or for the path where it has an override.
func native(fn function.Function, spec function.Spec) (*Instance, error) {
	config, err := fn.Native.Config(spec)
	if err != nil {
		return nil, err
	}
	types := map[string]function.FilterType{}
	for _, t := range fn.Native.Types {
		types[t.URL] = t
	}
	chain, err := types[config.Config.GetTypeUrl()].New(config.Config)
	if err != nil {
		return nil, fmt.Errorf("make filter of the chain: %w", err)
	}
	routes := map[string]function.Filter{}
	for path, override := range config.Routes {
		if routes[path], err = types[override.GetTypeUrl()].New(override); err != nil {
			return nil, fmt.Errorf("make filter of %s: %w", path, err)
		}
	}
	var served atomic.Int64
	return &Instance{
		Do: func(path string, c function.Caller) function.Outcome {
			filter, special := routes[path]
			if !special {
				filter = chain
			}
			x := &Exchange{Verb: http.MethodGet, Target: path, Request: []Field{
				{function.UserHeader, c.User}, {function.SubscriptionHeader, c.Subscription}}}
			if filter.Handle(x) {
				served.Add(1)
				return function.Allowed
			}
			return outcome(x.Status)
		},
		Served: func() int { return int(served.Load()) },
	}, nil
}

func outcome(status int) function.Outcome {
	if status < http.StatusBadRequest && status > 0 {
		return function.Allowed
	}
	return function.Refused
}
