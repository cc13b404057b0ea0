package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/study"
)

// studySchema is what tare schema can print.
const studySchema = "study"

func newSchema(s State) *cobra.Command {
	return &cobra.Command{
		Use:   "schema study",
		Short: "Print the JSON Schema of study files, for editors and checkers",
		Long: `Print the JSON Schema (2020-12) of study files with the names of what is built
in. An editor that knows it completes fields and words and marks what is wrong.
It does not replace tare plan: what one field says of another only that checks.`,
		Example: `  tare schema study > study.schema.json
  # and as the first line of a study, for editors with a YAML language server:
  # yaml-language-server: $schema=study.schema.json`,
		Args:      exactly(1, "what to describe: "+studySchema),
		ValidArgs: []string{studySchema},
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] != studySchema {
				return inputf("there is no schema of %q (known: %s)", args[0], studySchema)
			}
			k, err := builtIn(s)
			if err != nil {
				return err
			}
			text, err := study.Schema(k)
			if err != nil {
				return err
			}
			if _, err := c.OutOrStdout().Write(text); err != nil {
				return fmt.Errorf("write the schema: %w", err)
			}
			return nil
		},
	}
}

// builtIn are the names that a study can use.
func builtIn(s State) (study.Known, error) {
	b, err := catalog.NewBench(s.Exe)
	if err != nil {
		return study.Known{}, err
	}
	defer b.Close()
	return study.Known{
		Workloads:  b.Workloads.Names(),
		Functions:  b.Functions.Names(),
		DataPlanes: b.DataPlanes.Names(),
		Testbeds:   b.Testbeds.Names(),
		Generators: b.Generators.Names(),
	}, nil
}
