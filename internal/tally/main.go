// Command tally runs the project's tests and counts them.
//
// It starts "go test -json" once per group of the table below, prints a line
// for each package and everything that a failed test printed, and ends with
// one line of its own, "N passed, N failed". An argument names another set of
// groups. It fails when a test failed, when
// go test failed for another reason, when nothing ran at all and, with
// CI=true, when a test or a group was skipped. "make test" and "make test-mesh"
// call it; it is no part of tare.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// group is one run of go test.
type group struct {
	name  string
	args  []string
	needs []need // without which the group cannot run; none: only Go
	hint  string // how to get it
}

// need is a program.
type need struct {
	program string
	version string // how its answer to --version begins; empty: any
}

// sets are the groups by the argument that asks for them; empty: none.
var sets = map[string][]group{
	"":     groups,
	"mesh": {{name: "mesh", args: []string{"-tags", "mesh", "-timeout=15m", "./mesh/..."}}},
}

// groups are run in this order. The race detector needs a C compiler and is
// slow, so it runs over what shares memory between goroutines on a hot path; it
// sees nothing inside a module, whose tests are left out.
// Modules come out the same only with the toolchain of package crate. Pages are
// used in a real Chromium.
var groups = []group{
	{name: "all", args: []string{"./..."}},
	{
		name:  "race",
		args:  []string{"-race", "-skip", "^(Test|Fuzz)Wasm", "./internal/balance/...", "./internal/process/...", "./function/...", "./dataplane/embedded/..."},
		needs: []need{{program: "gcc"}}, hint: "apt-get install gcc libc6-dev",
	},
	{
		name:  "wasm",
		args:  []string{"-tags", "rebuild", "-run", "^TestRebuilt", "./function/..."},
		needs: []need{{"/usr/bin/rustc", "rustc 1.63.0"}, {"/usr/bin/cargo", "cargo 1.65.0"}, {"wasm-opt", "wasm-opt version 108"}},
		hint:  "Debian 12: apt-get install rustc cargo libstd-rust-dev-wasm32 lld binaryen",
	},
	{
		name:  "browser",
		args:  []string{"-tags", "browser", "-run", "^TestBrowser", "./atlas", "./cli", "./loadreport", "./report"},
		needs: []need{{program: "chromium"}}, hint: "apt-get install chromium fonts-dejavu-core",
	},
}

func main() {
	name := strings.Join(os.Args[1:], " ")
	groups, ok := sets[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "tally: no groups %q\n", name)
		os.Exit(2)
	}
	os.Exit(run(groups, os.Stdout, os.Stderr, os.Getenv("CI") == "true"))
}

// run runs every group and returns the exit code.
func run(groups []group, out, errs io.Writer, strict bool) int {
	began := time.Now()
	var total count
	for _, g := range groups {
		if lacks := g.lacks(); lacks != "" {
			fmt.Fprintf(out, "skipped: group %s: there is no %s (%s)\n", g.name, lacks, g.hint)
			total.skipped++
			continue
		}
		c, err := g.run(out, errs)
		if err != nil {
			fmt.Fprintf(errs, "tests of group %s: %v\n", g.name, err)
		}
		total = total.plus(c)
	}
	fmt.Fprintf(out, "%s, %d skipped\n", time.Since(began).Round(time.Second), total.skipped)
	if strict && total.skipped > 0 {
		fmt.Fprintln(out, "CI=true: what is skipped has failed")
		total.failed += total.skipped
	}
	if total.passed == 0 && total.failed == 0 {
		fmt.Fprintln(out, "no test ran")
		total.failed = 1
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", total.passed, total.failed)
	if total.failed > 0 {
		return 1
	}
	return 0
}

// lacks names the first program that is not there, empty if all are.
func (g group) lacks() string {
	for _, n := range g.needs {
		if _, err := exec.LookPath(n.program); err != nil {
			return n.program
		}
		if n.version == "" {
			continue
		}
		said, err := exec.Command(n.program, "--version").Output()
		if err != nil || !strings.HasPrefix(string(said), n.version) {
			return fmt.Sprintf("%s that is %q", n.program, n.version)
		}
	}
	return ""
}

// run runs one group. Whatever made go test fail counts as at least one failure.
func (g group) run(out, errs io.Writer) (count, error) {
	args := append([]string{"test", "-json", "-vet=off", "-timeout=25m"}, g.args...)
	cmd := exec.Command("go", args...)
	cmd.Stderr = errs
	events, err := cmd.StdoutPipe()
	if err != nil {
		return count{failed: 1}, err
	}
	if err := cmd.Start(); err != nil {
		return count{failed: 1}, err
	}
	c, readErr := tally(events, out, g.name)
	err = cmd.Wait()
	if readErr != nil {
		err = readErr
	}
	if err != nil && c.failed == 0 {
		c.failed = 1
	}
	return c, err
}
