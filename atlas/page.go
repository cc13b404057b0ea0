package atlas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Page describes one function, as Markdown.
func Page(f function.Function, e Entry, planes []string, s Sources) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s.\n\n", f.Name, sentence(f.Doc))
	ps, err := Parameters(f, s)
	switch spec, none := example(f); {
	case none != nil:
		b.WriteString("## Parameters\n\nIt works only with parameters, and has no example of them.\n\n")
	case err != nil:
		return nil, err
	default:
		if doc := about(s.of(typeOf(spec)).Doc); doc != "" {
			b.WriteString(doc + "\n\n")
		}
		writeParameters(&b, ps)
	}
	if err := writeExample(&b, f); err != nil {
		return nil, err
	}
	writePlaces(&b, e, planes)
	writeTrials(&b, f)
	return b.Bytes(), nil
}

// sentence begins with a capital and has no full stop at its end.
func sentence(text string) string {
	first, n := utf8.DecodeRuneInString(text)
	if n == 0 {
		return ""
	}
	return strings.TrimSuffix(string(unicode.ToUpper(first))+text[n:], ".")
}

// about is a package's comment without its first paragraph, which says again
// what the function's own line does.
func about(doc string) string {
	_, rest, _ := strings.Cut(strings.TrimSpace(doc), "\n\n")
	return strings.TrimSpace(rest)
}

func writeParameters(b *bytes.Buffer, ps []Parameter) {
	b.WriteString("## Parameters\n\n")
	if len(ps) == 0 {
		b.WriteString("None.\n\n")
		return
	}
	b.WriteString("| parameter | type | default | |\n|---|---|---|---|\n")
	for _, p := range ps {
		given := ""
		switch {
		case p.Needed:
			given = "needed"
		case p.Default != "":
			given = "`" + cell(p.Default) + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.Name, p.Type, given, cell(p.Doc))
	}
	b.WriteByte('\n')
}

// cell makes text fit into a cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

func writeExample(b *bytes.Buffer, f function.Function) error {
	if f.Example == "" || f.Example == "{}" {
		fmt.Fprintf(b, "In a study:\n\n```yaml\nfunction: {name: %s}\n```\n\n", f.Name)
		return nil
	}
	var text bytes.Buffer
	if err := json.Indent(&text, []byte(f.Example), "    ", "  "); err != nil {
		return fmt.Errorf("write the example of %s: %w", f.Name, err)
	}
	fmt.Fprintf(b, "In a study:\n\n```yaml\nfunction:\n  name: %s\n  params:\n    %s\n```\n\n", f.Name, text.String())
	return nil
}

func writePlaces(b *bytes.Buffer, e Entry, planes []string) {
	b.WriteString("## Forms\n\n| form |")
	for _, plane := range planes {
		fmt.Fprintf(b, " %s |", plane)
	}
	b.WriteString(" sites |\n|---|" + strings.Repeat("---|", len(planes)) + "---|\n")
	for _, p := range e.Places {
		fmt.Fprintf(b, "| `%s` |", p.Form)
		for _, plane := range planes {
			fmt.Fprintf(b, " %s |", cell(p.On(plane)))
		}
		fmt.Fprintf(b, " %s |\n", sites(p.Sites))
	}
	b.WriteByte('\n')
}

func sites(all []study.Site) string {
	var names []string
	for _, s := range all {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func writeTrials(b *bytes.Buffer, f function.Function) {
	if len(f.Trials) == 0 {
		return
	}
	b.WriteString("## Trials\n\nEach form is held to the function's model in each of these, wherever it runs, and each mutant is found:\n\n")
	for _, t := range f.Trials {
		requests := 0
		for _, r := range t.Requests {
			requests += max(r.Times, 1) * max(r.AtOnce, 1)
		}
		fmt.Fprintf(b, "- %s (%s, %s)\n", t.Name, count(requests, "request"), count(len(t.Mutants), "mutant"))
	}
	fmt.Fprintf(b, "\n`go test ./functiontest -run 'Trials/%s' -v` runs them.\n", f.Name)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Table is every function in every form on every plane, as Markdown.
func Table(all []Entry, planes []string) []byte {
	var b bytes.Buffer
	b.WriteString(`# Functions

Every function there is, and where each of its forms runs. This page and those of the functions are made by
` + "`go test ./cli -run FunctionPages -update`" + ` from the catalogue; the same test holds them to it. A form that *passes* is held to the
function's model by ` + "`functiontest.TestTrials`" + `, on that plane, with mutants that must be found.

| function | what it does |`)
	for _, form := range study.Forms() {
		fmt.Fprintf(&b, " %s |", form)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(study.Forms())) + "\n")
	for _, e := range all {
		fmt.Fprintf(&b, "| [%s](%s.md) | %s |", e.Name, e.Name, cell(e.Doc))
		for _, p := range e.Places {
			fmt.Fprintf(&b, " %s |", mark(p, planes))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n✓: on every data plane; a name: on that plane alone; –: not at all. The reasons:\n\n| function | form |")
	for _, plane := range planes {
		fmt.Fprintf(&b, " %s |", plane)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(planes)) + "\n")
	for _, e := range all {
		for _, p := range e.Places {
			fmt.Fprintf(&b, "| %s | %s |", e.Name, p.Form)
			for _, plane := range planes {
				fmt.Fprintf(&b, " %s |", cell(p.On(plane)))
			}
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func mark(p Place, planes []string) string {
	switch {
	case len(p.Sites) == 0:
		return "–"
	case p.Form == study.FormLibrary || len(p.Planes) == len(planes):
		return "✓"
	}
	return strings.Join(p.Planes, ", ")
}
