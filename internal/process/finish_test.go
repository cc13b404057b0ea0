package process_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/internal/process"
)

func TestFinish(t *testing.T) {
	l, err := process.NewLauncher("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	run := func(ctx context.Context, script string) (time.Duration, error) {
		t.Helper()
		p, err := l.Start(process.Command{Name: "script", Args: []string{"-c", script}, Input: []byte{}})
		if err != nil {
			t.Fatal(err)
		}
		return p.Finish(ctx)
	}
	used, err := run(t.Context(), "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
	if err != nil || used < 10*time.Millisecond || used > 10*time.Second {
		t.Errorf("200,000 turns of a loop used %v, %v", used, err)
	}
	if _, err := run(t.Context(), "echo no luck >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("exit 3: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run(ctx, "sleep 1000"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}
