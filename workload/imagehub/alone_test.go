package imagehub

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"
	"time"
)

// While the database is locked by somebody else, pulls go on: they do not touch it.
func TestPullNeedsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	h := startAPI(t, Options{DB: path, Response: defaultResponse, TokenLifetime: time.Hour})
	h.signUp("ada", "Personal")
	token := h.logIn("ada").Token
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=exclusive")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if r := h.do(http.MethodGet, "/pull?image=library/tare:1.0", token, ""); r.status != http.StatusOK {
		t.Errorf("pull with a locked database: %d", r.status)
	}
}

// Pulls by many users at once contend for no lock of ours: the mutex profile
// of the whole process has no unlocking in this package.
func TestPullsShareNoLock(t *testing.T) {
	before := runtime.SetMutexProfileFraction(1)
	defer runtime.SetMutexProfileFraction(before)
	p, service := prepared(t, 64)
	var c config
	if err := json.Unmarshal(service, &c); err != nil {
		t.Fatal(err)
	}
	key, err := parseJWKS(c.JWKS)
	if err != nil {
		t.Fatal(err)
	}
	routes, pulls, err := newPullAPI(newVerifier(key, time.Now), c.Response, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, token := range p.Tokens {
		wg.Go(func() {
			for range 40 {
				r := httptest.NewRequest(http.MethodGet, p.Path, nil)
				r.Header.Set("Authorization", "Bearer "+token)
				routes.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
	}
	wg.Wait()
	if n := pulls.stats().Served; n != int64(40*len(p.Tokens)) {
		t.Fatalf("%d pulls served", n)
	}
	var profile bytes.Buffer
	if err := pprof.Lookup("mutex").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	// The runtime's own locks are in the profile too; ours are unlocked by our code.
	if stack := unlockedByUs.FindString(profile.String()); stack != "" {
		t.Errorf("pulls wait for a lock:\n%s", stack)
	}
}

var unlockedByUs = regexp.MustCompile(`(?m)^.*Mutex\)\.R?Unlock.*\n.*workload/imagehub\..*$`)
