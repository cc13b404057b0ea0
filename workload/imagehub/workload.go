package imagehub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

// studyLifetime is that of a study's tokens: longer than any run.
const studyLifetime = 48 * time.Hour

// params are the workload's parameters in a study.
type params struct {
	Response workload.Size `yaml:"response"`
}

// config is what a service process is told. In a study it is the public key
// only; Desk is there when users sign up and log in.
type config struct {
	JWKS     string        `json:"jwks"`
	Response workload.Size `json:"response"`
	Desk     *deskConfig   `json:"desk,omitempty"`
}

// Workload is Image Hub's API as a study sees it: users who pull.
func Workload() workload.Workload {
	return workload.Workload{
		Name:    "imagehub",
		Doc:     "Image Hub's API: users with subscriptions pull images of `response` bytes; every token is verified",
		Command: []string{"serve", "imagehub"},
		Prepare: prepare,
		Service: service,
	}
}

// prepare makes one key and a token per user. The private key is forgotten
// with that: no service of a study signs anything.
func prepare(users []workload.User) (*workload.Prepared, error) {
	if len(users) == 0 {
		return nil, errors.New("workload imagehub needs users: every pull carries a user's token")
	}
	key, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("prepare imagehub: %w", err)
	}
	return prepareWith(key, users)
}

func prepareWith(key *signingKey, users []workload.User) (*workload.Prepared, error) {
	jwks, err := key.jwks()
	if err != nil {
		return nil, fmt.Errorf("prepare imagehub: %w", err)
	}
	tokens, err := mintAll(key, users, time.Now())
	if err != nil {
		return nil, fmt.Errorf("prepare imagehub: %w", err)
	}
	return &workload.Prepared{
		Method: http.MethodGet, Path: "/pull?image=library/tare:1.0", Host: "imagehub.test",
		Tokens: tokens,
		Check:  &workload.TokenCheck{Issuer: issuer, Audience: audience, JWKS: jwks},
	}, nil
}

// mintAll signs the users' tokens, on all cores.
func mintAll(key *signingKey, users []workload.User, now time.Time) ([]string, error) {
	tokens := make([]string, len(users))
	n := runtime.GOMAXPROCS(0)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for part := range n {
		wg.Go(func() {
			for i := part; i < len(users) && errs[part] == nil; i += n {
				tokens[i], errs[part] = mintFor(key, users[i], now)
			}
		})
	}
	wg.Wait()
	return tokens, errors.Join(errs...)
}

func mintFor(key *signingKey, u workload.User, now time.Time) (string, error) {
	s, err := SubscriptionNamed(u.Subscription)
	if err := errors.Join(checkUsername(u.Name), err); err != nil {
		return "", fmt.Errorf("user %q: %w", u.Name, err)
	}
	return key.mint(function.Caller{User: u.Name, Subscription: s.Name}, now, studyLifetime)
}

func service(p *workload.Prepared, given study.Params) (json.RawMessage, error) {
	wanted := params{Response: defaultResponse}
	if err := given.Decode(&wanted); err != nil {
		return nil, fmt.Errorf("workload imagehub: %w", err)
	}
	if p == nil || p.Check == nil {
		return nil, errors.New("workload imagehub: it was not prepared")
	}
	return json.Marshal(config{JWKS: p.Check.JWKS, Response: wanted.Response})
}

// Serve runs the API as a process of a study, or of the whole application,
// with functions in library form around pulls, the first one outermost.
func Serve(ctx context.Context, cfg workload.Config, middlewares []workload.Middleware, ready func(workload.Ready)) (err error) {
	d := json.NewDecoder(bytes.NewReader(cfg.Service))
	d.DisallowUnknownFields()
	var c config
	if err := d.Decode(&c); err != nil {
		return fmt.Errorf("read configuration of imagehub: %w", err)
	}
	key, err := parseJWKS(c.JWKS)
	if err != nil {
		return fmt.Errorf("read configuration of imagehub: %w", err)
	}
	v := newVerifier(key, time.Now)
	routes, pulls, err := newPullAPI(v, c.Response, middlewares)
	if err != nil {
		return fmt.Errorf("read configuration of imagehub: %w", err)
	}
	if c.Desk != nil {
		desk, failed := c.Desk.open(ctx)
		if failed != nil {
			return fmt.Errorf("imagehub: %w", failed)
		}
		defer func() { err = errors.Join(err, desk.accounts.close()) }()
		desk.addTo(routes, v)
	}
	return workload.Run(ctx, cfg, workload.Service{Handler: routes, Stats: pulls.stats}, ready)
}
