package report

import (
	"fmt"
	"strings"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/measure"
)

// What a result was made with: the host, and every part by version and digest.

// PartLine is one part of what a result was made with, in words.
type PartLine struct{ Name, Words string }

// MadeWith lists the parts: tare with what is built into it, the data planes
// and the testbed's program, the modules.
func (r *Report) MadeWith() []PartLine {
	inside := []string{}
	modules := []PartLine{}
	for _, c := range r.Components {
		if c.SHA256 == "" {
			inside = append(inside, c.Role+" "+c.Name)
		} else {
			modules = append(modules, PartLine{c.Role + " " + c.Name, "SHA-256 " + c.SHA256})
		}
	}
	words := withDigest(r.Program.Version, r.Program.SHA256)
	if len(inside) > 0 {
		words += ", with " + strings.Join(inside, ", ")
	}
	out := []PartLine{{"tare", words}}
	for _, p := range r.Planes {
		words := p.Version
		if p.Path == "" {
			words += ", a part of tare"
		} else {
			words += ", " + p.Path
		}
		out = append(out, PartLine{p.Plane, withDigest(words, p.SHA256)})
	}
	return append(out, modules...)
}

func withDigest(words, digest string) string {
	if digest == "" {
		return words
	}
	return words + ", SHA-256 " + digest
}

// HostFacts lists what is known of the host.
func (r *Report) HostFacts() []measure.Fact { return r.Environment.Facts() }

func (t *printer) madeWith(r *Report) {
	t.line("Host: %s", r.Environment)
	for _, p := range r.MadeWith() {
		t.line("%s: %s", p.Name, shortDigest(p.Words))
	}
}

// shortDigest cuts a digest to what a person compares.
func shortDigest(words string) string {
	const mark, short = "SHA-256 ", 12
	i := strings.Index(words, mark)
	if i < 0 {
		return words
	}
	head, digest := words[:i+len(mark)], words[i+len(mark):]
	digest, rest, more := strings.Cut(digest, ",")
	if more {
		rest = "," + rest
	}
	return head + digest[:min(short, len(digest))] + rest
}

// counting says how instructions were counted; empty of a result of before
// they were.
func counting(c experiment.Counting, treatments []Treatment) string {
	switch {
	case c.Not != "":
		return c.Not
	case !anyInstructions(treatments):
		return ""
	case c.UserOnly:
		return "of user mode alone: the kernel does not let its own be counted"
	}
	return "of user and kernel mode"
}

func anyInstructions(treatments []Treatment) bool {
	for _, t := range treatments {
		for _, u := range t.Parts {
			if u.Instructions != nil {
				return true
			}
		}
	}
	return false
}

// InstructionRows are the instructions per request of each treatment's
// processes, a head first; nil where none were counted.
func (r *Report) InstructionRows() [][]string {
	if !anyInstructions(r.Treatments) {
		return nil
	}
	rows := [][]string{{"INSTRUCTIONS per request", ">proxy", ">service", ">both"}}
	for _, t := range r.Treatments {
		cells, sum, whole := map[string]string{"proxy": "–", "service": "–"}, 0.0, true
		for _, u := range t.Parts {
			if u.Instructions == nil {
				whole = false
				continue
			}
			cells[u.Role] = fmt.Sprintf("%.0f", *u.Instructions)
			sum += *u.Instructions
		}
		both := "–"
		if whole && len(t.Parts) > 0 {
			both = fmt.Sprintf("%.0f", sum)
		}
		rows = append(rows, []string{t.Name, cells["proxy"], cells["service"], both})
	}
	return rows
}

// InstructionLines are the same for a page.
func (p *page) InstructionLines() [][]Labelled {
	rows := p.InstructionRows()
	if rows == nil {
		return nil
	}
	rows[0][0] = "treatment"
	return labelled(rows)
}

func (t *printer) instructions(r *Report) {
	if rows := r.InstructionRows(); rows != nil {
		t.table(rows)
	}
	if r.Counting != "" {
		t.line("Instructions: %s", r.Counting)
	}
}
