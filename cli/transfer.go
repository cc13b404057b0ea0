package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/store"
)

func newExport(s State) *cobra.Command {
	var data *string
	c := &cobra.Command{
		Use:   "export ID|last FILE",
		Short: "Write a kept result, raw samples and all, to one file",
		Long: `Write a kept result to one file that tare import takes in elsewhere: record,
raw samples, note and tags, each with its SHA-256. - is standard output. The
format is docs/formats/transfer.md.`,
		Example: `  tare export last result.tare
  tare export last - | ssh there tare import -`,
		Args: exactly(2, "an id, the beginning of one, or last, and a file"),
		RunE: func(c *cobra.Command, args []string) error {
			st, err := openStore(c.Context(), s, *data)
			if err != nil {
				return err
			}
			defer st.Close()
			id, err := resolve(c.Context(), st, args[0])
			if err != nil {
				return err
			}
			write := func(w io.Writer) error {
				return st.Export(c.Context(), id, func(h store.Head, rows iter.Seq2[store.Row, error]) error {
					out := bufio.NewWriterSize(w, 1<<20)
					return errors.Join(store.WriteExport(out, h, rows), out.Flush())
				})
			}
			if args[1] == standard {
				return write(c.OutOrStdout())
			}
			if err := writable(args[1]); err != nil {
				return input(err)
			}
			return replace(args[1], write)
		},
		ValidArgsFunction: first(results(s, anyState)),
	}
	data = dataFlag(c)
	return c
}

func newImport(s State) *cobra.Command {
	var data *string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Take in a result that tare export wrote",
		Long: `Take in a result that tare export wrote: all of it, every checksum in order, or
nothing. A result that is kept already, with the same record and blocks, is left
as it is; one of the same id with others is refused. - is standard input.`,
		Example: "  tare import result.tare",
		Args:    exactly(1, "a file"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := dataDir(s, *data)
			if err != nil {
				return err
			}
			in := c.InOrStdin()
			if args[0] != standard {
				f, err := os.Open(args[0])
				if err != nil {
					return input(err)
				}
				defer f.Close()
				in = f
			}
			h, rows, err := store.ReadExport(bufio.NewReaderSize(in, 1<<20))
			if err != nil {
				return input(err)
			}
			return holding(c.Context(), dir, "none, it imports "+h.ID, "none", func(st store.Store) error { return takeIn(c, st, h, rows) })
		},
		ValidArgsFunction: first(files("tare")),
	}
	data = dataFlag(c)
	return c
}

// takeIn imports and says what came of it. What is wrong with the file is the
// user's input.
func takeIn(c *cobra.Command, st store.Store, h store.Head, rows iter.Seq2[store.Row, error]) error {
	var given error
	added, err := st.Import(c.Context(), h, func(yield func(store.Row, error) bool) {
		for r, err := range rows {
			if given = err; !yield(r, err) || err != nil {
				return
			}
		}
	})
	switch {
	case given != nil:
		return input(err)
	case err != nil:
		return asInput(err)
	case added:
		fmt.Fprintf(c.OutOrStdout(), "imported %s\n", h.ID)
	default:
		fmt.Fprintf(c.OutOrStdout(), "%s is kept already, the same\n", h.ID)
	}
	return nil
}
