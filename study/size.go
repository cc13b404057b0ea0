package study

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes. In text it needs its unit: "64B", "1KiB", "2MiB".
type Size int

// MaxSize is the largest size a parameter can have.
const MaxSize Size = 16 << 20

var sizeUnits = []struct {
	suffix string
	bytes  Size
}{{"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// UnmarshalText reads "1KiB".
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(string(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || number[0] == '+' || Size(n) > MaxSize/u.bytes {
			return fmt.Errorf("size %q is not a whole number from 0B to %s", text, MaxSize)
		}
		*s = Size(n) * u.bytes
		return nil
	}
	return fmt.Errorf("size %q has no unit; write it as 64B, 1KiB or 2MiB", text)
}

// MarshalText writes the size with the largest unit that keeps it whole.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.bytes == 0 {
			return strconv.Itoa(int(s/u.bytes)) + u.suffix
		}
	}
	return "0B"
}
