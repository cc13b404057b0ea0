//go:build browser

package report_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/taremesh/tare/report"
)

// patience bounds each step on a busy machine.
const patience = 60 * time.Second

// browser starts Chromium for a test.
func browser(t testing.TB) context.Context {
	t.Helper()
	exe, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: apt-get install chromium fonts-dejavu-core", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(exe), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	allocated, release := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, quit := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("close Chromium: %v", err)
		}
		quit()
		release()
	})
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(360, 740)); err != nil {
		t.Fatalf("open Chromium: %v", err)
	}
	return ctx
}

// A real browser shows the page on a telephone without a bar to scroll
// sideways, with every letter large enough to read, and complains of nothing.
func TestBrowserReport(t *testing.T) {
	var read sync.WaitGroup
	t.Cleanup(read.Wait) // once the browser has closed
	ctx := browser(t)
	show := func(what string, width int64, file string) {
		t.Helper()
		step, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := chromedp.Do(step, chromedp.EmulateViewport(width, 740), chromedp.Navigate("file://"+file)); err != nil {
			t.Fatalf("open %s: %v", what, err)
		}
	}
	messages := chromedp.Console(ctx) // errors, and what the content security policy refused
	said := make(chan string, 100)
	read.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			said <- fmt.Sprintf("%s: %s", m.Type, m.Text)
		}
	})
	pages := map[string]string{}
	for name, r := range reports(t) {
		pages[name] = page(t, r)
	}
	var history bytes.Buffer
	if err := report.HistoryHTML(&history, "History", histories()); err != nil {
		t.Fatal(err)
	}
	pages["history"] = history.String()
	for name, text := range pages {
		file := filepath.Join(t.TempDir(), "report.html")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{360, 800, 1200} {
			what := fmt.Sprintf("%s at %d", name, width)
			show(what, width, file)
			if got := measured[int](t, ctx, "document.documentElement.scrollWidth"); int64(got) > width {
				t.Errorf("%s is %d pixels wide", what, got)
			}
			if least := measured[float64](t, ctx, smallestLetter); least < 9 {
				t.Errorf("%s: the smallest letters are %.1f pixels", what, least)
			}
			if styled := measured[string](t, ctx, "getComputedStyle(document.body).fontVariantNumeric"); styled != "tabular-nums" {
				t.Errorf("%s: the page's style was refused", what)
			}
			if out := measured[string](t, ctx, outside); out != "" {
				t.Errorf("%s: letters outside their picture: %s", what, out)
			}
		}
	}
	for {
		select {
		case s := <-said:
			t.Errorf("console: %s", s)
		default:
			return
		}
	}
}

// How long Chromium takes from the order to open a report of 30 treatments × 60
// blocks until all of it is laid out; its size is held by
// TestGreatestReportIsSmall.
func BenchmarkBrowserGreatestReport(b *testing.B) {
	file := filepath.Join(b.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(page(b, greatest(b))), 0o644); err != nil {
		b.Fatal(err)
	}
	ctx := browser(b)
	for b.Loop() {
		step, cancel := context.WithTimeout(ctx, patience)
		if err := chromedp.Do(step, chromedp.Navigate("file://"+file)); err != nil {
			b.Fatal(err)
		}
		measured[int](b, ctx, "document.documentElement.scrollHeight") // lays out
		cancel()
	}
}

// smallestLetter is the size, in pixels, of the smallest letters that a shown
// picture has; 99 without a picture.
const smallestLetter = `Math.min(99, ...[...document.querySelectorAll('svg')].filter(s => s.clientWidth > 0).flatMap(s =>
	[...s.querySelectorAll('text')].map(x => parseFloat(getComputedStyle(x).fontSize) * s.getBoundingClientRect().width / s.viewBox.baseVal.width)))`

// outside is the first text that leaves its picture by more than a letter.
const outside = `[...document.querySelectorAll('svg')].filter(s => s.clientWidth > 0).flatMap(s => {
	const f = s.getBoundingClientRect();
	return [...s.querySelectorAll('text')].filter(x => { const b = x.getBoundingClientRect(); return b.left < f.left - 8 || b.right > f.right + 8 || b.top < f.top - 8 || b.bottom > f.bottom + 8 }).map(x => x.textContent);
})[0] ?? ''`

func measured[T any](t testing.TB, ctx context.Context, script string) T {
	t.Helper()
	step, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	v, err := chromedp.Run(step, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("evaluate %s: %v", script, err)
	}
	return v
}
