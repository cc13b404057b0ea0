package imagehub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/taremesh/tare/workload"
)

// Options are those of the API on its own, outside of any study.
type Options struct {
	Listen string // host:port
	// DB is the SQLite file, made when absent; empty: in memory.
	DB string
	// KeyFile holds the signing key (PEM, PKCS #8), made with mode 0600 when
	// absent; empty: a key that lasts as long as the process.
	KeyFile       string
	Response      workload.Size // of a pull
	TokenLifetime time.Duration
}

// DefaultOptions are a loopback address, nothing on disk, images of 1 KiB and
// tokens for an hour.
func DefaultOptions() Options {
	return Options{Listen: "127.0.0.1:8080", Response: defaultResponse, TokenLifetime: time.Hour}
}

const (
	defaultResponse workload.Size = 1 << 10
	maxLifetime                   = 30 * 24 * time.Hour
)

func (o Options) check() error {
	if o.TokenLifetime < time.Second || o.TokenLifetime > maxLifetime {
		return fmt.Errorf("token lifetime %s is not between 1s and %s", o.TokenLifetime, maxLifetime)
	}
	if o.Response < 0 || o.Response > workload.MaxSize {
		return fmt.Errorf("response of %d bytes is not between 0 and %s", int(o.Response), workload.MaxSize)
	}
	return nil
}

// Run serves the whole API until the context is done or SIGTERM or SIGINT
// arrives, with functions in library form around GET /pull, the first one
// outermost.
func Run(ctx context.Context, o Options, middlewares []workload.Middleware, ready func(workload.Ready)) error {
	return run(ctx, o, bcrypt.DefaultCost, middlewares, ready)
}

func run(ctx context.Context, o Options, cost int, middlewares []workload.Middleware, ready func(workload.Ready)) (err error) {
	if err := o.check(); err != nil {
		return fmt.Errorf("imagehub: %w", err)
	}
	key, err := o.key()
	if err != nil {
		return fmt.Errorf("imagehub: %w", err)
	}
	users, err := openAccounts(ctx, o.DB, cost)
	if err != nil {
		return fmt.Errorf("imagehub: %w", err)
	}
	defer func() { err = errors.Join(err, users.close()) }()
	v := newVerifier(key.publicKey, time.Now)
	routes, pulls, err := newPullAPI(v, o.Response, middlewares)
	if err != nil {
		return fmt.Errorf("imagehub: %w", err)
	}
	d := &desk{accounts: users, key: key, lifetime: o.TokenLifetime, now: time.Now}
	d.addTo(routes, v)
	return workload.Serve(ctx, o.Listen, workload.Service{Handler: routes, Stats: pulls.stats}, ready)
}

func (o Options) key() (*signingKey, error) {
	if o.KeyFile == "" {
		return newKey()
	}
	return loadKey(o.KeyFile)
}

func (p *puller) stats() workload.Stats {
	return workload.Stats{Served: p.served.Load(), Received: p.intake.Received()}
}
