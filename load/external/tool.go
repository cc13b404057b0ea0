package external

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
)

// tool is a program of others and the ways to use it.
type tool struct {
	name    string
	program string // on PATH
	remedy  string // the command that installs it
	// version is the argument that makes it tell its version; empty: none does.
	// A program that Go built from a module has it in its file, which goes first.
	version string
	// untried says how much is known of a tool that no test runs: it is published
	// as source only. Empty: loadtest holds it.
	untried string
	ways    []way
}

// way is a setting and what it makes of an order.
type way struct {
	load.Setting
	plan func(load.Order) plan
}

// plan is what one run starts, one step after the other.
type plan struct {
	steps []step
	files []string // in memory, by their first content; every step has them all
	read  func(words) (load.Account, error)
}

type step struct {
	args  []string
	input string
}

// words are what a run left behind.
type words struct {
	out   []string // of each step, its standard output
	files []io.Reader
}

// inherited is the name by which a step opens the i-th file of its plan.
func inherited(i int) string { return "/dev/fd/" + strconv.Itoa(3+i) }

// Limits: of what a tool may print, and of the time that it may take beyond
// what it was asked for.
const (
	maxOutput = 128 << 20
	grace     = 30 * time.Second
)

// adapter makes a tool what package load knows.
func (t tool) adapter(l *process.Launcher) load.Adapter {
	a := load.Adapter{Name: t.name}
	for _, w := range t.ways {
		if t.untried != "" {
			w.Doc += "; " + t.untried
		}
		a.Settings = append(a.Settings, w.Setting)
	}
	a.Find = func(ctx context.Context) (load.Program, error) { return t.find(ctx, l) }
	a.Run = func(ctx context.Context, p load.Program, setting string, o load.Order) (load.Account, error) {
		account, err := t.run(ctx, l, p, setting, o)
		if err != nil {
			return load.Account{}, fmt.Errorf("run %s: %w", t.name, err)
		}
		if t.untried != "" {
			account.Notes = append(account.Notes, t.untried)
		}
		return account, nil
	}
	return a
}

func (t tool) find(ctx context.Context, l *process.Launcher) (load.Program, error) {
	path, err := exec.LookPath(t.program)
	if err != nil {
		err := fmt.Errorf("no %s on PATH for the generator %s: %s", t.program, t.name, t.remedy)
		if t.untried != "" {
			err = fmt.Errorf("%w (%s)", err, t.untried)
		}
		return load.Program{}, err
	}
	digest, err := process.Digest(path)
	if err != nil {
		return load.Program{}, err
	}
	version, err := t.versionOf(ctx, l, path)
	return load.Program{Path: path, Version: version, Digest: digest}, err
}

var numbers = regexp.MustCompile(`[0-9]+\.[0-9][0-9A-Za-z.+-]*`)

func (t tool) versionOf(ctx context.Context, l *process.Launcher, path string) (string, error) {
	if info, err := buildinfo.ReadFile(path); err == nil && strings.HasPrefix(info.Main.Version, "v") {
		return strings.TrimPrefix(info.Main.Version, "v"), nil
	}
	if t.version == "" {
		return "", nil
	}
	p, err := l.Start(process.Command{Name: t.name, Exe: path, Args: []string{t.version}, Input: []byte{}})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	defer context.AfterFunc(ctx, func() { p.Stop(0) })()
	said, err := io.ReadAll(io.LimitReader(p.Stdout, 1<<16))
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", t.name, err)
	}
	// The status says nothing: some end with 1 after telling it.
	if _, err := p.Finish(ctx); err != nil && ctx.Err() != nil {
		return "", fmt.Errorf("ask %s for its version: %w", t.name, err)
	}
	return numbers.FindString(string(said)), nil
}

func (t tool) run(ctx context.Context, l *process.Launcher, p load.Program, setting string, o load.Order) (load.Account, error) {
	if err := o.Check(); err != nil {
		return load.Account{}, err
	}
	for _, w := range t.ways {
		if w.Name == setting {
			return w.plan(o).carryOut(ctx, l, t.name, p, o.Duration)
		}
	}
	return load.Account{}, fmt.Errorf("it has no setting %q", setting)
}

// carryOut runs the steps and reads what they said.
func (p plan) carryOut(ctx context.Context, l *process.Launcher, name string, program load.Program, d time.Duration) (load.Account, error) {
	files, err := memory(name, p.files)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return load.Account{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, d+grace)
	defer cancel()
	var said words
	var cpu time.Duration
	var commands [][]string
	began := time.Now()
	for _, s := range p.steps {
		out, used, err := s.carryOut(ctx, l, name, program.Path, files)
		if err != nil {
			return load.Account{}, err
		}
		said.out, cpu = append(said.out, out), cpu+used
		commands = append(commands, append([]string{program.Path}, s.args...))
	}
	wall := time.Since(began)
	for _, f := range files {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return load.Account{}, fmt.Errorf("read what it wrote: %w", err)
		}
		said.files = append(said.files, f)
	}
	a, err := p.read(said)
	if err != nil {
		return load.Account{}, fmt.Errorf("read what it says: %w", err)
	}
	if a.Requests != nil && *a.Requests == 0 && (a.Errors == nil || *a.Errors == 0) {
		return load.Account{}, errors.New("it says that it made no request")
	}
	a.CPU, a.Wall, a.Commands = cpu, wall, commands
	return a, nil
}

func memory(name string, contents []string) ([]*os.File, error) {
	var files []*os.File
	for _, c := range contents {
		f, err := process.MemoryFile(name, []byte(c))
		if err != nil {
			return files, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (s step) carryOut(ctx context.Context, l *process.Launcher, name, path string, files []*os.File) (string, time.Duration, error) {
	child, err := l.Start(process.Command{Name: name, Exe: path, Args: s.args, Input: []byte(s.input), Files: files})
	if err != nil {
		return "", 0, err
	}
	// One that is told to go ends its output, and the read with it.
	defer context.AfterFunc(ctx, func() { child.Stop(0) })()
	out, err := io.ReadAll(io.LimitReader(child.Stdout, maxOutput+1))
	if err == nil && len(out) > maxOutput {
		err = fmt.Errorf("it printed more than %d bytes", maxOutput)
	}
	if err != nil {
		child.Stop(0)
		return "", 0, fmt.Errorf("read what %s prints: %w", name, err)
	}
	used, err := child.Finish(ctx)
	if err != nil && ctx.Err() != nil { // it was killed for that
		err = fmt.Errorf("wait for %s: %w", name, ctx.Err())
	}
	return string(out), used, err
}
