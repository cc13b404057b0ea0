//go:build browser

package atlas_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/taremesh/tare/internal/chromium"
)

// What scripts measure: letters that are too small to read, letters of pictures
// that stand outside them, and cells that a card shows nothing of.
const (
	smallest = `Math.min(...[...document.querySelectorAll('main *')].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
		.map(e => { const m = e.getScreenCTM ? e.getScreenCTM().a : 1; return parseFloat(getComputedStyle(e).fontSize) * m }))`
	outsidePictures = `[...document.querySelectorAll('.panels text')].filter(e => { const a = e.getBoundingClientRect(), b = e.ownerSVGElement.getBoundingClientRect();
		return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1 }).map(e => e.textContent).join(' | ')`
	onOneAnother = `(() => { const all = [...document.querySelectorAll('.panels svg')].flatMap(s => { const ts = [...s.querySelectorAll('.name')].map(e => [e.textContent, e.getBoundingClientRect()]);
		return ts.flatMap(([x, a], i) => ts.slice(i + 1).filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3).map(([y]) => x + ' / ' + y)) });
		return all.join(' | ') })()`
	rowsSeen = `[...document.querySelectorAll('.card .row:not(.head) .what b')].filter(e => e.getBoundingClientRect().width > 0).length`
)

// A real browser shows the page on a telephone without a bar to scroll sideways,
// closed and with every card open; every cell is to be seen, letters are large
// enough to read and stand in their pictures, and nothing is complained of.
func TestBrowserAtlas(t *testing.T) {
	w := chromium.Open(t, 360, 740)
	a := full(t)
	file := filepath.Join(t.TempDir(), "atlas.html")
	if err := os.WriteFile(file, []byte(pageOf(t, a)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int64{360, 800, 1200} {
		w.Show(width, file)
		for _, state := range []string{"closed", "open"} {
			what := fmt.Sprintf("%d pixels, %s", width, state)
			if state == "open" {
				chromium.Measured[int](w, "[...document.querySelectorAll('details')].map(d => d.open = true).length")
				if n := chromium.Measured[int](w, rowsSeen); n != len(a.Speeds) {
					t.Errorf("%s: %d cells are to be seen, want %d", what, n, len(a.Speeds))
				}
			}
			if got := chromium.Measured[int](w, "document.documentElement.scrollWidth"); int64(got) > width {
				t.Errorf("%s: the page is %d wide", what, got)
			}
			if least := chromium.Measured[float64](w, smallest); least < 9 {
				t.Errorf("%s: the smallest letters are %.1f pixels", what, least)
			}
			if out := chromium.Measured[string](w, outsidePictures); out != "" {
				t.Errorf("%s: letters outside their picture: %s", what, out)
			}
			if out := chromium.Measured[string](w, onOneAnother); out != "" {
				t.Errorf("%s: names lie on one another: %s", what, out)
			}
		}
	}
	w.Quiet("the atlas")
}
