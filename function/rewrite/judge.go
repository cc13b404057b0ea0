package rewrite

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/fullmatch"
)

// rewritten is the model: what becomes of a target (path and query) and a host.
func (s Spec) rewritten(target, host string) (string, string) {
	path, query := target, ""
	if i := strings.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i:]
	}
	for _, r := range s.Rules {
		to := ""
		if r.Prefix != "" {
			if !strings.HasPrefix(path, r.Prefix) {
				continue
			}
			to = r.To + strings.TrimPrefix(path, r.Prefix)
		} else {
			found := fullmatch.MustCompile(r.Regex).FindStringSubmatch(path)
			if found == nil {
				continue
			}
			to = r.To
			for i, text := range found {
				// A group's text that looks like a group is not taken for one,
				// since no path holds a backslash.
				to = strings.ReplaceAll(to, fmt.Sprintf(`\%d`, i), text)
			}
		}
		if r.To != "" {
			path = to
		}
		if r.Host != "" {
			host = r.Host
		}
		break
	}
	return path + query, host
}

// judge: every request reached the service once, with the target and the host
// of the model and all else as it was, and was answered by it.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Request == nil { // under load nobody looks at what arrived
			if o.Outcome == function.Refused {
				return fmt.Errorf("rewrite: request %d for %s was refused: none is", i, o.Path)
			}
			continue
		}
		got := e.Reached(i)
		if len(got) != 1 {
			return fmt.Errorf("rewrite: request %d for %s reached the service %d times, not once", i, o.Request.Target, len(got))
		}
		m, sent := got[0].Message, o.Request
		if target, host := s.rewritten(sent.Target, sent.Host); m.Target != target || m.Host != host {
			return fmt.Errorf("rewrite: request %d for %s%s reached the service as %s%s, not as %s%s", i, sent.Host, sent.Target, m.Host, m.Target, host, target)
		}
		if m.Method != sent.Method || !bytes.Equal(m.Body, sent.Body) {
			return fmt.Errorf("rewrite: request %d for %s %s reached the service with method %s and %d bytes of %d", i, sent.Method, sent.Target, m.Method, len(m.Body), len(sent.Body))
		}
		for name, values := range sent.Header {
			if !slices.Equal(m.Header.Values(name), values) {
				return fmt.Errorf("rewrite: request %d: %s is %q, not %q", i, name, m.Header.Values(name), values)
			}
		}
		if o.Response == nil || o.Response.Status != got[0].Answered {
			return fmt.Errorf("rewrite: request %d did not get the service's answer", i)
		}
	}
	return nil
}
