//go:build browser

package report_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/taremesh/tare/internal/chromium"
	"github.com/taremesh/tare/report"
)

// A real browser shows the page on a telephone without a bar to scroll
// sideways, with every letter large enough to read, and complains of nothing.
func TestBrowserReport(t *testing.T) {
	w := chromium.Open(t, 360, 740)
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
			w.Show(width, file)
			if got := chromium.Measured[int](w, "document.documentElement.scrollWidth"); int64(got) > width {
				t.Errorf("%s is %d pixels wide", what, got)
			}
			if least := chromium.Measured[float64](w, chromium.SmallestLetter); least < 9 {
				t.Errorf("%s: the smallest letters are %.1f pixels", what, least)
			}
			if styled := chromium.Measured[string](w, "getComputedStyle(document.body).fontVariantNumeric"); styled != "tabular-nums" {
				t.Errorf("%s: the page's style was refused", what)
			}
			if out := chromium.Measured[string](w, chromium.Outside); out != "" {
				t.Errorf("%s: letters outside their picture: %s", what, out)
			}
		}
	}
	w.Quiet("the reports")
}

// How long Chromium takes from the order to open a report of 30 treatments × 60
// blocks until all of it is laid out; its size is held by
// TestGreatestReportIsSmall.
func BenchmarkBrowserGreatestReport(b *testing.B) {
	file := filepath.Join(b.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(page(b, greatest(b))), 0o644); err != nil {
		b.Fatal(err)
	}
	w := chromium.Open(b, 360, 740)
	for b.Loop() {
		if err := chromedp.Do(w.Context(), chromedp.Navigate("file://"+file)); err != nil {
			b.Fatal(err)
		}
		chromium.Measured[int](w, "document.documentElement.scrollHeight") // lays out
	}
}
