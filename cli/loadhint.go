package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
)

// hints are what may be done where a load ends with such words: they are those
// of the generator's process, so that no value tells them apart.
var hints = []struct{ says, hint string }{
	{"connection refused", "is a server listening there?"},
	{"first record does not look like a TLS handshake", "is the server in the clear? Then begin the URL with http://, h2c://, grpc://, ws:// or tcp://"},
	{"no TLS session after", "does the server speak TLS there?"},
	{"unknown authority", "give its authority's certificate with --cacert, or --insecure"},
	{"the server does not speak HTTP/2", "http:// and https:// are HTTP/1.1"},
	{"not all stood after", "is the server up, and does it speak what the URL's scheme says?"},
	{"was lost: ", "its process has ended or its network is gone; with --lost go-on the others carry on"},
	{"error reading from server", "the coordinator's process has ended or its network is gone"},
	{"signal: killed", "something else ended it: a lack of memory, or kill -9; what it had measured is gone"},
}

// hinted adds what may be done.
func hinted(err error) error {
	if err == nil {
		return nil
	}
	for _, h := range hints {
		if strings.Contains(err.Error(), h.says) {
			return fmt.Errorf("%w; %s", err, h.hint)
		}
	}
	return err
}

// missed is the figure that missed its bound.
func missed(c loadreport.ConditionOutcome) string {
	switch {
	case c.Figure == nil:
		return cmp.Or(c.Why, "there is none")
	case c.Unit == "share":
		return fmt.Sprintf("it is %.3g %%", 100**c.Figure)
	case c.Unit == "us":
		return "it is " + time.Duration(*c.Figure*float64(time.Microsecond)).String()
	}
	return fmt.Sprintf("it is %.4g %s", *c.Figure, c.Unit)
}

// alike says what became of all requests of a load, where that was the same and
// nothing good.
func alike(r *loadreport.Result) string {
	words := map[load.Class]string{
		load.Timeout:   "no answer came in time (--timeout)",
		load.Refused:   "no connection could be opened",
		load.Reset:     "the server closed the connection instead of an answer",
		load.Malformed: "what came back is not " + r.Protocol + "; does the URL's scheme say what is spoken there?",
		load.Handshake: "there was no TLS session",
	}
	for class := load.OK + 1; class < load.Classes; class++ {
		if r.Outcomes[class.String()] != r.Errors || r.Errors == 0 || r.Outcomes[load.OK.String()] > 0 {
			continue
		}
		said := words[class]
		for status := range r.Statuses {
			if len(r.Statuses) == 1 && said == "" {
				said = "every answer has the status " + status
			}
		}
		if said != "" {
			return "; of every request: " + said
		}
	}
	return ""
}
