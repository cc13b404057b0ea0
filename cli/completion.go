package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/store"
)

// shells are those that completion can be written for.
var shells = []struct {
	name  string
	write func(*cobra.Command) error
}{
	{"bash", func(c *cobra.Command) error { return c.Root().GenBashCompletionV2(c.OutOrStdout(), true) }},
	{"zsh", func(c *cobra.Command) error { return c.Root().GenZshCompletion(c.OutOrStdout()) }},
	{"fish", func(c *cobra.Command) error { return c.Root().GenFishCompletion(c.OutOrStdout(), true) }},
	{"powershell", func(c *cobra.Command) error { return c.Root().GenPowerShellCompletionWithDesc(c.OutOrStdout()) }},
}

func newCompletion(State) *cobra.Command {
	var names []string
	for _, sh := range shells {
		names = append(names, sh.name)
	}
	return &cobra.Command{
		Use:   "completion " + strings.Join(names, "|"),
		Short: "Print the script that lets a shell complete this command",
		Long: `Print the script that lets a shell complete commands, flags, ids of results,
study files, data planes and output formats. For bash the package
bash-completion is to be there.`,
		Example: `  source <(tare completion bash)                               # this shell
  tare completion zsh > "${fpath[1]}/_tare"                    # every zsh from now on
  tare completion fish > ~/.config/fish/completions/tare.fish`,
		Args:      exactly(1, "a shell: "+strings.Join(names, ", ")),
		ValidArgs: names,
		RunE: func(c *cobra.Command, args []string) error {
			for _, sh := range shells {
				if sh.name == args[0] {
					return sh.write(c)
				}
			}
			return inputf("no completion for the shell %q (known: %s)", args[0], strings.Join(names, ", "))
		},
	}
}

// completer gives what can stand in a place of the command line. Nothing is an
// answer, also where looking fails: a shell has no place for an error.
type completer = func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// complete gives every command and flag of the tree its completions: one table
// for all of them, by name.
func complete(root *cobra.Command, s State) {
	studies := files("yaml", "yml")
	byArgument := map[string]completer{
		"run": first(studies), "plan": first(studies), "knee": first(studies),
		"report": first(results(s, anyState)), "advice": first(results(s, anyState)), "show": first(results(s, anyState)),
	}
	byFlag := map[string]completer{
		"output": fixed(table, asJSON), "html": files("html"), "csv": files("csv"), "data": directories,
		"dataplane": planes(s), "resume": results(s, unfinished), "from": results(s, anyState),
	}
	byPath := map[string]completer{"tare proxy": proxies} // whose --dataplane is another
	walk(root, func(c *cobra.Command) {
		if c.ValidArgsFunction == nil && c.ValidArgs == nil && c != root {
			c.ValidArgsFunction = nothing
			if f := byArgument[c.Name()]; f != nil && c.Parent() == root {
				c.ValidArgsFunction = f
			}
		}
		for name, f := range byFlag {
			if own := byPath[c.CommandPath()]; own != nil && name == "dataplane" {
				f = own
			}
			if c.Flags().Lookup(name) != nil {
				_ = c.RegisterFlagCompletionFunc(name, f) // an error says that the command brought its own
			}
		}
	})
}

func walk(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		walk(sub, do)
	}
}

func nothing(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func directories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func fixed(words ...string) completer {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

func files(endings ...string) completer {
	return cobra.FixedCompletions(endings, cobra.ShellCompDirectiveFilterFileExt)
}

// first completes the first argument and no other.
func first(f completer) completer {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nothing(c, args, typed)
		}
		return f(c, args, typed)
	}
}

func anyState(experiment.State) bool { return true }

func unfinished(s experiment.State) bool { return s != experiment.Done }

// suggest completes words of what is kept in the data directory: offer gives each
// word with what is said of it.
func suggest[T any](s State, order cobra.ShellCompDirective, list func(context.Context, State, string) ([]T, error), offer func(all []T, add func(word, about string))) completer {
	return func(c *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		data, err := c.Flags().GetString("data")
		if err != nil {
			data = ""
		}
		all, err := list(c.Context(), s, data)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var words []string
		offer(all, func(word, about string) {
			switch {
			case !strings.HasPrefix(word, typed):
			case about == "":
				words = append(words, word)
			default:
				words = append(words, cobra.CompletionWithDesc(word, about))
			}
		})
		return words, cobra.ShellCompDirectiveNoFileComp | order
	}
}

// results completes the ids of kept results, newest first, with their studies.
func results(s State, wanted func(experiment.State) bool) completer {
	return suggest(s, cobra.ShellCompDirectiveKeepOrder, listed, func(entries []store.Entry, add func(word, about string)) {
		for i, e := range entries {
			if !wanted(e.State) {
				continue
			}
			if i == 0 {
				add("last", "the newest: "+e.Study)
			}
			add(e.ID, e.Study+", "+string(e.State))
		}
	})
}

// planes completes the last name of a list of data planes; none is named twice.
func planes(s State) completer {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		k, err := builtIn(s)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		before, given := "", []string(nil)
		if comma := strings.LastIndexByte(typed, ','); comma >= 0 {
			before = typed[:comma+1]
			given = strings.Split(typed[:comma], ",")
		}
		var lists []string
		for _, name := range k.DataPlanes {
			if !slices.Contains(given, name) {
				lists = append(lists, before+name)
			}
		}
		return lists, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// proxies completes the planes whose proxies tare itself runs.
func proxies(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	set, err := catalog.Proxies()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return set.Names(), cobra.ShellCompDirectiveNoFileComp
}
