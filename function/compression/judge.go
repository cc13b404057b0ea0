package compression

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/taremesh/tare/function"
)

// compresses is the model: whether the answer to a request is compressed.
func (s Spec) compresses(q *function.Message, a function.Answer) bool {
	kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	length, told := a.Header["Content-Length"]
	n := 0
	if told {
		n, _ = strconv.Atoi(length[0])
	}
	return q.Method != http.MethodHead && wants(q.Header.Get("Accept-Encoding")) && slices.Contains(s.Types, kind) && (!told || n >= s.Least) && a.Header.Get("Content-Encoding") == "" &&
		a.Status != http.StatusPartialContent && !strings.Contains(a.Header.Get("Cache-Control"), "no-transform")
}

func wants(accept string) bool {
	for _, one := range strings.Split(accept, ",") {
		name, weight, _ := strings.Cut(one, ";")
		if strings.TrimSpace(name) == "gzip" {
			weight = strings.TrimSpace(weight)
			return weight != "q=0" && weight != "q=0.0"
		}
	}
	return false
}

// judge: who takes gzip gets it, for the responses that are worth it, and finds
// the service's body in it; all others get the service's body as it was.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Outcome == function.Refused {
			return fmt.Errorf("compression: request %d for %s was refused: compression refuses none", i, o.Path)
		}
		if o.Request == nil {
			continue // under load bodies are not looked at
		}
		a := e.Trial.Replicas[0].Paths[o.Path][0]
		if err := hold(o, e.Reached(i), a, s.compresses(o.Request, a)); err != nil {
			return fmt.Errorf("compression: request %d for %s, accept-encoding %q: %w", i, o.Path, o.Request.Header.Get("Accept-Encoding"), err)
		}
	}
	return nil
}

func hold(o function.Observation, got []function.Delivery, a function.Answer, compressed bool) error {
	r := o.Response
	if r == nil || len(got) != 1 || r.Status != a.Code() {
		return fmt.Errorf("reached the service %d times, and the client has %v", len(got), r)
	}
	body, coding := r.Body, r.Header.Get("Content-Encoding")
	if !compressed {
		switch {
		case coding != a.Header.Get("Content-Encoding"):
			return fmt.Errorf("the response has content-encoding %q: want %q", coding, a.Header.Get("Content-Encoding"))
		case o.Request.Method == http.MethodHead && len(body) == 0:
		case !bytes.Equal(body, []byte(a.Body)):
			return fmt.Errorf("the response has %d bytes: want the service's %d", len(body), len(a.Body))
		case r.Header.Get("Etag") != a.Header.Get("Etag"):
			return fmt.Errorf("the response has etag %q: want the service's", r.Header.Get("Etag"))
		}
		return nil
	}
	switch tag := r.Header.Get("Etag"); {
	case coding != "gzip":
		return fmt.Errorf("the response has content-encoding %q: want gzip", coding)
	case !strings.Contains(strings.ToLower(strings.Join(r.Header["Vary"], ",")), "accept-encoding"):
		return fmt.Errorf("the response has vary %q: want accept-encoding in it, for caches", r.Header["Vary"])
	case tag != "" && !strings.HasPrefix(tag, "W/"):
		return fmt.Errorf("the response has the strong etag %s of another body", tag)
	case len(body) >= len(a.Body) && a.Pause == 0: // what comes byte for byte goes on so
		return fmt.Errorf("the response has %d bytes, and the service sent %d", len(body), len(a.Body))
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("read the response: %w", err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		return fmt.Errorf("read the response: %w", err)
	}
	if !bytes.Equal(plain, []byte(a.Body)) {
		return fmt.Errorf("the response holds %d bytes: want the service's %d", len(plain), len(a.Body))
	}
	return nil
}
