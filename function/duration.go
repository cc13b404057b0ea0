package function

import (
	"fmt"
	"time"
)

// Duration is a time among a function's parameters, written as in 250ms.
type Duration time.Duration

// UnmarshalText reads a number with its unit.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no time: write it as in 250ms or 1.5s", text)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the time with its unit.
func (d Duration) String() string { return time.Duration(d).String() }

// Std is the time as Go has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }
