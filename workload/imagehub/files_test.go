package imagehub

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/taremesh/tare/workload"
)

// Nobody can make a file there, root included.
const readOnlyDirectory = "/proc/self"

func TestDatabaseThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	write(t, newer, "PRAGMA user_version = 99")
	foreign := filepath.Join(dir, "foreign.db")
	write(t, foreign, "CREATE TABLE users (other TEXT)")
	for name, c := range map[string]struct{ path, words string }{
		"read-only directory": {readOnlyDirectory + "/hub.db", "unable to open"},
		"no such directory":   {filepath.Join(dir, "none", "hub.db"), "unable to open"},
		"a directory":         {dir, "unable to open"},
		"no database":         {garbage, "not a database"},
		"a newer schema":      {newer, "version 99"},
		"another's tables":    {foreign, "already exists"},
	} {
		a, err := openAccounts(t.Context(), c.path, bcrypt.MinCost)
		if err == nil {
			a.close()
			t.Errorf("%s: %s is opened", name, c.path)
			continue
		}
		if !strings.Contains(err.Error(), "open database "+c.path) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: the error %q does not name the file and %q", name, err, c.words)
		}
	}
}

func write(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOptionsRefused(t *testing.T) {
	for name, edit := range map[string]func(*Options){
		"lifetime":      func(o *Options) { o.TokenLifetime = 0 },
		"long lifetime": func(o *Options) { o.TokenLifetime = 365 * 24 * time.Hour },
		"response":      func(o *Options) { o.Response = -1 },
		"huge response": func(o *Options) { o.Response = workload.MaxSize + 1 },
		"key file":      func(o *Options) { o.KeyFile = readOnlyDirectory + "/key.pem" },
		"database":      func(o *Options) { o.DB = readOnlyDirectory + "/hub.db" },
		"address":       func(o *Options) { o.Listen = "127.0.0.1:notaport" },
	} {
		o := DefaultOptions()
		o.Listen = "127.0.0.1:0"
		edit(&o)
		ctx, cancel := context.WithCancel(t.Context())
		err := Run(ctx, o, nil, func(workload.Ready) {
			t.Errorf("%s: ready with %+v", name, o)
			cancel()
		})
		cancel()
		if err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

// A password is stored as a hash only, and hashed anew for each user.
func TestPasswordsAreHashed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	a, err := openAccounts(t.Context(), path, bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	const password = "correct horse battery"
	for _, name := range []string{"ann", "bob"} {
		if err := a.signUp(t.Context(), name, password, Team); err != nil {
			t.Fatal(err)
		}
	}
	var different int
	if err := a.db.QueryRow(`SELECT count(DISTINCT password) FROM users`).Scan(&different); err != nil || different != 2 {
		t.Errorf("%d different hashes of 2 users, %v", different, err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), password) {
			t.Errorf("%s holds the password", f)
		}
	}
}

// The login of an unknown user compares a password, too: with a hash of the
// same cost.
func TestUnknownUserCostsAHash(t *testing.T) {
	a, err := openAccounts(t.Context(), "", bcrypt.MinCost+1)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if cost, err := bcrypt.Cost(a.nobody); err != nil || cost != bcrypt.MinCost+1 {
		t.Errorf("nobody's hash has cost %d, %v", cost, err)
	}
	for range cap(a.hashing) {
		a.hashing <- struct{}{} // nobody may hash now
	}
	// With all places taken and the context about to end, a login can only say
	// so: had it not asked for leave to hash, it would answer without.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.logIn(ctx, "no-such-user", "any password"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a login that may not hash: %v", err)
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	keys := make([]*signingKey, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = loadKey(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, k := range keys {
		if k.id != keys[0].id {
			t.Error("several loaded at once have different keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

func TestKeyFileRefused(t *testing.T) {
	dir := t.TempDir()
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text  []byte
		mode  os.FileMode
		words string
	}{
		"open":      {pkcs8(testKey(t).private), 0o644, "chmod 600"},
		"group":     {pkcs8(testKey(t).private), 0o640, "chmod 600"},
		"empty":     {nil, 0o600, "PEM"},
		"no key":    {[]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600, "asn1"},
		"RSA":       {pkcs8(rsaKey), 0o600, "not an ECDSA key"},
		"on P-384":  {pkcs8(p384), 0o600, "P-384"},
		"another's": {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}), 0o600, "PEM"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, c.text, c.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := loadKey(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: the error %v does not name the file and %q", name, err, c.words)
		}
	}
}
