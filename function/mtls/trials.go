package mtls

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/taremesh/tare/function"
)

// The identities of the trials.
const (
	trialDomain = "tare.test"
	service     = "spiffe://tare.test/ns/hub/sa/service"
	web         = "spiffe://tare.test/ns/hub/sa/web"
	batch       = "spiffe://tare.test/ns/hub/sa/batch"
)

const called = `{"domain": "tare.test", "id": "` + service + `", "allow": ["` + web + `"]}`

func (a *authorities) trials() []function.Trial {
	strangers := &authorities{} // of the same domain's name
	get := func(came string, shake func() (*tls.Config, error)) function.Request {
		return function.Request{Header: http.Header{whoHeader: {came}}, TLS: shake}
	}
	lies := get(known, a.client(web, valid))
	lies.Header.Set(Header, "URI="+batch)
	admitted := []function.Request{
		get(known, a.client(web, valid)),
		lies,
		get(known, a.client(batch, valid)),
		get(plain, nil),
		get(none, nobody),
		get(foreign, strangers.client(web, valid)),
		get(expired, a.client(web, gone)),
		get(early, a.client(web, tomorrow)),
		get(known, a.client(web, valid)),
	}
	// admit makes a request look as if it had got through.
	admit := func(i int) func(*function.Evidence) {
		return func(e *function.Evidence) {
			e.Observations[i].Outcome = function.Allowed
			d := e.Deliveries[0]
			d.Of = i
			e.Deliveries = append(e.Deliveries, d)
		}
	}
	tell := func(what ...string) func(*function.Evidence) {
		return func(e *function.Evidence) { e.Deliveries[0].Message.Header[Header] = what }
	}
	calling := `{"domain": "tare.test", "id": "` + web + `", "allow": ["` + service + `"], "side": "calling"}`
	three := []function.Request{{}, {Target: "/a", Method: http.MethodPost, Body: "hello"}, {Target: "/b"}}
	return []function.Trial{{
		Name:     "who may call and who may not",
		Params:   called,
		Requests: admitted,
		Mutants: []function.Mutant{
			{Name: "lets another identity in", Params: `{"domain": "tare.test", "id": "` + service + `", "allow": ["` + web + `", "` + batch + `"]}`},
			{Name: "lets only another identity in", Params: `{"domain": "tare.test", "id": "` + service + `", "allow": ["` + batch + `"]}`},
			{Name: "lets clear text in", Spoil: admit(3)},
			{Name: "lets who shows nothing in", Spoil: admit(4)},
			{Name: "lets a foreign authority's in", Spoil: admit(5)},
			{Name: "lets the expired in", Spoil: admit(6)},
			{Name: "lets in who is not valid yet", Spoil: admit(7)},
			{Name: "tells the service nothing", Spoil: tell()},
			{Name: "tells it what the client says", Spoil: tell("URI=" + batch)},
			{Name: "tells it both", Spoil: tell("Hash=00;URI=" + web + ",URI=" + batch)},
			{Name: "answers by itself", Spoil: func(e *function.Evidence) { e.Deliveries = e.Deliveries[1:] }},
		},
	}, {
		Name:     "calls a service that is who it should be",
		Params:   calling,
		Replicas: []function.Replica{{TLS: a.server(service)}},
		Requests: three,
		Only:     function.InProxy,
		Mutants: []function.Mutant{
			{Name: "calls as somebody else", Params: `{"domain": "tare.test", "id": "` + batch + `", "allow": ["` + service + `"], "side": "calling"}`},
			{Name: "waits for another service", Params: `{"domain": "tare.test", "id": "` + web + `", "allow": ["` + batch + `"], "side": "calling"}`},
		},
	}, {
		Name:     "calls a service that is another",
		Params:   calling,
		Replicas: []function.Replica{{TLS: a.server(batch)}},
		Requests: three,
		Only:     function.InProxy,
		Mutants: []function.Mutant{
			{Name: "calls anybody", Params: `{"domain": "tare.test", "id": "` + web + `", "allow": ["` + service + `", "` + batch + `"], "side": "calling"}`},
		},
	}, {
		Name:     "calls a service of a foreign authority",
		Params:   calling,
		Replicas: []function.Replica{{TLS: strangers.server(service)}},
		Requests: three,
		Only:     function.InProxy,
		Mutants: []function.Mutant{
			{Name: "calls it all the same", Spoil: func(e *function.Evidence) { e.Observations[1].Outcome = function.Allowed }},
		},
	}}
}

// term is when an identity is valid.
type term struct{ from, until time.Duration } // from now

var (
	valid    = term{-time.Minute, time.Hour}
	gone     = term{-2 * time.Hour, -time.Hour}
	tomorrow = term{23 * time.Hour, 25 * time.Hour}
)

// client is one who shows an identity, valid or not.
func (a *authorities) client(id string, t term) func() (*tls.Config, error) {
	return func() (*tls.Config, error) {
		authority, err := a.of(trialDomain)
		if err != nil {
			return nil, err
		}
		i, err := authority.issue(id, time.Now().Add(t.from), time.Now().Add(t.until))
		if err != nil {
			return nil, err
		}
		// Whom it calls is the proxy's affair here.
		return &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{i.Certificate}}, nil
	}
}

func nobody() (*tls.Config, error) { return &tls.Config{InsecureSkipVerify: true}, nil }

// server is a service that lets everybody of its authority in, and tells whom.
func (a *authorities) server(id string) func() (*tls.Config, error) {
	return func() (*tls.Config, error) {
		authority, err := a.of(trialDomain)
		if err != nil {
			return nil, err
		}
		i, err := authority.Issue(id, time.Hour)
		if err != nil {
			return nil, err
		}
		return &tls.Config{Certificates: []tls.Certificate{i.Certificate}, ClientAuth: tls.RequestClientCert}, nil
	}
}
