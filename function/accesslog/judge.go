package accesslog

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/taremesh/tare/function"
)

// line is a line of the log, taken apart.
type line struct {
	method, target, protocol string
	status, received, sent   int
	agent, authority         string
}

// pattern is the common format. The user agent is the one part that may hold
// quotes; what comes behind it has none.
var pattern = regexp.MustCompile(`^\[([^\]]+)\] "(\S+) (\S+) (\S+)" (\d+) (\d+) (\d+) (\d+) "(.*)" "([^"]*)" "([^"]*)"\n$`)

func parse(text string) (l line, took time.Duration, err error) {
	m := pattern.FindStringSubmatch(text)
	if m == nil {
		return l, 0, fmt.Errorf("is not of the format")
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000Z", m[1]); err != nil {
		return l, 0, err
	}
	number := func(text string) int {
		n, _ := strconv.Atoi(text) // digits; too many of them equal nothing
		return n
	}
	l = line{m[2], m[3], m[4], number(m[5]), number(m[6]), number(m[7]), m[9], m[10]}
	return l, time.Duration(number(m[8])) * time.Millisecond, nil
}

// judge: the lines and the requests are the same, one for one.
func judge(spec function.Spec, e function.Evidence) error {
	if _, err := function.SpecAs[Spec](spec); err != nil {
		return err
	}
	if e.Collected == nil {
		return nil // under load nobody reads the file
	}
	wanted, longest := map[line]int{}, time.Duration(0)
	for i, o := range e.Observations {
		if o.Response == nil {
			return fmt.Errorf("access-log: request %d was not answered: a log stops none", i)
		}
		l := line{method: o.Request.Method, target: o.Request.Target, protocol: "HTTP/1.1", status: o.Response.Status,
			received: len(o.Request.Body), sent: len(o.Response.Body), agent: agentOf(o.Request.Header), authority: o.Request.Host}
		wanted[l]++
		longest = max(longest, o.Latest-o.Earliest)
	}
	for i, text := range e.Collected.Lines {
		l, took, err := parse(text)
		if err != nil {
			return fmt.Errorf("access-log: line %d %q: %w", i, text, err)
		}
		if wanted[l]--; wanted[l] < 0 {
			return fmt.Errorf("access-log: line %d %q is of no request, or of one that has its line", i, text)
		}
		if took > longest+time.Millisecond {
			return fmt.Errorf("access-log: line %d says that it took %v: no request took more than %v", i, took, longest)
		}
	}
	for l, n := range wanted {
		if n > 0 {
			return fmt.Errorf("access-log: %d lines of %+v are missing", n, l)
		}
	}
	return nil
}

func agentOf(h http.Header) string {
	if a := h.Get("User-Agent"); a != "" {
		return a
	}
	return "Go-http-client/1.1" // what Go's client says of itself
}
