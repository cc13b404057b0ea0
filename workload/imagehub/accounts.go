package imagehub

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/crypto/bcrypt"
	_ "modernc.org/sqlite" // the driver "sqlite", in pure Go
)

// accounts keeps users in SQLite.
type accounts struct {
	db   *sql.DB
	cost int // of bcrypt
	// nobody is compared with when there is no such user, so that a login takes
	// as long as for one that exists.
	nobody []byte
	// hashing limits how many passwords are hashed at once: each takes tens of
	// milliseconds of a core.
	hashing chan struct{}
}

var (
	errTaken       = errors.New("the username is taken")
	errCredentials = errors.New("wrong username or password")
	errNoUser      = errors.New("there is no account of this user")
	errNotHigher   = errors.New("the subscription is not higher than the present one")
)

// schema of version 1. A later version adds a step; none is changed.
var schema = []string{
	`CREATE TABLE users (
		name         TEXT PRIMARY KEY,
		password     BLOB NOT NULL,    -- bcrypt
		subscription TEXT NOT NULL,
		created      INTEGER NOT NULL  -- Unix seconds
	) STRICT, WITHOUT ROWID`,
}

// openAccounts opens the database file, made when absent; an empty path keeps
// the accounts in memory.
func openAccounts(ctx context.Context, path string, cost int) (*accounts, error) {
	db, err := openDatabase(ctx, path)
	if err != nil {
		name := path
		if path == "" {
			name = "in memory"
		}
		return nil, fmt.Errorf("open database %s: %w", name, err)
	}
	nobody, err := bcrypt.GenerateFromPassword([]byte("nobody's password"), cost)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("hash password: %w", err), db.Close())
	}
	return &accounts{db: db, cost: cost, nobody: nobody, hashing: make(chan struct{}, runtime.GOMAXPROCS(0))}, nil
}

func openDatabase(ctx context.Context, path string) (*sql.DB, error) {
	source := ":memory:"
	if path != "" {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		file := url.URL{Scheme: "file", Path: absolute, RawQuery: "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)"}
		source = file.String()
	}
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	// One connection: a database in memory belongs to its connection, and
	// writers would wait for each other anyway.
	db.SetMaxOpenConns(1)
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// migrate brings the schema up to date, in one transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // of no effect after Commit
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(schema) {
		return fmt.Errorf("its schema has version %d, this program knows up to %d", version, len(schema))
	}
	if version == len(schema) {
		return nil
	}
	for _, step := range schema[version:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(schema))); err != nil {
		return err
	}
	return tx.Commit()
}

func (a *accounts) close() error { return a.db.Close() }

// hold waits for leave to hash a password.
func (a *accounts) hold(ctx context.Context) error {
	select {
	case a.hashing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *accounts) release() { <-a.hashing }

func (a *accounts) signUp(ctx context.Context, name, password string, s Subscription) error {
	hash, err := a.hash(ctx, password)
	if err != nil {
		return fmt.Errorf("hash password of %s: %w", name, err)
	}
	done, err := a.db.ExecContext(ctx,
		`INSERT INTO users (name, password, subscription, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		name, hash, s.Name, time.Now().Unix())
	if err != nil {
		return fmt.Errorf("store user %s: %w", name, err)
	}
	return oneRow(done, errTaken)
}

func (a *accounts) hash(ctx context.Context, password string) ([]byte, error) {
	if err := a.hold(ctx); err != nil {
		return nil, err
	}
	defer a.release()
	return bcrypt.GenerateFromPassword([]byte(password), a.cost)
}

// logIn returns the subscription of the user with this password.
func (a *accounts) logIn(ctx context.Context, name, password string) (Subscription, error) {
	hash, subscription := a.nobody, ""
	row := a.db.QueryRowContext(ctx, `SELECT password, subscription FROM users WHERE name = ?`, name)
	err := row.Scan(&hash, &subscription)
	unknown := errors.Is(err, sql.ErrNoRows)
	if err != nil && !unknown {
		return Subscription{}, fmt.Errorf("look up user %s: %w", name, err)
	}
	if err := a.hold(ctx); err != nil {
		return Subscription{}, fmt.Errorf("check password of %s: %w", name, err)
	}
	defer a.release()
	wrong := bcrypt.CompareHashAndPassword(hash, []byte(password)) // for unknown users, too
	if unknown || wrong != nil {
		return Subscription{}, errCredentials
	}
	return SubscriptionNamed(subscription)
}

// upgrade gives a user a higher subscription.
func (a *accounts) upgrade(ctx context.Context, name string, to Subscription) error {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("upgrade %s: %w", name, err)
	}
	defer tx.Rollback() // of no effect after Commit
	var present string
	err = tx.QueryRowContext(ctx, `SELECT subscription FROM users WHERE name = ?`, name).Scan(&present)
	if errors.Is(err, sql.ErrNoRows) {
		return errNoUser
	}
	if err != nil {
		return fmt.Errorf("upgrade %s: %w", name, err)
	}
	from, err := SubscriptionNamed(present)
	if err != nil {
		return fmt.Errorf("upgrade %s: %w", name, err)
	}
	if to.PullsPerMinute <= from.PullsPerMinute {
		return errNotHigher
	}
	if _, err := tx.ExecContext(ctx, `UPDATE users SET subscription = ? WHERE name = ?`, to.Name, name); err != nil {
		return fmt.Errorf("upgrade %s: %w", name, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("upgrade %s: %w", name, err)
	}
	return nil
}

// oneRow returns other when a statement changed nothing.
func oneRow(done sql.Result, other error) error {
	n, err := done.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return other
	}
	return nil
}
