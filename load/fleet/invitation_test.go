package fleet_test

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/fleet"
)

func listen(tb testing.TB, c fleet.Config) *fleet.Fleet {
	tb.Helper()
	c.Listen = "127.0.0.1:0"
	f, err := fleet.Listen(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := f.Close(); err != nil {
			tb.Error(err)
		}
	})
	return f
}

func invite(tb testing.TB, f *fleet.Fleet) fleet.Invitation {
	tb.Helper()
	i, err := f.Invite("")
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

func TestInvitationIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "invitation.json")
	if err := os.WriteFile(path, []byte("old and longer than what comes"), 0o644); err != nil {
		t.Fatal(err)
	}
	i := invite(t, listen(t, fleet.Config{Workers: 1}))
	if err := i.Write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the invitation: %v, %v", info.Mode(), err)
	}
	got, err := fleet.ReadInvitation(path)
	if err != nil || got != i {
		t.Errorf("read back %+v, error %v", got, err)
	}
}

func TestInvitationRefuses(t *testing.T) {
	if _, err := fleet.ReadInvitation(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	for text, want := range map[string]string{
		"":                                "no JSON object",
		`{"format": 3}`:                   "no JSON object",
		`{"format": "tare-invitation/2"}`: `the format is "tare-invitation/2"`,
		`{"format": "tare-invitation/1"}`: "no address",
		`{"format":"tare-invitation/1","addr":"x"}`: "worker's certificate",
	} {
		if _, err := fleet.ParseInvitation([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
		}
	}
}

func FuzzParseInvitation(f *testing.F) {
	f.Add([]byte(`{"format":"tare-invitation/1","addr":"127.0.0.1:1","authority":"a","cert":"b","key":"c"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := fleet.ParseInvitation(text); err == nil {
			t.Errorf("%q was taken for an invitation", text) // no key is made by chance
		}
	})
}

// Whoever has no certificate of this fleet's authority is turned away, and
// believes no coordinator that has none.
func TestStrangersAreTurnedAway(t *testing.T) {
	f, other := listen(t, fleet.Config{Workers: 1}), listen(t, fleet.Config{Workers: 1})
	ours, theirs := invite(t, f), invite(t, other)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	stranger := theirs
	stranger.Addr, stranger.Authority = ours.Addr, ours.Authority // it believes us, we do not believe it
	if err := work(ctx, stranger); err == nil || !strings.Contains(err.Error(), "is the invitation") {
		t.Errorf("a worker of another fleet: %v", err)
	}
	deceived := ours
	deceived.Addr = theirs.Addr
	if err := work(ctx, deceived); err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Errorf("a worker and a coordinator of another fleet: %v", err)
	}

	conn, err := tls.Dial("tcp", ours.Addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) // without a certificate
	if err == nil {
		_, err = conn.Read(make([]byte, 1)) // in TLS 1.3 the refusal comes after the handshake
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("a client without a certificate: %v", err)
	}
	if conn, err := tls.Dial("tcp", ours.Addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		conn.Close()
		t.Error("TLS 1.2 was spoken")
	}
}

// work is a worker that offers nothing: it only joins.
func work(ctx context.Context, i fleet.Invitation) error {
	return fleet.Work(ctx, i, fleet.WorkerConfig{Name: "stranger", Generator: nobody{}})
}

type nobody struct{}

func (nobody) Name() string { return "nobody" }

func (nobody) Open(context.Context, []load.Target, load.Population) (load.Session, error) {
	return nil, errors.New("nobody offers load")
}
