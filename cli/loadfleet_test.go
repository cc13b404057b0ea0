package cli_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/internal/process"
)

// Two workers, each a process, offer one load; what they are asked twice is
// refused before anything starts.
func TestLoadWorkers(t *testing.T) {
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer server.Close()
	for want, args := range map[string][]string{
		"--listen is of --workers":     {"--listen", "127.0.0.1:1"},
		"give --listen HOST:PORT and":  {"--workers", "2"},
		"--workers 0":                  {"--workers", "0"},
		"no such rule (known: void, g": {"--workers", "1", "--listen", "127.0.0.1:1", "--invitation", "x", "--lost", "hope"},
	} {
		if r := tare(t, t.TempDir(), append([]string{"load", server.URL}, args...)...); r.code != 2 || !strings.Contains(r.err, want) {
			t.Errorf("%v: exit %d, %s", args, r.code, r.err)
		}
	}
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	invitation := filepath.Join(dir, "workers.json")
	coordinator := command(t, dir, "", "load", server.URL, "--rate", "1000", "--requests", "301", "--workers", "2", "--listen", addr, "--invitation", invitation, "-o", "json")
	var out, errOut bytes.Buffer
	coordinator.Stdout, coordinator.Stderr = &out, &errOut
	if err := coordinator.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, func() string {
		if found, _ := filepath.Glob(invitation); len(found) == 0 {
			return "there is no invitation"
		}
		return ""
	})
	for _, name := range []string{"a", "b"} {
		w := command(t, dir, "", "worker", invitation, "--name", name)
		var said bytes.Buffer
		w.Stderr = &said
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.Wait(); err != nil {
				t.Errorf("worker %s: %v: %s", name, err, said.String())
			}
		}()
	}
	if err := coordinator.Wait(); err != nil {
		t.Fatalf("%v: %s%s", err, out.String(), errOut.String())
	}
	var got struct {
		Requests, Errors int
		Workers          []struct {
			Name     string
			Requests int
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Requests != 301 || seen.Load() != 301 || len(got.Workers) != 2 || got.Workers[0].Requests+got.Workers[1].Requests != 301 || min(got.Workers[0].Requests, got.Workers[1].Requests) != 150 {
		t.Errorf("the server saw %d: %+v", seen.Load(), got)
	}
}
