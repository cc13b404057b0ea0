package arch_test

import (
	"fmt"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"

	"github.com/taremesh/tare/internal/arch"
)

// TestHouse runs every rule over the working tree.
func TestHouse(t *testing.T) {
	tree, err := arch.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Packages) < 10 || len(tree.Text) < 20 {
		t.Fatalf("read %d packages and %d files: this is not the whole tree", len(tree.Packages), len(tree.Text))
	}
	for _, rule := range arch.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, f := range rule.Check(tree) {
				t.Errorf("%v\n\trule: %s", f, rule.Doc)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, root := range map[string]fs.FS{
		"no go.mod":       fstest.MapFS{"a/a.go": {Data: []byte("package a\n")}},
		"go.mod unnamed":  fstest.MapFS{"go.mod": {Data: []byte("go 1.26\n")}},
		"no such folder":  os.DirFS("testdata/none"),
		"unreadable file": fstest.MapFS{"go.mod": {Mode: fs.ModeDir}},
	} {
		t.Run(name, func(t *testing.T) {
			if tree, err := arch.Load(root); err == nil {
				t.Errorf("read a tree of module %q", tree.Module)
			}
		})
	}
}

func ExampleRule() {
	tree, err := arch.Load(fstest.MapFS{
		"go.mod":       {Data: []byte("module example.org/m\n")},
		"stat/stat.go": {Data: []byte("// Package stat estimates.\npackage stat\n\nimport _ \"example.org/m/cli\"\n")},
		"cli/cli.go":   {Data: []byte("// Package cli is the command.\npackage cli\n")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, rule := range arch.Rules() {
		if rule.Name != "layer" && rule.Name != "blank" {
			continue
		}
		for _, f := range rule.Check(tree) {
			fmt.Println(rule.Name, "·", f)
		}
	}
	// Output:
	// layer · stat/stat.go:4: imports cli (layer command) from layer words
	// blank · stat/stat.go:4: imports example.org/m/cli for its effect alone
}
