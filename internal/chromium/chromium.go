//go:build browser

package chromium

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience bounds each step on a busy machine.
const patience = 60 * time.Second

// Window is one window of a browser.
type Window struct {
	t   testing.TB
	ctx context.Context

	mu   sync.Mutex
	said []string // what was written to the console
}

// Open opens a browser with one window, for as long as the test lasts.
func Open(t testing.TB, width, height int64) *Window {
	t.Helper()
	exe, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: apt-get install chromium fonts-dejavu-core", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(exe), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	allocated, release := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, quit := chromedp.NewContext(allocated)
	w := &Window{t: t, ctx: ctx}
	var read sync.WaitGroup
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("close Chromium: %v", err)
		}
		quit()
		release()
		read.Wait()
	})
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatalf("open Chromium: %v", err)
	}
	messages := chromedp.Console(ctx)
	read.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			w.mu.Lock()
			w.said = append(w.said, fmt.Sprintf("%s: %s %s", m.Type, m.Text, m.URL))
			w.mu.Unlock()
		}
	})
	return w
}

// Context is what chromedp's own steps are taken in.
func (w *Window) Context() context.Context { return w.ctx }

// Show opens a file in a window so wide, a telephone's height.
func (w *Window) Show(width int64, file string) {
	w.t.Helper()
	step, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	if err := chromedp.Do(step, chromedp.EmulateViewport(width, 740), chromedp.Navigate("file://"+file)); err != nil {
		w.t.Fatalf("open %s: %v", file, err)
	}
}

// Measured is what a script says of the page that is shown.
func Measured[T any](w *Window, script string) T {
	w.t.Helper()
	step, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(step, chromedp.Evaluate[T](script))
	if err != nil {
		w.t.Fatalf("evaluate %s: %v", script, err)
	}
	return v
}

// Quiet holds the console to be empty, and empties it.
func (w *Window) Quiet(where string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.said {
		w.t.Errorf("console on %s: %s", where, s)
	}
	w.said = nil
}

// SmallestLetter is the size, in pixels, of the smallest letters that a shown
// picture has; 99 without a picture.
const SmallestLetter = `Math.min(99, ...[...document.querySelectorAll('svg')].filter(s => s.clientWidth > 0).flatMap(s =>
	[...s.querySelectorAll('text')].map(x => parseFloat(getComputedStyle(x).fontSize) * s.getBoundingClientRect().width / s.viewBox.baseVal.width)))`

// Outside is the first text that leaves its picture by more than a letter.
const Outside = `[...document.querySelectorAll('svg')].filter(s => s.clientWidth > 0).flatMap(s => {
	const f = s.getBoundingClientRect();
	return [...s.querySelectorAll('text')].filter(x => { const b = x.getBoundingClientRect(); return b.left < f.left - 8 || b.right > f.right + 8 || b.top < f.top - 8 || b.bottom > f.bottom + 8 }).map(x => x.textContent);
})[0] ?? ''`
