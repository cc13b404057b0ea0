// Package cli is the command: one file per subcommand.
//
// Main takes the process as a value, so that tests run the whole command with
// arguments and buffers of their own. Results go to standard output, progress
// and errors to standard error. Exit codes are in exit.go and docs/CLI.md.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// State is the process that a command runs in.
type State struct {
	Args     []string // without the program's name
	Getenv   func(string) string
	In       io.Reader
	Out, Err io.Writer
	// Exe is the program that children run; empty: this one.
	Exe string
}

// Main runs the command and returns the exit code.
func Main(s State) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends at once
	out := &checkedWriter{w: s.Out}
	s.Out = out
	root := newRoot(s)
	root.SetArgs(s.Args)
	err := root.ExecuteContext(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("write the result: %w", out.err)
	}
	if err != nil {
		fmt.Fprintln(s.Err, "tare:", err)
	}
	return exitCode(err)
}

// checkedWriter keeps the first error of writing, so that a result that nobody
// got is not reported as done.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

func newRoot(s State) *cobra.Command {
	root := &cobra.Command{
		Use:   "tare",
		Short: "Weigh the traffic-control functions of a service mesh, one at a time",
		Long: `Tare weighs what a traffic-control function (rate limiting, a token check, …)
adds to a request: in latency, CPU and memory, in every form and place it can
run in. All treatments stand at once and every request draws its treatment at
random, so what disturbs the machine falls on all of them alike.`,
		Example: `  tare run examples/imagehub.yaml            # weigh, and keep the result
  tare run examples/imagehub.yaml --quick    # a first look in half a minute
  tare plan examples/imagehub.yaml           # what a run would do
  tare show last -o json                     # the newest result`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			var names []string
			for _, sub := range c.Commands() {
				if !sub.Hidden {
					names = append(names, sub.Name())
				}
			}
			return inputf("unknown command %q (known: %s)", args[0], strings.Join(names, ", "))
		},
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return inputf("%w; see %s --help", err, c.CommandPath())
	})
	root.CompletionOptions.DisableDefaultCmd = true // ours is completion.go
	for _, add := range commands() {
		root.AddCommand(add(s))
	}
	complete(root, s)
	return root
}

// commands lists the subcommands in the order of the help.
func commands() []func(State) *cobra.Command {
	return []func(State) *cobra.Command{
		newRun, newPlan, newKnee, newReport, newAdvice, newList, newShow, newCompare, newGate, newBaseline, newHistory, newNote, newTag, newPrune, newExport, newImport, newAA, newLoad, newWorker, newSMP, newMeshMark, newPush, newDoctor, newFunctions, newAtlas, newSchema, newImageHub, newProxy, newCompletion, newVersion, newServe, newGenerate,
	}
}

// exactly is cobra.ExactArgs with an error of ours.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return inputf("%s takes %s; see %s --help", c.CommandPath(), what, c.CommandPath())
		}
		return nil
	}
}
