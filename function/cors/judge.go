package cors

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/fullmatch"
)

const (
	originHeader  = "Origin"
	asksMethod    = "Access-Control-Request-Method"
	asksHeaders   = "Access-Control-Request-Headers"
	allowOrigin   = "Access-Control-Allow-Origin"
	allowMethods  = "Access-Control-Allow-Methods"
	allowHeaders  = "Access-Control-Allow-Headers"
	allowCreds    = "Access-Control-Allow-Credentials"
	exposeHeaders = "Access-Control-Expose-Headers"
	maxAgeHeader  = "Access-Control-Max-Age"
)

// allows is the model of origins.
func (s Spec) allows(origin string) bool {
	return slices.Contains(s.Origins, "*") || slices.Contains(s.Origins, origin) ||
		slices.ContainsFunc(s.OriginRegex, func(e string) bool { return fullmatch.MustCompile(e).MatchString(origin) })
}

// permits is the model of preflights: whether a page of the origin may send a
// request with the method and the headers.
func (s Spec) permits(origin, method string, headers []string) bool {
	return s.allows(origin) && slices.Contains(s.Methods, method) &&
		!slices.ContainsFunc(headers, func(h string) bool { return !slices.Contains(s.Headers, strings.ToLower(h)) })
}

// readable is what a browser makes of an answer: whether a page of the origin
// may read it, and whether also when it was asked for with credentials (Fetch
// standard, CORS check).
func readable(h http.Header, origin string) (plain, credentialed bool) {
	said := h.Values(allowOrigin)
	if len(said) != 1 {
		return false, false
	}
	return said[0] == "*" || said[0] == origin, said[0] == origin && slices.Equal(h.Values(allowCreds), []string{"true"})
}

// granted is what a browser makes of a preflight's answer.
func granted(r *function.Message, origin, method string, headers []string) bool {
	plain, _ := readable(r.Header, origin)
	methods, names := list(r.Header, allowMethods), list(r.Header, allowHeaders)
	return plain && r.Status >= 200 && r.Status < 300 &&
		(slices.Contains(safe(), method) || slices.Contains(methods, method)) &&
		!slices.ContainsFunc(headers, func(h string) bool {
			return !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, h) })
		})
}

// list is the elements of a header's values.
func list(h http.Header, name string) (all []string) {
	for _, v := range h.Values(name) {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, part)
			}
		}
	}
	return all
}

// judge: preflights are answered without the service, others by it, and a
// browser makes of the answers what the model says.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Request == nil { // under load origins are not known
			if o.Outcome == function.Refused {
				return fmt.Errorf("cors: request %d for %s was refused: none is", i, o.Path)
			}
			continue
		}
		if o.Response == nil {
			return fmt.Errorf("cors: request %d got no answer", i)
		}
		if err := s.one(o.Request, o.Response, e.Reached(i)); err != nil {
			return fmt.Errorf("cors: request %d (%s from %q): %w", i, o.Request.Method, o.Request.Header.Get(originHeader), err)
		}
	}
	return nil
}

func (s Spec) one(q, r *function.Message, reached []function.Delivery) error {
	origin := q.Header.Get(originHeader)
	if origin != "" && q.Method == http.MethodOptions && q.Header.Get(asksMethod) != "" {
		if len(reached) != 0 {
			return fmt.Errorf("the preflight reached the service")
		}
		return s.preflight(q, r)
	}
	if len(reached) != 1 || r.Status != reached[0].Answered || q.Method != reached[0].Message.Method {
		return fmt.Errorf("it reached the service %d times and was answered with %d, not once and by it", len(reached), r.Status)
	}
	plain, credentialed := readable(r.Header, origin)
	switch allowed := origin != "" && s.allows(origin); {
	case !allowed && r.Header.Get(allowOrigin) != "":
		return fmt.Errorf("its answer may be read by %q", r.Header.Values(allowOrigin))
	case !allowed:
		return nil
	case plain != allowed:
		return fmt.Errorf("the page may not read the answer: it is for %q", r.Header.Values(allowOrigin))
	case credentialed != s.Credentials:
		return fmt.Errorf("the page may send credentials: %t, not %t", credentialed, s.Credentials)
	}
	exposed := lower(list(r.Header, exposeHeaders))
	slices.Sort(exposed)
	if !slices.Equal(exposed, slices.Sorted(slices.Values(s.Expose))) {
		return fmt.Errorf("the page may read %q, not %q", exposed, s.Expose)
	}
	return nil
}

func (s Spec) preflight(q, r *function.Message) error {
	origin, method, headers := q.Header.Get(originHeader), q.Header.Get(asksMethod), list(q.Header, asksHeaders)
	want := s.permits(origin, method, headers)
	if got := granted(r, origin, method, headers); got != want {
		return fmt.Errorf("a browser would send %s with %q: %t, not %t", method, headers, got, want)
	}
	if !s.allows(origin) && r.Header.Get(allowOrigin) != "" {
		return fmt.Errorf("the preflight's answer is for %q", r.Header.Values(allowOrigin))
	}
	if !want {
		return nil
	}
	if _, credentialed := readable(r.Header, origin); credentialed != s.Credentials {
		return fmt.Errorf("a browser would send credentials: %t, not %t", credentialed, s.Credentials)
	}
	var age []string
	if s.MaxAge > 0 {
		age = []string{strconv.Itoa(int(s.MaxAge.Std() / time.Second))}
	}
	if !slices.Equal(r.Header.Values(maxAgeHeader), age) {
		return fmt.Errorf("a browser would keep the answer for %q s, not %q", r.Header.Values(maxAgeHeader), age)
	}
	return nil
}
