package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The command's schema offers the names of what is built in, and every example
// follows it.
func TestSchemaOfStudies(t *testing.T) {
	r := tare(t, t.TempDir(), "schema", "study")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(r.out))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("study.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("study.json")
	if err != nil {
		t.Fatal(err)
	}
	holds := func(text []byte) error {
		j, err := yaml.YAMLToJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	examples, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(examples) < 4 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	for _, file := range examples {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := holds(text); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if err := holds([]byte(tiny)); err != nil {
		t.Error(err)
	}
	if holds([]byte(strings.Replace(tiny, "{name: echo}", "{name: imagehub-web}", 1))) == nil {
		t.Error("the schema takes a workload that is none")
	}
	for _, args := range [][]string{{"schema"}, {"schema", "report"}} {
		if r := tare(t, t.TempDir(), args...); r.code != 2 || !strings.Contains(r.err, "study") {
			t.Errorf("tare %v: exit %d, %s", args, r.code, r.err)
		}
	}
}

// offered are the completions of the last of some words, and cobra's directive.
func offered(t *testing.T, dir string, words ...string) ([]string, string) {
	t.Helper()
	r := tare(t, dir, append([]string{"__complete"}, words...)...)
	if r.code != 0 {
		t.Fatalf("%v: exit %d, %s", words, r.code, r.err)
	}
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	return lines[:len(lines)-1], lines[len(lines)-1]
}

// cobra's directives, as the scripts read them.
const (
	noFiles     = ":4"
	noFilesKept = ":36" // in this order
	noSpace     = ":6"  // and no files
	byEnding    = ":8"
	folders     = ":16"
)

func TestCompletion(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		words     string // the last one is being typed
		want      string
		directive string
	}{
		{"run ", "yaml yml", byEnding},
		{"plan ", "yaml yml", byEnding},
		{"run a.yaml ", "", noFiles},
		{"run -o ", "table json", noFiles},
		{"load -o ", "table json", noFiles},
		{"load http://127.0.0.1/ ", "", noFiles}, // where a command could stand, compare is offered
		{"load --arrivals ", "poisson uniform", noFiles},
		{"list --data ", "", folders},
		{"run --dataplane ", "embedded envoy", noSpace},
		{"run --dataplane embedded,", "embedded,envoy", noSpace},
		{"plan --dataplane envoy,", "envoy,embedded", noSpace},
		{"proxy --dataplane ", "embedded", noFiles},
		{"schema ", "study", noFiles},
		{"completion ", "bash zsh fish powershell", noFiles},
		{"show ", "", noFilesKept}, // nothing is kept yet
		{"nonsense ", "", ""},
	} {
		got, directive := offered(t, dir, strings.Split(c.words, " ")...)
		if want := strings.Fields(c.want); !slices.Equal(got, want) || c.directive != "" && directive != c.directive {
			t.Errorf("%q: %q %s, want %q %s", c.words, got, directive, want, c.directive)
		}
	}
	commands, _ := offered(t, dir, "")
	for _, hidden := range []string{"serve", "generate"} {
		if slices.ContainsFunc(commands, func(c string) bool { return strings.HasPrefix(c, hidden+"\t") }) {
			t.Errorf("%s is offered", hidden)
		}
	}
}

func TestCompletionOfResults(t *testing.T) {
	dir := t.TempDir()
	if r := tare(t, dir, "run", write(t, tiny), "--quick"); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	var list []struct{ ID string }
	if err := json.Unmarshal([]byte(tare(t, dir, "list", "-o", "json").out), &list); err != nil || len(list) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	want := []string{"last\tthe newest: tiny", list[0].ID + "\ttiny, done"}
	for _, command := range []string{"show", "report"} {
		if got, directive := offered(t, dir, command, ""); !slices.Equal(got, want) || directive != noFilesKept {
			t.Errorf("%s: %q %s, want %q", command, got, directive, want)
		}
		if got, _ := offered(t, t.TempDir(), command, "--data", dir, list[0].ID[:4]); !slices.Equal(got, want[1:]) {
			t.Errorf("%s --data: %q, want %q", command, got, want[1:])
		}
		if got, _ := offered(t, dir, command, list[0].ID, ""); len(got) != 0 {
			t.Errorf("%s: a second result is offered: %q", command, got)
		}
	}
	if got, _ := offered(t, dir, "run", "--resume", ""); len(got) != 0 {
		t.Errorf("a run that is done is offered to be resumed: %q", got)
	}
}

// The scripts are those of the shells: each calls back for completions.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := tare(t, t.TempDir(), "completion", shell); r.code != 0 || !strings.Contains(r.out, "__complete") || !strings.Contains(r.out, "tare") {
			t.Errorf("%s: exit %d, %.200s %s", shell, r.code, r.out, r.err)
		}
	}
	for _, args := range [][]string{{"completion"}, {"completion", "tcsh"}} {
		if r := tare(t, t.TempDir(), args...); r.code != 2 || !strings.Contains(r.err, "bash, zsh, fish, powershell") {
			t.Errorf("tare %v: exit %d, %s", args, r.code, r.err)
		}
	}
}
