package atlas

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/taremesh/tare/report"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// page is an atlas with its pictures.
type page struct {
	*Atlas
	Style     template.CSS
	StyleHash string
	Cards     []card
	Columns   []column
	Table     []tableRow
	Itself    []*report.Interval
	Screening bool
}

// HTML writes the atlas as one file that needs nothing else: no script, no
// font, no picture from elsewhere.
func (a *Atlas) HTML(w io.Writer) error {
	sum := sha256.Sum256([]byte(pageStyle))
	p := &page{Atlas: a, Style: template.CSS(pageStyle), StyleHash: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]), Columns: columns(a.Powers), Itself: a.itself()}
	p.Screening = slices.ContainsFunc(a.Speeds, func(s Speed) bool { return s.Screening })
	var err error
	if p.Cards, err = a.cards(); err != nil {
		return err
	}
	p.Table = a.table(p.Cards)
	t, err := template.New("atlas").Funcs(template.FuncMap{
		"estimate": estimate, "between": between, "where": where, "mark": func(v Verdict) string { return marks[v] },
		"vectors": Vectors, "abilities": Abilities, "joined": strings.Join,
		"mb": func(x *float64) string {
			if x == nil {
				return "–"
			}
			return fmt.Sprintf("%+.1f", *x)
		},
		"known": func(x *report.Interval) bool { return x != nil },
		"said": func(v Verdict) string {
			return map[Verdict]string{Shown: "shown", Refused: "refused", NotTried: "not tried"}[v]
		},
		"at": func(p Power, v Vector, i int) Answer { return p.Vectors[v][i] },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("read the template of the atlas: %w", err)
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("write the page of the atlas: %w", err)
	}
	return nil
}
