package comparison

import (
	"io"
	"strings"
)

// signs stand beside the words, for those who skim a list of checks.
var signs = map[Outcome]string{Pass: "✅", Fail: "❌", Unsure: "❔"}

// Markdown writes the gate as a summary for a page of CI.
func (g *Gate) Markdown(w io.Writer) error {
	p := &printer{w: w}
	p.line("### %s %s\n", signs[g.Outcome], escaped(g.title()))
	p.table([]string{"", "treatment", "against", "by", "difference", "interval", "margin", "verdict"})
	for _, c := range g.Cases {
		cells := caseCells(c)
		cells[0] = signs[c.Outcome] + " " + cells[0]
		p.row(cells)
	}
	for _, reason := range g.reasons() {
		p.line("\n- %s", escaped(reason))
	}
	p.markdownNotes(g.Differs, g.Warnings)
	return p.err
}

// Markdown writes the answer as tables.
func (a *Answer) Markdown(w io.Writer) error {
	p := &printer{w: w}
	p.line("### %s", escaped(a.title()))
	for _, k := range []Kind{Apart, Own} {
		heading, rows := a.tableOf(k)
		if len(rows) == 0 {
			continue
		}
		p.line("\n%s\n", escaped(heading))
		heads := make([]string, len(rowHeads))
		for i, h := range rowHeads {
			heads[i] = strings.ToLower(h)
		}
		p.table(heads)
		for _, r := range rows {
			p.row(r)
		}
	}
	for _, why := range a.reasons() {
		p.line("\n- %s", escaped(why))
	}
	p.markdownNotes(a.Differs, a.Warnings)
	return p.err
}

func (p *printer) table(heads []string) {
	p.row(heads)
	p.line("|%s", strings.Repeat("---|", len(heads)))
}

func (p *printer) row(cells []string) {
	out := make([]string, len(cells))
	for i, c := range cells {
		out[i] = escaped(c)
	}
	p.line("| %s |", strings.Join(out, " | "))
}

func (p *printer) markdownNotes(ds []Difference, warnings []string) {
	for _, w := range warnings {
		p.line("\n> %s", escaped(w))
	}
	if len(ds) == 0 {
		return
	}
	p.line("\n<details><summary>What differs between the two</summary>\n")
	p.table([]string{"what", "old", "new", "comparable"})
	for _, d := range ds {
		p.row([]string{d.What, d.Old, d.New, yesNo(!d.Breaks)})
	}
	p.line("\n</details>")
}

// markup is what a cell of a table, or a line, must not hold as it is: names and
// notes come from files.
var markup = strings.NewReplacer("\n", " ", "|", `\|`, "<", "&lt;", ">", "&gt;", "`", "'", "[", `\[`, "]", `\]`, "*", `\*`, "_", `\_`)

func escaped(text string) string { return markup.Replace(legible(text)) }
