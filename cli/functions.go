package cli

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// sourcesText is what the source says of the functions' parameters; the test
// FunctionPages makes it.
//
//go:embed sources.json
var sourcesText []byte

func newFunctions(s State) *cobra.Command {
	var output *string
	c := &cobra.Command{
		Use:   "functions [NAME]",
		Short: "List the functions there are, in which forms and where; or describe one",
		Long: `List the functions that can be weighed: the forms of each, the data planes that
run one of them, and the sites. With a name, that function's page: its
parameters, its forms with the reason for each that is not there, its trials.`,
		Example: `  tare functions
  tare functions ratelimit
  tare functions -o json`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return inputf("%s takes one name or none; see %s --help", c.CommandPath(), c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			l, err := listFunctions(s)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return l.one(c, args[0], *output == asJSON)
			}
			if *output == asJSON {
				return printJSON(c, l.entries)
			}
			return l.print(c.OutOrStdout())
		},
		ValidArgsFunction: first(functionNames),
	}
	output = outputFlag(c)
	return c
}

func functionNames(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	fs, err := catalog.Functions()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return fs.Names(), cobra.ShellCompDirectiveNoFileComp
}

// functionList is the functions there are and where they run.
type functionList struct {
	functions []function.Function
	entries   []atlas.Entry
	planes    []string
}

func listFunctions(s State) (*functionList, error) {
	b, err := catalog.NewBench(s.Exe)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	l := &functionList{functions: b.Functions.All(), planes: b.DataPlanes.Names()}
	l.entries = atlas.Catalogue(l.functions, b.Placements.All(), l.planes)
	return l, nil
}

// describedFunction is one function as JSON.
type describedFunction struct {
	atlas.Entry
	Parameters []atlas.Parameter `json:"parameters"`
	Example    json.RawMessage   `json:"example,omitempty"`
	Trials     []string          `json:"trials"`
}

func (l *functionList) one(c *cobra.Command, name string, asJSON bool) error {
	var sources atlas.Sources
	if err := json.Unmarshal(sourcesText, &sources); err != nil {
		return fmt.Errorf("read what the source says of parameters: %w", err)
	}
	var names []string
	for i, f := range l.functions {
		if f.Name != name {
			names = append(names, f.Name)
			continue
		}
		if asJSON {
			return printFunction(c, f, l.entries[i], sources)
		}
		page, err := atlas.Page(f, l.entries[i], l.planes, sources)
		if err != nil {
			return err
		}
		_, err = c.OutOrStdout().Write(page)
		return err
	}
	return inputf("unknown function %q (known: %s)", name, strings.Join(names, ", "))
}

func printFunction(c *cobra.Command, f function.Function, e atlas.Entry, sources atlas.Sources) error {
	d := describedFunction{Entry: e, Parameters: []atlas.Parameter{}, Trials: []string{}}
	if ps, err := atlas.Parameters(f, sources); err == nil { // else it has no example, and the page says so
		d.Parameters = append(d.Parameters, ps...)
	}
	if f.Example != "" {
		d.Example = json.RawMessage(f.Example)
	}
	for _, t := range f.Trials {
		d.Trials = append(d.Trials, t.Name)
	}
	return printJSON(c, d)
}

func (l *functionList) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FUNCTION\tFORMS\tPLANES\tSITES")
	for _, e := range l.entries {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.Name, list(e.Forms), dash(strings.Join(e.Planes, " ")), list(e.Sites))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "tare functions NAME describes one")
	return err
}

func list[T study.Form | study.Site](all []T) string {
	var b strings.Builder
	for i, one := range all {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(one))
	}
	return dash(b.String())
}

// dash stands for nothing.
func dash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}
