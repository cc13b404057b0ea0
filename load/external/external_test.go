package external_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/external"
	"github.com/taremesh/tare/loadtest"
)

func launcher(t *testing.T) *process.Launcher {
	t.Helper()
	l, err := process.NewLauncher("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// tried are the tools that make test installs.
var tried = []func(*process.Launcher) load.Adapter{
	external.Fortio, external.Wrk, external.H2load, external.Hey, external.Ab, external.Vegeta, external.K6,
}

// The real tools. wrk2 and nighthawk are published as sources only, so that only
// their words are read.
func TestTools(t *testing.T) {
	l := launcher(t)
	var all sync.WaitGroup // at once: they mostly wait
	for _, adapter := range tried {
		a := adapter(l)
		all.Go(func() { t.Run(a.Name, func(t *testing.T) { loadtest.TestAdapter(t, a) }) })
	}
	all.Wait()
}

// A tool that no test runs says so wherever it is shown, and no other does.
func TestUntriedSaySo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	says := func(a load.Adapter, want string) {
		_, absent := a.Find(t.Context())
		if absent == nil {
			t.Fatalf("%s was found on an empty path", a.Name)
		}
		texts := []string{absent.Error()}
		for _, s := range a.Settings {
			texts = append(texts, s.Doc)
		}
		for _, text := range texts {
			if said := strings.Contains(text, "no test runs it") || strings.Contains(text, "was never run here"); said != (want != "") || !strings.Contains(text, want) {
				t.Errorf("%s: %q, want %q", a.Name, text, want)
			}
		}
	}
	for _, adapter := range tried {
		says(adapter(nil), "")
	}
	says(external.Wrk2(nil), "read by output of its own; no test runs it")
	says(external.Nighthawk(nil), "read by its documented output; was never run here")
}

// So does the account of a run, with what the tool itself said.
func TestUntriedAccount(t *testing.T) {
	dir := t.TempDir()
	said, err := filepath.Abs(filepath.Join("testdata", "nighthawk.json"))
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\ncase $1 in --version) echo nighthawk 1.2 ;; *) cat '" + said + "' ;; esac\n"
	if err := os.WriteFile(filepath.Join(dir, "nighthawk_client"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	a := external.Nighthawk(launcher(t))
	p, err := a.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	account, err := a.Run(t.Context(), p, load.Best, load.Order{
		Target:  load.Target{Name: "target", Addr: "127.0.0.1:9", Connections: 1, MaxConnections: 1},
		Request: load.Request{Method: "GET", Path: "/"}, Rate: 100, Duration: time.Second,
	})
	if err != nil || account.Requests == nil || !slices.Contains(account.Notes, "read by its documented output; was never run here") {
		t.Errorf("%v: %+v", err, account)
	}
}

func ExampleFortio() {
	for _, s := range external.Fortio(nil).Settings {
		fmt.Println(s.Name, s.Loop, s.From, s.Resolution)
	}
	// Output:
	// defaults closed sent 1ms
	// best closed sent 1µs
}
