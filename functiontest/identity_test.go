package functiontest_test

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/mtls"
	"github.com/taremesh/tare/function/rbac"
	"github.com/taremesh/tare/functiontest"
)

// TestIdentities holds access control behind mutual TLS against its judge: the
// identity is that of the certificate, whatever headers say.
func TestIdentities(t *testing.T) {
	const (
		service = "spiffe://tare.test/service"
		web     = "spiffe://tare.test/web"
		batch   = "spiffe://tare.test/batch"
	)
	authority, err := mtls.NewAuthority("tare.test")
	if err != nil {
		t.Fatal(err)
	}
	own, err := authority.Issue(service, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	as := func(id, method, xfcc string) function.Request {
		h := http.Header{}
		if xfcc != "" {
			h.Set("X-Forwarded-Client-Cert", "URI="+xfcc)
		}
		return function.Request{Target: "/push", Method: method, Header: h, TLS: func() (*tls.Config, error) {
			i, err := authority.Issue(id, time.Hour)
			if err != nil {
				return nil, err
			}
			// Whom it calls is not what is tried here.
			return &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{i.Certificate}}, nil
		}}
	}
	fn := rbac.Function()
	native := *fn.Native
	native.Shape = func(_ function.Spec, r *dataplane.Resources) error {
		return mtls.Shape(own, mtls.Called, web, batch)(r)
	}
	fn.Library, fn.Native = nil, &native
	fn.Trials = []function.Trial{{
		Name: "by identity",
		Params: `{"action": "allow", "policies": [{"name": "web pushes", "permissions": [{"methods": ["PUT"]}], "principals": [{"spiffe": "` + web + `"}]},
			{"name": "all pull", "permissions": [{"methods": ["GET"]}]}]}`,
		Requests: []function.Request{as(web, http.MethodPut, ""), as(batch, http.MethodPut, ""), as(batch, http.MethodPut, web), as(web, http.MethodPut, batch), as(batch, http.MethodGet, "")},
		Mutants: []function.Mutant{
			{Name: "anybody", Params: `{"action": "allow", "policies": [{"name": "all"}]}`},
			{Name: "another", Params: `{"action": "allow", "policies": [{"name": "batch pushes", "permissions": [{"methods": ["PUT"]}], "principals": [{"spiffe": "` + batch + `"}]}, {"name": "all pull", "permissions": [{"methods": ["GET"]}]}]}`},
			{Name: "nobody", Params: `{"action": "allow", "policies": [{"name": "all pull", "permissions": [{"methods": ["GET"]}]}]}`},
		},
	}}
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	functiontest.RunTrials(t, fn, b.DataPlanes.All())
}
