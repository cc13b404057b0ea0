package mtls

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
)

// whoHeader tells the judge what a trial's request came with; nothing else
// looks at it.
const whoHeader = "X-Trial-Client"

// What a trial's client comes with.
const (
	known   = "an identity of the domain"
	plain   = "clear text"
	none    = "no certificate"
	foreign = "an identity of another authority of the same name"
	expired = "an expired identity"
	early   = "an identity of tomorrow"
)

// passes is the model: who calls with what gets through.
func (s Spec) passes(came string, ids []string) bool {
	return came == known && len(ids) == 1 && slices.Contains(s.Allow, ids[0])
}

// judge: who may call gets through once, and the service learns the id that its
// certificate has and no other; nobody else's request reaches the service.
func (a *authorities) judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Request == nil {
			if o.Outcome == function.Refused {
				return fmt.Errorf("mtls: request %d was answered with a refusal: who may call is refused nothing, and others get no answer", i)
			}
			continue
		}
		if err := a.hold(s, e, i); err != nil {
			return fmt.Errorf("mtls: request %d with %s %v: %w", i, o.Request.Header.Get(whoHeader), o.Request.Identities, err)
		}
	}
	return nil
}

func (a *authorities) hold(s Spec, e function.Evidence, i int) error {
	if s.Side == Calling {
		return a.holdCalling(s, e, i)
	}
	o, got := e.Observations[i], e.Reached(i)
	if !s.passes(o.Request.Header.Get(whoHeader), o.Request.Identities) {
		if len(got) > 0 || o.Outcome == function.Allowed {
			return fmt.Errorf("got through")
		}
		return nil
	}
	if o.Outcome != function.Allowed || len(got) != 1 {
		return fmt.Errorf("reached the service %d times, and was not answered well once", len(got))
	}
	said := got[0].Message.Header[Header]
	if len(said) != 1 || strings.Contains(said[0], ",") {
		return fmt.Errorf("the service was told %q, not one client", said)
	}
	var uris []string
	for part := range strings.SplitSeq(said[0], ";") {
		if id, ok := strings.CutPrefix(part, "URI="); ok {
			uris = append(uris, id)
		}
	}
	if !slices.Equal(uris, o.Request.Identities) {
		return fmt.Errorf("the service was told of %q", uris)
	}
	return nil
}

// holdCalling: the service sees the proxy's own identity, and a service that is
// not who it should be gets no request.
func (a *authorities) holdCalling(s Spec, e function.Evidence, i int) error {
	o, got := e.Observations[i], e.Reached(i)
	right, err := a.serves(s, e.Trial.Replicas[0])
	if err != nil {
		return err
	}
	if !right {
		if len(got) > 0 || o.Outcome == function.Allowed {
			return fmt.Errorf("reached a service that is not who it should be")
		}
		return nil
	}
	if o.Outcome != function.Allowed || len(got) != 1 {
		return fmt.Errorf("reached the service %d times, and was not answered well once", len(got))
	}
	if ids := got[0].Message.Identities; !slices.Equal(ids, []string{s.ID}) {
		return fmt.Errorf("the service shook hands with %q, not with %s", ids, s.ID)
	}
	return nil
}

// serves is the model: whether a service is one that may be called.
func (a *authorities) serves(s Spec, r function.Replica) (bool, error) {
	if r.TLS == nil {
		return false, nil
	}
	config, err := r.TLS()
	if err != nil {
		return false, err
	}
	authority, err := a.of(s.Domain)
	if err != nil {
		return false, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.cert)
	id, err := idOf([]*x509.Certificate{config.Certificates[0].Leaf}, roots, x509.ExtKeyUsageServerAuth)
	return err == nil && slices.Contains(s.Allow, id), nil
}
