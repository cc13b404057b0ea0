package deadline

import (
	"math"
	"strconv"
	"time"
)

// units are those of grpc-timeout.
var units = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// mostDigits is how many digits a value may have.
const mostDigits = 8

// Parse reads a time as grpc-timeout has it; false if it is none.
func Parse(text string) (time.Duration, bool) {
	if len(text) < 2 || len(text) > mostDigits+1 {
		return 0, false
	}
	unit, ok := units[text[len(text)-1]]
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if !ok || err != nil || text[0] == '+' {
		return 0, false
	}
	if n > uint64(math.MaxInt64/unit) {
		return math.MaxInt64, true
	}
	return time.Duration(n) * unit, true
}

// Format writes a time as grpc-timeout has it, in the smallest unit that has
// room for it, rounded down; what is less than nothing is nothing.
func Format(d time.Duration) string {
	d = max(d, 0)
	for _, unit := range []byte("numSMH") {
		if n := int64(d / units[unit]); n < 100_000_000 {
			return strconv.FormatInt(n, 10) + string(unit)
		}
	}
	return "99999999H"
}
