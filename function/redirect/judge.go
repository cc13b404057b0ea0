package redirect

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/taremesh/tare/function"
)

// leads is the model: where a request by a scheme for a host and a target is
// led, and by what status; 0 when it goes on.
func (s Spec) leads(scheme, host, target string) (status int, location string) {
	path, query := target, ""
	if i := strings.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i:]
	}
	for _, r := range s.Rules {
		if r.Path != "" && path != r.Path || r.Prefix != "" && !strings.HasPrefix(path, r.Prefix) {
			continue
		}
		if r.StripQuery {
			query = ""
		}
		return r.Status, r.origin(scheme, host) + r.path(path) + query
	}
	return 0, ""
}

func (r Rule) path(path string) string {
	switch {
	case r.To == "":
		return path
	case r.Path != "":
		return r.To
	}
	return r.To + strings.TrimPrefix(path, r.Prefix)
}

// origin is the scheme, host and port of the answer.
func (r Rule) origin(scheme, host string) string {
	was := scheme
	if r.Scheme != "" {
		scheme = r.Scheme
	}
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		name, port = host[:i], host[i:]
	}
	if scheme != was && port == map[string]string{"http": ":80", "https": ":443"}[was] {
		port = ""
	}
	if r.Host != "" {
		name, port = r.Host, ""
	}
	if r.Port != 0 {
		port = ":" + strconv.Itoa(r.Port)
	}
	return scheme + "://" + name + port
}

// judge: requests that a rule matches got its answer and reached no service;
// the others reached theirs once and got its answer.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Request == nil { // under load neither hosts nor answers are known
			if o.Outcome == function.Refused {
				return fmt.Errorf("redirect: request %d for %s was refused: none is", i, o.Path)
			}
			continue
		}
		if o.Response == nil {
			return fmt.Errorf("redirect: request %d got no answer", i)
		}
		got, seen := e.Reached(i), o.Response
		status, location := s.leads("http", o.Request.Host, o.Request.Target)
		switch {
		case status == 0 && (len(got) != 1 || got[0].Message.Target != o.Request.Target):
			return fmt.Errorf("redirect: request %d for %s reached the service %d times, not once as it is", i, o.Request.Target, len(got))
		case status == 0 && (seen.Status != got[0].Answered || seen.Header.Get("location") != ""):
			return fmt.Errorf("redirect: request %d for %s did not get the service's answer, but %d and %q", i, o.Request.Target, seen.Status, seen.Header.Get("location"))
		case status == 0:
		case len(got) != 0:
			return fmt.Errorf("redirect: request %d for %s reached the service", i, o.Request.Target)
		case seen.Status != status || len(seen.Header.Values("location")) != 1 || seen.Header.Get("location") != location:
			return fmt.Errorf("redirect: request %d for %s%s was led by %d to %q, not by %d to %q",
				i, o.Request.Host, o.Request.Target, seen.Status, seen.Header.Values("location"), status, location)
		}
	}
	return nil
}
