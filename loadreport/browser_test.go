//go:build browser

package loadreport_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/taremesh/tare/internal/chromium"
)

// A real browser shows the page without a bar to scroll sideways, with letters
// large enough to read and within their pictures, in the layout of its width,
// and complains of nothing.
func TestBrowserLoadPage(t *testing.T) {
	w := chromium.Open(t, 360, 740)
	for name, m := range map[string]*made{"steady": steady(), "troubled": troubled()} {
		var b bytes.Buffer
		if err := m.report(t, "p99<5ms,errors<1%,p99.9<1s").HTML(&b); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "load.html")
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{360, 800, 1200} {
			w.Show(width, file)
			what := fmt.Sprintf("%s at %d", name, width)
			if got := chromium.Measured[int](w, "document.documentElement.scrollWidth"); int64(got) > width {
				t.Errorf("%s is %d pixels wide", what, got)
			}
			if least := chromium.Measured[float64](w, chromium.SmallestLetter); least < 9 {
				t.Errorf("%s: the smallest letters are %.1f pixels", what, least)
			}
			if out := chromium.Measured[string](w, chromium.Outside); out != "" {
				t.Errorf("%s: letters outside their picture: %s", what, out)
			}
			if shown := chromium.Measured[bool](w, `[...document.querySelectorAll('#heat svg')].filter(s => s.clientWidth > 0).length === 1 && getComputedStyle(document.querySelector('svg .heat')).fillOpacity > 0`); !shown {
				t.Errorf("%s: not one heat map is to be seen, or the page's style was refused", what)
			}
		}
	}
	w.Quiet("the pages")
}
