package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/store"
)

// dataDir finds where results are kept: the flag, TARE_DATA, or the user's own
// data directory.
func dataDir(s State, flag string) (string, error) {
	for _, dir := range []string{flag, s.Getenv("TARE_DATA")} {
		if dir != "" {
			return dir, nil
		}
	}
	if dir := s.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "tare"), nil
	}
	if home := s.Getenv("HOME"); home != "" {
		return filepath.Join(home, ".local", "share", "tare"), nil
	}
	return "", inputf("no place to keep results: give --data DIR, or set TARE_DATA or HOME")
}

func dataFlag(c *cobra.Command) *string {
	return c.Flags().String("data", "", "directory of the results (default $TARE_DATA, else the user's data directory)")
}

// Output formats.
const (
	table  = "table"
	asJSON = "json"
)

func outputFlag(c *cobra.Command) *string {
	return c.Flags().StringP("output", "o", table, "output format: table or json")
}

func checkOutput(format string) error {
	if format != table && format != asJSON {
		return inputf("unknown output format %q (known: table, json)", format)
	}
	return nil
}

// holding holds the data directory, for so long as do works on its results. id
// and study are what another command is told that holds it.
func holding(ctx context.Context, dir, id, study string, do func(store.Store) error) error {
	lock, err := store.Acquire(dir, id, study)
	if err != nil {
		return err
	}
	defer lock.Release()
	st, err := catalog.OpenStore(ctx, dir)
	if err != nil {
		return err
	}
	defer st.Close()
	return do(st)
}

// openStore opens the results for reading.
func openStore(ctx context.Context, s State, flag string) (store.Store, error) {
	dir, err := dataDir(s, flag)
	if err != nil {
		return nil, err
	}
	st, err := catalog.ReadStore(ctx, dir)
	if errors.Is(err, store.ErrNothing) {
		return nil, input(err)
	}
	return st, err
}

func printJSON(c *cobra.Command, v any) error {
	e := json.NewEncoder(c.OutOrStdout())
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
