// Command tally runs the project's tests and counts them.
//
// It starts "go test -json" once per group of the table below, prints a line
// for each package and everything that a failed test printed, and ends with
// one line of its own, "N passed, N failed". It fails when a test failed, when
// go test failed for another reason, when nothing ran at all and, with
// CI=true, when a test or a group was skipped. "make test" calls it; it is no
// part of tare.
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// group is one run of go test.
type group struct {
	name  string
	args  []string
	needs string // a program without which the group cannot run; empty: only Go
	hint  string // how to get it
}

// groups are run in this order. The race detector needs a C compiler and is
// slow, so it runs over what shares memory between goroutines on a hot path.
var groups = []group{
	{name: "all", args: []string{"./..."}},
	{
		name:  "race",
		args:  []string{"-race", "./internal/process/...", "./function/...", "./dataplane/embedded/..."},
		needs: "gcc", hint: "apt-get install gcc libc6-dev",
	},
}

func main() {
	os.Exit(run(os.Stdout, os.Stderr, os.Getenv("CI") == "true"))
}

// run runs every group and returns the exit code.
func run(out, errs io.Writer, strict bool) int {
	began := time.Now()
	var total count
	for _, g := range groups {
		if _, err := exec.LookPath(g.needs); g.needs != "" && err != nil {
			fmt.Fprintf(out, "skipped: group %s: there is no %s (%s)\n", g.name, g.needs, g.hint)
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

// run runs one group. Whatever made go test fail counts as at least one failure.
func (g group) run(out, errs io.Writer) (count, error) {
	args := append([]string{"test", "-json", "-vet=off", "-timeout=5m"}, g.args...)
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
