// Command tare weighs the traffic-control functions of a service mesh, one at
// a time.
package main

import (
	"os"

	"github.com/taremesh/tare/cli"
)

func main() {
	os.Exit(cli.Main(cli.State{Args: os.Args[1:], Getenv: os.Getenv, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
