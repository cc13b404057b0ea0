package consul

import (
	"context"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/testbed"
)

// Public is where the sidecar of treatment i's service takes mutual TLS.
func Public(s testbed.Setup, i int) string { return s.(*setup).stands[i].api.public }

// AgentPID is the agent's process id.
func AgentPID(s testbed.Setup) int { return s.(*setup).agent.PID() }

// Intention lets one front end in to the treatment's service, or denies it.
func Intention(ctx context.Context, s testbed.Setup, treatment, web, action string) error {
	return s.(*setup).agent.write(ctx, serviceIntentions{Kind: "service-intentions", Name: "api-" + treatment,
		Sources: []source{{Name: web, Action: action}}})
}

// ChoosePorts replaces how addresses are chosen.
func (b *Testbed) ChoosePorts(f func() (string, error)) { b.freeAddr = f }

// Wish is what a topology becomes in Consul's words.
type Wish struct {
	API, Web string
	Entries  []any
	Modules  []int // their sizes
	Chain    []string
}

// Translate shows the translation of a topology.
func Translate(t testbed.Topology) (*Wish, error) {
	w, err := translate(t)
	if err != nil {
		return nil, err
	}
	shown := &Wish{API: w.api, Web: w.web, Entries: w.entries, Chain: w.chain}
	for _, m := range w.modules {
		shown.Modules = append(shown.Modules, len(m))
	}
	return shown, nil
}

// WithPayloadHeader is what a module's configuration becomes behind a token check.
func WithPayloadHeader(text string) (string, error) { return withPayloadHeader(text) }

// Carries asks the Envoy whose administration listens there.
func Carries(ctx context.Context, admin string, chain ...string) error {
	s := &sidecar{admin: admin, Process: &process.Process{Name: "envoy test"}}
	return s.carries(ctx, inbound, chain)
}
