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
	"github.com/taremesh/tare/function/routecontext"
	"github.com/taremesh/tare/functiontest"
)

// TestRoutesByIdentity holds context routing behind mutual TLS against its judge,
// in every form: the identity is that of the certificate, whatever headers say.
func TestRoutesByIdentity(t *testing.T) {
	const (
		service = "spiffe://tare.test/service"
		web     = "spiffe://tare.test/web"
		batch   = "spiffe://tare.test/batch"
		other   = "spiffe://tare.test/web/other"
	)
	authority, err := mtls.NewAuthority("tare.test")
	if err != nil {
		t.Fatal(err)
	}
	own, err := authority.Issue(service, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	as := func(id, xfcc string) function.Request {
		h := http.Header{}
		if xfcc != "" {
			h.Set("X-Forwarded-Client-Cert", "By=spiffe://x/y;URI="+xfcc)
		}
		return function.Request{Header: h, TLS: func() (*tls.Config, error) {
			i, err := authority.Issue(id, time.Hour)
			if err != nil {
				return nil, err
			}
			// Whom it calls is not what is tried here.
			return &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{i.Certificate}}, nil
		}}
	}
	fn := routecontext.Function()
	behind := func(shape func(function.Spec, *dataplane.Resources) error) func(function.Spec, *dataplane.Resources) error {
		return func(s function.Spec, r *dataplane.Resources) error {
			if err := mtls.Shape(own, mtls.Called, web, batch, other)(r); err != nil {
				return err
			}
			return shape(s, r)
		}
	}
	fn.Library, fn.Native, fn.Prepare = nil, &function.Native{Shape: behind(fn.Native.Shape)}, behind(fn.Prepare)
	elsewhere := func(i, service int) func(*function.Evidence) {
		return func(e *function.Evidence) { e.Deliveries[i].Replica = service }
	}
	fn.Trials = []function.Trial{{
		Name: "by identity",
		Params: `{"rules": [{"when": [{"from": "identity", "value": "` + web + `"}], "service": 1},
			{"when": [{"from": "identity", "match": "prefix", "value": "spiffe://tare.test/b"}], "service": 2}]}`,
		Replicas: make([]function.Replica, routecontext.Services),
		Requests: []function.Request{as(web, ""), as(batch, ""), as(other, ""), as(other, web), as(web, other), as(batch, web)},
		Mutants: []function.Mutant{
			{Name: "nobody is known", Spoil: elsewhere(0, 0)},
			{Name: "the beginning is enough", Spoil: elsewhere(2, 1)},
			{Name: "believes a header", Spoil: elsewhere(3, 1)},
			{Name: "prefers a header", Spoil: elsewhere(4, 0)},
			{Name: "whole names alone", Spoil: elsewhere(1, 0)},
		},
	}}
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	functiontest.RunTrials(t, fn, b.DataPlanes.All())
}
