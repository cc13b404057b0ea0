package load

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseSize reads a distribution of bytes.
//
//	1000
//	uniform 100..2KiB
//	exponential 4KiB up to 64KiB
//	lognormal 1KiB 1.5
//	list 100 x 5, 1KiB x 3, 64KiB
//
// A lognormal one has its median and the sigma of its logarithm, a list its
// values and how often each comes, relative to the others. Sizes are in bytes,
// KiB or MiB. What is drawn beyond "up to" is that.
func ParseSize(text string) (Distribution, error) {
	d, err := parseDistribution(text, parseBytes)
	if err == nil {
		err = d.Check(MaxBody)
	}
	if err != nil {
		return Distribution{}, fmt.Errorf("read the size %q: %w", text, err)
	}
	return d, nil
}

// ParseThink reads a distribution of pauses; it is written as that of a size,
// with times (10ms) for bytes.
func ParseThink(text string) (Distribution, error) {
	d, err := parseDistribution(text, parseTime)
	if err == nil {
		err = d.Check(float64(maxThink))
	}
	if err != nil {
		return Distribution{}, fmt.Errorf("read the pause %q: %w", text, err)
	}
	return d, nil
}

// measure reads a number with its unit.
type measure func(text string) (float64, error)

var byteUnits = []struct {
	name  string
	bytes float64
}{{"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

func parseBytes(text string) (float64, error) {
	text = strings.TrimSpace(text)
	for _, u := range byteUnits {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 40)
			if err != nil {
				break
			}
			return float64(n) * u.bytes, nil
		}
	}
	return 0, fmt.Errorf("%q is not a size, as 1000, 16KiB or 1MiB", text)
}

func parseTime(text string) (float64, error) {
	text = strings.TrimSpace(text)
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a time, as 10ms or 1.5s", text)
	}
	return float64(d), nil
}

func parseDistribution(text string, read measure) (Distribution, error) {
	text, most, bounded := strings.Cut(strings.TrimSpace(text), " up to")
	d, err := parseShape(text, read)
	if err != nil || !bounded {
		return d, err
	}
	if d.Most, err = read(most); err == nil && d.Most == 0 {
		return Distribution{}, fmt.Errorf("up to 0 leaves nothing to draw")
	}
	return d, err
}

func parseShape(text string, read measure) (d Distribution, err error) {
	shape, rest, _ := strings.Cut(text, " ")
	if shape != "" && (shape[0] >= '0' && shape[0] <= '9' || shape[0] == '-') {
		shape, rest = string(Fixed), text
	}
	switch d.Shape = Shape(shape); d.Shape {
	case Fixed, Exponential:
		d.Mean, err = read(rest)
	case Evenly:
		low, high, found := strings.Cut(rest, "..")
		if !found {
			return d, fmt.Errorf("%q is not from..to", rest)
		}
		if d.Low, err = read(low); err == nil {
			d.High, err = read(high)
		}
	case LogNormal:
		median, sigma, found := strings.Cut(strings.TrimSpace(rest), " ")
		if !found {
			return d, fmt.Errorf("%q is not a median and sigma", rest)
		}
		if d.Median, err = read(median); err != nil {
			return d, err
		}
		if d.Sigma, err = strconv.ParseFloat(strings.TrimSpace(sigma), 64); err != nil {
			return d, fmt.Errorf("%q is not a number: the sigma of a logarithm, as 1.5", sigma)
		}
	case Listed:
		return d, d.parseList(rest, read)
	default:
		return d, fmt.Errorf("the distribution %q is unknown (known: %s, %s, %s, %s, %s)", shape, Fixed, Evenly, Exponential, LogNormal, Listed)
	}
	return d, err
}

func (d *Distribution) parseList(text string, read measure) error {
	for _, entry := range strings.Split(text, ",") {
		value, times, weighted := strings.Cut(entry, " x ")
		x, err := read(value)
		if err != nil {
			return err
		}
		weight := 1.0
		if weighted {
			if weight, err = strconv.ParseFloat(strings.TrimSpace(times), 64); err != nil {
				return fmt.Errorf("%q is not a weight", strings.TrimSpace(times))
			}
		}
		d.Values, d.Weights = append(d.Values, x), append(d.Weights, weight)
	}
	return nil
}
