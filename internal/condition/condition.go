package condition

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// most is how many conditions can be written at once.
const most = 64

// Condition is a figure that is to stay on one side of a bound.
type Condition struct {
	Name     string  // of the figure: p99, service.max, errors
	Kind     string  // of a quantile: the time that it is of, as the Language names it
	Quantile float64 // 0.99 of p99, 1 of max; 0: the figure is no quantile
	Above    bool    // the figure is to be above the bound, else below it
	Bound    float64 // as the figure reads it; of a quantile in nanoseconds
	Text     string  // the condition, to be written again
}

// Figure is something that can be bounded and is no quantile.
type Figure struct {
	Name    string
	Example string // of a bound with its sign: "<0.1%"
	Read    func(bound string) (float64, error)
}

// Language says what can be written.
type Language struct {
	// Times are the kinds of time: of the first p99 is a quantile, of another
	// KIND.p99. Without any, p99 is one of a time that has no name.
	Times   []string
	Max     bool // max stands for the greatest of a time
	Above   bool // bounds from below can be written too
	Figures []Figure
}

// aTime is the example of a quantile's bound.
const aTime = "<5ms"

// Parse reads conditions that are joined by commas.
func (l Language) Parse(text string) ([]Condition, error) {
	if strings.TrimSpace(text) == "" {
		return nil, fmt.Errorf("there is no condition; write one such as p99%s%s", aTime, l.another())
	}
	var out []Condition
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			return nil, fmt.Errorf("there is a comma without a condition: nothing stands in place %d; leave the comma out", len(out)+1)
		}
		c, err := l.parse(part)
		switch {
		case err != nil:
			return nil, fmt.Errorf("condition %q%w", part, err)
		case slices.ContainsFunc(out, func(d Condition) bool { return d.Name == c.Name && d.Above == c.Above }):
			return nil, fmt.Errorf("condition %q: %s is bounded twice; leave one out", part, c.Name)
		case len(out) == most:
			return nil, fmt.Errorf("condition %q: there are more than %d", part, most)
		}
		out = append(out, c)
	}
	return out, nil
}

// another is the example of a condition that is about no quantile.
func (l Language) another() string {
	if len(l.Figures) == 0 {
		return ""
	}
	return " or " + l.Figures[0].Name + l.Figures[0].Example
}

// parse reads one condition. Its errors go on where the condition was quoted.
func (l Language) parse(part string) (Condition, error) {
	at := strings.IndexAny(part, "<>")
	name, bound := part, ""
	if at >= 0 {
		name, bound = strings.TrimSpace(part[:at]), strings.TrimSpace(part[at+1:])
	}
	c, of, err := l.figure(name)
	switch {
	case err != nil:
		return c, fmt.Errorf(": %w", err)
	case bound == "":
		return c, fmt.Errorf(" has no bound; write it as %s%s", c.Name, of.Example)
	case part[at] == '>' && !l.Above:
		return c, fmt.Errorf(": there are only bounds from above; write it as %s%s", c.Name, of.Example)
	case bound[0] == '=':
		return c, fmt.Errorf(": write %s (whether a figure of exactly the bound counts, no clock can tell)", l.signs())
	}
	if c.Bound, err = of.Read(bound); err != nil {
		return c, fmt.Errorf(": %w", err)
	}
	c.Above, c.Text = part[at] == '>', c.Name+part[at:at+1]+bound
	return c, nil
}

func (l Language) signs() string {
	if l.Above {
		return "< or >"
	}
	return "<"
}

// figure finds what a name means.
func (l Language) figure(name string) (Condition, Figure, error) {
	for _, f := range l.Figures {
		if f.Name == name {
			return Condition{Name: name}, f, nil
		}
	}
	c, level := Condition{}, name
	if len(l.Times) > 0 {
		c.Kind = l.Times[0]
		if kind, rest, dotted := strings.Cut(name, "."); dotted && slices.Contains(l.Times, kind) {
			c.Kind, level = kind, rest
		}
	}
	switch number, ok := strings.CutPrefix(level, "p"); {
	case level == "max" && l.Max:
		c.Name, c.Quantile = level, 1
	case !ok || number == "" || strings.Trim(number, "0123456789.") != "" || strings.Count(number, ".") > 1 || number == ".":
		return c, Figure{}, fmt.Errorf("unknown figure %q (known: %s)", name, strings.Join(l.known(), ", "))
	default:
		x, err := strconv.ParseFloat(number, 64)
		c.Quantile = math.Round(x*1e6) / 1e8 // no finer than it is written again
		if err != nil || c.Quantile < 0.01 || c.Quantile >= 1 {
			return c, Figure{}, fmt.Errorf("%s is no quantile from p1 to below p100", level)
		}
		c.Name = Quantile(c.Quantile)
	}
	if len(l.Times) > 0 && c.Kind != l.Times[0] {
		c.Name = c.Kind + "." + c.Name
	}
	return c, Figure{Name: c.Name, Example: aTime, Read: nanoseconds}, nil
}

// known are the figures, for who wrote another.
func (l Language) known() []string {
	names := []string{"p50, p90, p99 and other quantiles"}
	if l.Max {
		names = append(names, "max")
	}
	for _, kind := range l.Times[min(1, len(l.Times)):] {
		names = append(names, kind+".p99")
	}
	for _, f := range l.Figures {
		names = append(names, f.Name)
	}
	return names
}

// Quantile is how a quantile is written: p99.9 of 0.999.
func Quantile(q float64) string {
	return "p" + strconv.FormatFloat(math.Round(q*1e8)/1e6, 'f', -1, 64)
}

// Time reads a bound that is a time.
func Time(bound string) (time.Duration, error) {
	d, err := time.ParseDuration(bound)
	switch _, bare := strconv.ParseFloat(bound, 64); {
	case bare == nil:
		return 0, fmt.Errorf("%s has no unit; write it as %q or %q", bound, bound+"ms", bound+"us")
	case err != nil:
		return 0, fmt.Errorf("%q is no time such as 5ms or 800us", bound)
	case d <= 0:
		return 0, fmt.Errorf("%v is no time above 0: nothing takes less", d)
	}
	return d, nil
}

func nanoseconds(bound string) (float64, error) {
	d, err := Time(bound)
	return float64(d), err
}
