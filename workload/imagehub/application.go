package imagehub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

// openPaths are those of the API that need no token.
var openPaths = []string{"/signup", "/login", "/subscriptions", "/.well-known/jwks.json"}

// deskConfig is what a service process with accounts is told beside the
// public key. It travels over the process's standard input only.
type deskConfig struct {
	Key           string        `json:"key"` // the signing key, PEM
	DB            string        `json:"db"`  // see Options
	TokenLifetime time.Duration `json:"token_lifetime"`
}

// open opens the accounts; close them.
func (c *deskConfig) open(ctx context.Context) (*desk, error) {
	key, err := parseKey([]byte(c.Key))
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	users, err := openAccounts(ctx, c.DB, bcrypt.DefaultCost)
	if err != nil {
		return nil, err
	}
	return &desk{accounts: users, key: key, lifetime: c.TokenLifetime, now: time.Now}, nil
}

// Application is the whole API as a workload: unlike that of a study, its
// service has accounts, and a proxy before it lets users sign up and log in
// without a token. The users that it is prepared for only probe.
func Application(o Options) (workload.Workload, error) {
	if err := o.check(); err != nil {
		return workload.Workload{}, fmt.Errorf("imagehub: %w", err)
	}
	w := Workload()
	w.Doc = "Image Hub's whole API: sign up, log in, pull, upgrade"
	w.Prepare = func(users []workload.User) (*workload.Prepared, error) {
		key, err := o.key()
		if err != nil {
			return nil, fmt.Errorf("prepare imagehub: %w", err)
		}
		p, err := prepareWith(key, users)
		if err != nil {
			return nil, err
		}
		p.Check.Open, p.Secret = openPaths, key
		return p, nil
	}
	w.Service = func(p *workload.Prepared, _ study.Params) (json.RawMessage, error) {
		if p == nil || p.Check == nil {
			return nil, errors.New("workload imagehub: it was not prepared")
		}
		key, ok := p.Secret.(*signingKey)
		if !ok {
			return nil, errors.New("workload imagehub: it was not prepared as an application")
		}
		text, err := key.pem()
		if err != nil {
			return nil, fmt.Errorf("workload imagehub: %w", err)
		}
		desk := &deskConfig{Key: string(text), DB: o.DB, TokenLifetime: o.TokenLifetime}
		return json.Marshal(config{JWKS: p.Check.JWKS, Response: o.Response, Desk: desk})
	}
	return w, nil
}
