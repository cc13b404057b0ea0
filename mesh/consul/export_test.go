package consul

import (
	"context"

	"github.com/taremesh/tare/testbed"
)

// Public is where the sidecar of treatment i's service takes mutual TLS.
func Public(s testbed.Setup, i int) string { return s.(*setup).stands[i].api.public }

// AgentPID is the agent's process id.
func AgentPID(s testbed.Setup) int { return s.(*setup).agent.PID() }

// Intention lets the front end of the treatment in, or denies it.
func Intention(ctx context.Context, s testbed.Setup, treatment, action string) error {
	return s.(*setup).agent.write(ctx, serviceIntentions{Kind: "service-intentions", Name: "api-" + treatment,
		Sources: []source{{Name: "web-" + treatment, Action: action}}})
}

// ChoosePorts replaces how addresses are chosen.
func (b *Testbed) ChoosePorts(f func() (string, error)) { b.freeAddr = f }
