package cli

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes, documented in docs/CLI.md.
const (
	exitDone        = 0
	exitGate        = 1   // a gate failed
	exitInput       = 2   // wrong input
	exitApparatus   = 3   // the apparatus failed
	exitUndecided   = 4   // undecided, where a gate asked
	exitInterrupted = 130 // by a signal; what was finished is kept
)

// codedError carries the exit code that an error ends the process with.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// input marks an error as one of the user's input.
func input(err error) error {
	if err == nil {
		return nil
	}
	return &codedError{exitInput, err}
}

func inputf(format string, args ...any) error { return input(fmt.Errorf(format, args...)) }

func exitCode(err error) int {
	var coded *codedError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitApparatus
}
