package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/store"
)

func newPrune(s State) *cobra.Command {
	var data, output *string
	keep, older, dry, force := 0, "", false, false
	c := &cobra.Command{
		Use:   "prune [ID…]",
		Short: "Remove kept results: those beyond a number or an age, or by id",
		Long: `Remove kept results for good: of each study those beyond the newest --keep,
those older than --older, or, with both, those that are both. What a kept
baseline names or the tag "keep" holds stays; only by id and with --force does
it go too. --dry-run says what would go. No run may be under way in the data
directory.`,
		Example: `  tare prune --keep 20 --dry-run
  tare prune --older 30d
  tare prune 20300102-a4`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			r, err := retention(c, keep, older)
			if err != nil {
				return err
			}
			asked := c.Flags().Changed("keep") || older != ""
			switch {
			case asked == (len(args) > 0):
				return inputf("say what goes: --keep N, --older 30d, or ids, and not both; see %s --help", c.CommandPath())
			case force && len(args) == 0:
				return inputf("--force is for results that are named by their id")
			}
			p := pruning{command: c, state: s, data: *data, ids: args, retention: r, output: *output, dry: dry}
			if force {
				p.holds = store.ForceHolds
			}
			return p.run()
		},
		ValidArgsFunction: results(s, anyState),
	}
	data, output = dataFlag(c), outputFlag(c)
	c.Flags().IntVar(&keep, "keep", 0, "newest results of each study that stay")
	c.Flags().StringVar(&older, "older", "", "age beyond which results go, such as 30d or 36h")
	c.Flags().BoolVar(&dry, "dry-run", false, "say what would go, and remove nothing")
	c.Flags().BoolVar(&force, "force", false, "also remove, by id, what a kept baseline or the tag keep holds")
	return c
}

func retention(c *cobra.Command, keep int, older string) (store.Retention, error) {
	r := store.Retention{Keep: keep}
	if c.Flags().Changed("keep") && keep < 1 {
		return r, inputf("--keep %d: want at least 1", keep)
	}
	if older == "" {
		return r, nil
	}
	age, err := parseAge(older)
	if err != nil {
		return r, inputf("--older %s: %w", older, err)
	}
	r.Older = age
	return r, nil
}

var daysRule = regexp.MustCompile(`^([0-9]{1,5})d$`)

// parseAge reads 30d, or what time.ParseDuration reads.
func parseAge(text string) (time.Duration, error) {
	if m := daysRule.FindStringSubmatch(text); m != nil {
		days, err := strconv.Atoi(m[1])
		if err == nil && days > 0 {
			return time.Duration(days) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errors.New("want an age such as 30d or 36h, above 0")
	}
	return d, nil
}

// pruning is one call of prune.
type pruning struct {
	command   *cobra.Command
	state     State
	data      string
	ids       []string // none: by retention
	retention store.Retention
	holds     store.Holds
	output    string
	dry       bool
}

// pruned is what prune says of a result.
type pruned struct {
	store.Parting
	Removed bool `json:"removed"`
}

func (p pruning) run() error {
	ctx := p.command.Context()
	if _, err := listed(ctx, p.state, p.data); err != nil {
		return err
	}
	if p.dry {
		st, err := openStore(ctx, p.state, p.data)
		if err != nil {
			return err
		}
		defer st.Close()
		return p.over(st)
	}
	dir, err := dataDir(p.state, p.data)
	if err != nil {
		return err
	}
	there, err := openStore(ctx, p.state, p.data) // nothing is made where nothing is kept
	if err != nil {
		return err
	}
	if err := there.Close(); err != nil {
		return err
	}
	return holding(ctx, dir, "none, it prunes", "none", p.over)
}

// over removes what goes and says what it did, also when it had to stop.
func (p pruning) over(st store.Store) error {
	ctx := p.command.Context()
	list, err := p.partings(st)
	if err != nil {
		return err
	}
	done := []pruned{}
	removed := 0
	for _, one := range list {
		if one.Held != "" && p.holds == store.HeedHolds {
			done = append(done, pruned{one, false})
			continue
		}
		if !p.dry {
			if err = st.Remove(ctx, one.ID, p.holds); err != nil {
				break
			}
			removed++
		}
		done = append(done, pruned{one, !p.dry})
	}
	if removed > 0 && err == nil {
		err = st.Compact(ctx)
	}
	return errors.Join(p.say(done), asInput(err))
}

// partings are the results that are asked for. One that is held and named by
// its id is an error, so that nobody believes it gone.
func (p pruning) partings(st store.Store) ([]store.Parting, error) {
	ctx := p.command.Context()
	entries, err := st.List(ctx)
	if err != nil {
		return nil, err
	}
	if len(p.ids) == 0 {
		return p.retention.Partings(entries, time.Now()), nil
	}
	var list []store.Parting
	for _, name := range p.ids {
		id, err := resolve(ctx, st, name)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.ID == id {
				list = append(list, store.Parting{Entry: e, Held: e.Holds()})
			}
		}
		if held := list[len(list)-1].Held; held != "" && p.holds == store.HeedHolds {
			return nil, inputf("prune %s: %w by %s; take that away first, or give --force", id, store.ErrHeld, held)
		}
	}
	return list, nil
}

func (p pruning) say(done []pruned) error {
	if p.output == asJSON {
		return printJSON(p.command, done)
	}
	w := tabwriter.NewWriter(p.command.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, one := range done {
		what := "removed"
		switch {
		case p.dry && (one.Held == "" || p.holds == store.ForceHolds):
			what = "would go"
		case !one.Removed:
			what = "stays: " + one.Held
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", one.ID, one.Study, one.Started.Format(time.DateTime), one.State, what)
	}
	if len(done) == 0 {
		fmt.Fprintln(w, "nothing goes")
	}
	return w.Flush()
}
