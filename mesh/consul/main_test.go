package consul_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/taremesh/tare/cli"
)

// The test binary is tare itself when this is set, which children inherit; those
// that go test -fuzz starts are told by their arguments.
const asTare = "TARE_TEST_AS_TARE"

func TestMain(m *testing.M) {
	if os.Getenv(asTare) != "" && !slices.ContainsFunc(os.Args, func(a string) bool { return strings.HasPrefix(a, "-test.") }) {
		os.Exit(cli.Main(cli.State{Args: os.Args[1:], Getenv: os.Getenv, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	if err := os.Setenv(asTare, "1"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
