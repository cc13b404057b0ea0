package cli_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/taremesh/tare/cli"
)

// full is a standard output that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// A result that could not be written is a failure of every command.
func TestOutputThatCannotBeWritten(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"list"}, {"list", "-o", "json"}, {"plan", "../examples/planted.yaml"}, {"plan", "../examples/planted.yaml", "-o", "json"}} {
		var errOut strings.Builder
		dir := t.TempDir()
		code := cli.Main(cli.State{Args: args, Getenv: func(string) string { return dir }, In: strings.NewReader(""), Out: full{}, Err: &errOut})
		if code != 3 || strings.Count(errOut.String(), "no space left") != 1 {
			t.Errorf("tare %s: exit %d, %s", strings.Join(args, " "), code, errOut.String())
		}
	}
}
