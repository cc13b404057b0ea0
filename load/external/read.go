package external

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
)

// wanted are the quantiles that are taken from single times.
var wanted = []float64{0.5, 0.9, 0.99, 0.999}

// headers are those of an order, with the target's name where it has one.
func headers(o load.Order) [][2]string {
	h := slices.Clone(o.Request.Header)
	if named := o.Target.Host; named != "" && named != o.Target.Addr {
		h = append(h, [2]string{"Host", named})
	}
	return h
}

// headerArgs gives each header to a flag as "Name: value".
func headerArgs(flag string, h [][2]string) []string {
	var args []string
	for _, x := range h {
		args = append(args, flag, x[0]+": "+x[1])
	}
	return args
}

// seconds is a whole number of them, as text.
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// perConnection is the rate of one connection, as text.
func perConnection(o load.Order) string { return number(o.Rate / float64(o.Target.Connections)) }

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func connections(o load.Order) string { return strconv.Itoa(o.Target.Connections) }

// most is how many connections a tool may open that opens more when it needs them.
func most(o load.Order) string { return strconv.Itoa(o.Target.MaxConnections) }

// duration turns a figure of a tool into a time; false where it is none.
func duration(x float64, unit time.Duration) (time.Duration, bool) {
	ns := x * float64(unit)
	if math.IsNaN(ns) || ns < 0 || ns > math.MaxInt64/2 {
		return 0, false
	}
	return time.Duration(math.Round(ns)), true
}

// optional is the time, nil where the figure is none.
func optional(x float64, unit time.Duration) *time.Duration {
	if d, ok := duration(x, unit); ok {
		return &d
	}
	return nil
}

// finite is the figure, nil where it is none.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
		return nil
	}
	return &x
}

var units = []struct {
	name string
	unit time.Duration
}{{"us", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// withUnit reads "59.00us", "1.32ms", "2.10s", as wrk and h2load print times.
func withUnit(s string) (time.Duration, bool) {
	for _, u := range units {
		text, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		if x, err := strconv.ParseFloat(text, 64); err == nil {
			return duration(x, u.unit)
		}
	}
	return 0, false
}

// count reads a number of requests; nil where the text is none.
func count(s string) *int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return nil
	}
	return &n
}

// figure reads a decimal number; nil where the text is none.
func figure(s string) *float64 {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil
	}
	return finite(x)
}

// exact fills in what follows from the times of single requests.
func exact(a *load.Account, latencies []float64) {
	n := len(latencies)
	a.Requests = &n
	if n == 0 {
		return
	}
	slices.Sort(latencies)
	sum := 0.0
	for _, x := range latencies {
		sum += x
	}
	a.Mean, a.Max = optional(sum/float64(n), 1), optional(latencies[n-1], 1)
	for _, q := range wanted {
		a.Quantiles = append(a.Quantiles, load.Quantile{Q: q, At: time.Duration(stat.Quantile(latencies, q))})
	}
}

// lines calls f for each line with its number, from 1.
func lines(r io.Reader, f func(n int, line string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 1<<16), 1<<20)
	for n := 1; s.Scan(); n++ {
		if err := f(n, s.Text()); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return s.Err()
}

// latency reads a column of a log.
func latency(column string, unit time.Duration) (float64, error) {
	x, err := strconv.ParseFloat(column, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no time", column)
	}
	d, ok := duration(x, unit)
	if !ok {
		return 0, fmt.Errorf("%q is no time", column)
	}
	return float64(d), nil
}

var errForeign = errors.New("these are not the words of this tool")

// quantile adds a percentile where it is one.
func quantile(to []load.Quantile, percentile, value float64, unit time.Duration) []load.Quantile {
	at, ok := duration(value, unit)
	if !ok || !(percentile > 0 && percentile < 100) {
		return to
	}
	// Nines that a tool prints as 99.9 are compared with 0.999.
	return append(to, load.Quantile{Q: math.Round(percentile*1e6) / 1e8, At: at})
}
