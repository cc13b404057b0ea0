package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

// progress shows a run on standard error: a line that is written anew on a
// terminal, a line per finished block elsewhere.
type progress struct {
	w     io.Writer
	study *study.Study
	width int // of the terminal; 0: none
	last  string
}

func newProgress(w io.Writer, s *study.Study) *progress {
	p := &progress{w: w, study: s}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			p.width = width
		}
	}
	return p
}

func (p *progress) event(e experiment.Event) {
	if e.Finished == nil {
		if p.width > 0 {
			p.rewrite(fmt.Sprintf("%s · block %d of %d · %s", clock(e), e.Block+1, e.Blocks, e.Phase))
		}
		return
	}
	line := fmt.Sprintf("%s · %d of %d blocks%s", clock(e), e.Done, e.Blocks, p.figures(e))
	if e.Finished.Void != "" {
		p.note(fmt.Sprintf("block %d is void and is repeated: %s", e.Block+1, e.Finished.Void))
	}
	if p.width > 0 {
		p.last = p.figures(e)
		p.rewrite(line)
		return
	}
	fmt.Fprintln(p.w, line)
}

func clock(e experiment.Event) string {
	return fmt.Sprintf("%s, %s left", seconds(e.Elapsed), seconds(e.Left))
}

func seconds(d time.Duration) string {
	d = d.Round(time.Second)
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// figures are the medians after the first block, the intervals after that.
func (p *progress) figures(e experiment.Event) string {
	if e.Analysis == nil || len(e.Analysis.Treatments) == 0 {
		return ""
	}
	var parts []string
	for _, c := range e.Analysis.Comparisons {
		if c.Primary && c.Endpoint == experiment.P50 {
			t := p.study.Treatments[c.Treatment]
			name := t.Name
			if against := p.study.Treatments[c.Baseline].Name; against != t.Baseline && p.study.Cells() == nil {
				name += " − " + against
			}
			parts = append(parts, fmt.Sprintf("%s %+.1f ± %.1f µs", name, c.Difference.Estimate, c.Difference.Half()))
		}
	}
	parts = append(parts, kneeFigures(e.Analysis)...)
	if len(parts) == 0 {
		for _, t := range e.Analysis.Treatments {
			if v, ok := t.Values[experiment.P50]; ok {
				parts = append(parts, fmt.Sprintf("%s %.0f µs", t.Name, v))
			}
		}
	}
	return " · " + strings.Join(parts, ", ")
}

// rewrite replaces the terminal's line, cut to its width.
func (p *progress) rewrite(line string) {
	if !strings.Contains(line, "µs") {
		line += p.last
	}
	for utf8.RuneCountInString(line) >= p.width && line != "" {
		_, size := utf8.DecodeLastRuneInString(line)
		line = line[:len(line)-size]
	}
	fmt.Fprint(p.w, "\r\x1b[K"+line)
}

// note writes a line that stays.
func (p *progress) note(line string) {
	p.end()
	fmt.Fprintln(p.w, line)
}

// end leaves the terminal's line free.
func (p *progress) end() {
	if p.width > 0 {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
