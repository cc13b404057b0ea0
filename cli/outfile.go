package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/report"
)

// standard names standard output where a file is asked for.
const standard = "-"

// outputs says where and how a report is given.
type outputs struct {
	format    string // of standard output
	html, csv string // files; - is standard output, in the place of the table
	explicit  bool   // the format was asked for
	known     func(format string) error
}

func outputFlags(c *cobra.Command) *outputs {
	o := &outputs{known: checkOutput}
	c.Flags().StringVarP(&o.format, "output", "o", table, "output format: table or json")
	c.Flags().StringVar(&o.html, "html", "", "also write the report as one HTML `file`; - is standard output, instead of the table")
	c.Flags().StringVar(&o.csv, "csv", "", "also write the figures as a CSV `file`; - is standard output, instead of the table")
	return o
}

// check refuses what could not be written in the end, before anything begins.
func (o *outputs) check(c *cobra.Command) error {
	if err := o.known(o.format); err != nil {
		return err
	}
	o.explicit = c.Flags().Changed("output")
	var standards []string
	for _, f := range []struct{ flag, file string }{{"--html", o.html}, {"--csv", o.csv}} {
		if f.file == standard {
			standards = append(standards, f.flag+" -")
		}
	}
	if o.explicit && len(standards) > 0 {
		standards = append(standards, "-o "+o.format)
	}
	if len(standards) > 1 {
		return inputf("%s and %s both want standard output: give one a file", standards[0], standards[1])
	}
	if o.html != "" && o.html != standard && o.html == o.csv {
		return inputf("--html and --csv name the same file %s", o.html)
	}
	for _, f := range []struct{ flag, file string }{{"--html", o.html}, {"--csv", o.csv}} {
		if f.file == "" || f.file == standard {
			continue
		}
		if err := writable(f.file); err != nil {
			return inputf("%s: %w", f.flag, err)
		}
	}
	return nil
}

// toStandard reports whether a file flag took the place of the table.
func (o *outputs) toStandard() bool { return o.html == standard || o.csv == standard }

// files writes what was asked for beside the table.
func (o *outputs) files(c *cobra.Command, r *report.Report) error {
	var errs []error
	for _, f := range []struct {
		file  string
		write func(io.Writer) error
	}{{o.html, r.HTML}, {o.csv, r.CSV}} {
		errs = append(errs, give(c, f.file, f.write))
	}
	return errors.Join(errs...)
}

// give writes to the file of that name or to standard output; nothing without
// a name.
func give(c *cobra.Command, file string, write func(io.Writer) error) error {
	switch file {
	case "":
		return nil
	case standard:
		return write(c.OutOrStdout())
	}
	return replace(file, write)
}

// print gives the report everywhere that it was asked for.
func (o *outputs) print(c *cobra.Command, r *report.Report) error {
	if o.toStandard() {
		return o.files(c, r)
	}
	return errors.Join(printReport(c, r, o.format), o.files(c, r))
}

// target is the file that name means, through symbolic links, and its mode;
// a file that is not there yet has the mode 0.
func target(name string) (string, fs.FileMode, error) {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name, 0, nil
	case err != nil:
		return "", 0, err
	case info.IsDir():
		return "", 0, fmt.Errorf("%s is a directory: name a file", name)
	}
	return name, info.Mode(), nil
}

// special is a device or a pipe: it is written to, never replaced.
func special(mode fs.FileMode) bool { return mode != 0 && !mode.IsRegular() }

// writable reports whether the file could be replaced now.
func writable(name string) error {
	file, mode, err := target(name)
	if err != nil || special(mode) {
		return err
	}
	f, err := beside(file)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// beside makes a new file in the same folder.
func beside(file string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(filepath.Dir(file), ".tare-"+rand.Text()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		// The error would name a file that nobody knows.
		return nil, fmt.Errorf("write %s: %w", file, errors.Unwrap(err))
	}
	return f, nil
}

// replace writes a file as a whole or not at all.
func replace(name string, write func(io.Writer) error) error {
	file, mode, err := target(name)
	if err != nil {
		return err
	}
	if special(mode) {
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := beside(file)
	if err != nil {
		return err
	}
	err = write(f)
	if mode != 0 {
		err = errors.Join(err, f.Chmod(mode.Perm()))
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(f.Name()))
	}
	return nil
}
