package ratelimit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is an allowance: Tokens are the capacity of a bucket and what it gains,
// continuously, in every Per. As text it is "10/min"; the units are s, min
// and h.
type Rate struct {
	Tokens int64
	Per    time.Duration
}

var units = []struct {
	name string
	per  time.Duration
}{{"s", time.Second}, {"min", time.Minute}, {"h", time.Hour}}

// UnmarshalText reads "N/s", "N/min" or "N/h", N from 1 to 1000000000.
func (r *Rate) UnmarshalText(text []byte) error {
	number, unit, found := strings.Cut(string(text), "/")
	if !found {
		return fmt.Errorf("rate %q: has no unit: write N/s, N/min or N/h", text)
	}
	per, err := unitNamed(unit)
	if err != nil {
		return fmt.Errorf("rate %q: %w", text, err)
	}
	if strings.Trim(number, "0123456789") != "" || number == "" {
		return fmt.Errorf("rate %q: %q is no whole number", text, number)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 1 || n > maxTokens {
		return fmt.Errorf("rate %q: the number must be from 1 to %d", text, int64(maxTokens))
	}
	parsed := Rate{Tokens: n, Per: per}
	if _, err := parsed.limit(); err != nil {
		return fmt.Errorf("rate %q: %w", text, err)
	}
	*r = parsed
	return nil
}

func unitNamed(name string) (time.Duration, error) {
	for _, u := range units {
		if u.name == name {
			return u.per, nil
		}
	}
	return 0, fmt.Errorf("no unit %q: there are s, min and h", name)
}

// MarshalText writes what UnmarshalText reads.
func (r Rate) MarshalText() ([]byte, error) {
	for _, u := range units {
		if u.per == r.Per {
			return fmt.Appendf(nil, "%d/%s", r.Tokens, u.name), nil
		}
	}
	return nil, fmt.Errorf("rate of %d per %v: no such unit: there are s, min and h", r.Tokens, r.Per)
}

func (r Rate) String() string {
	if text, err := r.MarshalText(); err == nil {
		return string(text)
	}
	return fmt.Sprintf("%d/%v", r.Tokens, r.Per)
}

func (r Rate) limit() (limit, error) { return newLimit(r.Tokens, r.Tokens, r.Per) }

const (
	maxTokens = 1_000_000_000
	// horizon is how long an instance counts without overflow.
	horizon = 30 * 24 * time.Hour
)

// limit is an allowance in the units in which nothing is rounded: time runs
// gain units a nanosecond, a token is worth token units.
type limit struct {
	tokens int64 // capacity, tokens
	gain   int64 // units gained per nanosecond
	token  int64 // units of one token
	full   int64 // units of a full bucket: tokens·token
}

// newLimit returns the limit of a bucket that holds capacity tokens and gains
// fill tokens in every interval.
func newLimit(capacity, fill int64, interval time.Duration) (limit, error) {
	if capacity < 0 || fill < 1 || interval < 1 {
		return limit{}, fmt.Errorf("no bucket holds %d and gains %d tokens in %v", capacity, fill, interval)
	}
	d := gcd(fill, int64(interval))
	l := limit{tokens: capacity, gain: fill / d, token: int64(interval) / d}
	// Times and levels are added and subtracted, so each has but a part of the
	// range of numbers.
	const span, room = math.MaxInt64 / 2, math.MaxInt64 / 4
	if l.gain > span/int64(horizon) {
		return limit{}, fmt.Errorf("%d tokens in %v cannot be counted without rounding for %v: "+
			"the fraction, reduced, is %d tokens in %v, and at most %d tokens are possible",
			fill, interval, horizon, l.gain, time.Duration(l.token), span/int64(horizon))
	}
	if capacity > room/l.token {
		return limit{}, fmt.Errorf("a capacity of %d tokens at %d in %v cannot be counted without rounding: at most %d",
			capacity, fill, interval, room/l.token)
	}
	l.full = capacity * l.token
	return l, nil
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
