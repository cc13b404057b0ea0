package arch

import "slices"

// Rule is one law of the house.
type Rule struct {
	Name  string
	Doc   string
	Check func(*Tree) []Finding
}

// Rules lists every rule in force.
func Rules() []Rule {
	return []Rule{
		{"parse", "every Go file parses", func(t *Tree) []Finding { return t.Broken }},
		{"layer", "every package stands in the table and imports only strictly lower layers", layering},
		{"implementation", "only the catalogue imports implementations, and only an implementation its own parts, only tests a conformance suite", implementing},
		{"home", "every dependency is imported only where it lives", homing},
		{"pure", "a pure package imports the standard library and its own few modules", purity},
		{"blank", "no blank import but of a driver in its home, and of embed", blankImports},
		{"init", "no func init", initFunctions},
		{"name", "a package is named like its folder, not like the standard library, and says something", packageNames},
		{"doc", "every package has one package comment, which begins with its name", packageDocs},
		{"size", "no file is longer than 500 lines, and the program's main no longer than 30", sizes},
		{"sleep", "no test sleeps", sleeping},
		{"skip", "no test is skipped", skipping},
		{"foreign", "no file names a package registry or a path of the machine it was written on", foreignStrings},
		{"rationale", "docs/RATIONALE.md lists every dependency with its version", rationale},
		{"map", "docs/ARCHITECTURE.md names every package", mapped},
		{"evidence", "docs/EVIDENCE.md names tests that exist, and no figure where nothing is shown", evidence},
		{"make", "the Makefile has at most twelve targets, each with its line of help", makeTargets},
	}
}

// layerOf finds a folder's layer, by its own line first, then by a pattern.
func layerOf(folder string) (index int, ok bool) {
	for i, l := range layers {
		if slices.Contains(l.packages, folder) {
			return i, true
		}
	}
	for i, l := range layers {
		if matchAny(l.packages, folder) {
			return i, true
		}
	}
	return 0, false
}
