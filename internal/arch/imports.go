package arch

import (
	"path"
	"strings"
)

// product lists the files that the arrows bind: all but tests.
func (t *Tree) product() []*File {
	var all []*File
	for _, f := range t.files() {
		if !f.Test {
			all = append(all, f)
		}
	}
	return all
}

func layering(t *Tree) []Finding {
	var found []Finding
	for _, folder := range t.folders() {
		if _, ok := layerOf(folder); !ok {
			found = append(found, Finding{Path: folder, Text: "stands in no layer: give it a line in internal/arch/table.go"})
		}
	}
	for _, f := range t.product() {
		from, ok := layerOf(f.Folder)
		if !ok {
			continue
		}
		for _, i := range t.imports(f) {
			target, ours := t.inside(i.Path)
			if !ours || sideways[f.Folder] == target {
				continue
			}
			to, ok := layerOf(target)
			switch {
			case !ok:
				found = append(found, Finding{f.Path, i.Line, "imports " + target + ", which stands in no layer"})
			case to >= from:
				found = append(found, Finding{f.Path, i.Line, "imports " + target + " (layer " + layers[to].name + ") from layer " + layers[from].name})
			}
		}
	}
	return found
}

func implementing(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.product() {
		for _, i := range t.imports(f) {
			target, ours := t.inside(i.Path)
			if !ours || sideways[f.Folder] == target {
				continue
			}
			if only := soleImporter(target); only != "" && only != f.Folder {
				found = append(found, Finding{f.Path, i.Line, "imports " + target + ": only " + only + " does"})
			}
		}
	}
	return found
}

// soleImporter is what alone may import a folder: one package, or tests; empty:
// whatever stands above it.
func soleImporter(folder string) string {
	l, ok := layerOf(folder)
	if !ok {
		return ""
	}
	switch layers[l].name {
	case implementations:
		return onlyImporter
	case parts:
		return path.Dir(folder)
	case conformance:
		return "a test"
	}
	return ""
}

// outside reports whether an import is of another module. The standard library
// has no dot in its first element; "C" is outside, as it needs more than Go.
func (t *Tree) outside(importPath string) bool {
	if _, ours := t.inside(importPath); ours {
		return false
	}
	first, _, _ := strings.Cut(importPath, "/")
	return importPath == "C" || strings.Contains(first, ".")
}

// of reports whether an import path belongs to a module or a major version of it.
func of(importPath, module string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// homeOf finds the most exact line of an import; false when it has none.
func homeOf(importPath string) (home, bool) {
	var best home
	for _, h := range homes {
		if of(importPath, h.module) && len(h.module) > len(best.module) {
			best = h
		}
	}
	return best, best.module != ""
}

// holds reports whether a file is in one of a dependency's places.
func (h home) holds(f *File) bool {
	return matchAny(h.places, f.Path) || matchAny(h.places, f.Folder)
}

func homing(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.files() {
		for _, i := range t.imports(f) {
			if !t.outside(i.Path) {
				continue
			}
			h, known := homeOf(i.Path)
			switch {
			case !known:
				found = append(found, Finding{f.Path, i.Line, "imports " + i.Path + ", which has no home in internal/arch/table.go"})
			case !f.Test && !h.holds(f):
				found = append(found, Finding{f.Path, i.Line, "imports " + i.Path + ", whose home is " + strings.Join(h.places, ", ")})
			}
		}
	}
	return found
}

func purity(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.product() {
		allowed, is := pure[f.Folder]
		if !is {
			continue
		}
		for _, i := range t.imports(f) {
			_, ours := t.inside(i.Path)
			if ours || t.outside(i.Path) && !ofAny(i.Path, allowed) {
				found = append(found, Finding{f.Path, i.Line, "imports " + i.Path + ": " + f.Folder + " takes only the standard library and " + strings.Join(allowed, ", ")})
			}
		}
	}
	return found
}

func ofAny(importPath string, modules []string) bool {
	for _, m := range modules {
		if of(importPath, m) {
			return true
		}
	}
	return false
}

func blankImports(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.files() {
		for _, i := range t.imports(f) {
			if i.Name != "_" || i.Path == "embed" || generated(f) {
				continue
			}
			if h, ok := homeOf(i.Path); ok && ofAny(i.Path, drivers) && (f.Test || h.holds(f)) {
				continue
			}
			found = append(found, Finding{f.Path, i.Line, "imports " + i.Path + " for its effect alone"})
		}
	}
	return found
}

// localName is the name under which a file knows an import; empty when it does not import it.
func (t *Tree) localName(f *File, importPath string) string {
	for _, i := range t.imports(f) {
		if i.Path != importPath {
			continue
		}
		if i.Name != "" {
			return i.Name
		}
		return path.Base(importPath)
	}
	return ""
}
