package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/exposition"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/store"
)

// headersVariable holds headers of a push, as OpenTelemetry names and writes
// them: a=b,c=d, values percent-encoded. Secrets have no place on a command line.
const headersVariable = "OTEL_EXPORTER_OTLP_HEADERS"

// The bounds of a push.
const (
	mostRetries  = 10
	firstWait    = time.Second // doubled for each further retry
	longestWait  = 30 * time.Second
	requestTime  = 10 * time.Second
	mostOfAnswer = 64 << 10
)

func newPush(s State) *cobra.Command {
	p := pusher{getenv: s.Getenv}
	var data *string
	c := &cobra.Command{
		Use:   "push [ID|last] --otlp URL",
		Short: "Send the figures of a kept result to an OpenTelemetry collector",
		Long: `Send the figures of a kept result (default last) as metrics, by OTLP over HTTP.
URL is the collector's; /v1/metrics is added where it is not there. Headers that
the collector wants, such as a token, come from the environment variable
` + headersVariable + ` (name=value, separated by commas, values
percent-encoded), never from the command line. What fails for the moment is
tried again, each time after a longer wait.`,
		Example: `  tare push last --otlp http://127.0.0.1:4318
  ` + headersVariable + `="authorization=Bearer%20$TOKEN" tare push last --otlp https://collector.example:4318`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.settle(); err != nil {
				return input(err)
			}
			return withReport(c, s, *data, args, func(r *report.Report, _ store.Record) error {
				body, err := exposition.OTLP(r)
				if err != nil {
					return err
				}
				if err := p.push(c.Context(), body); err != nil {
					return fmt.Errorf("push %s to %s: %w", r.ID, p.target, err)
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "pushed %s to %s\n", r.ID, p.target)
				return err
			})
		},
		ValidArgsFunction: first(results(s, anyState)),
	}
	data = dataFlag(c)
	c.Flags().StringVar(&p.given, "otlp", "", "the collector's `URL`, such as http://127.0.0.1:4318")
	c.Flags().IntVar(&p.retries, "retries", 4, "how often a push that fails for the moment is tried again, up to 10")
	return c
}

// pusher sends one request, and again while that makes sense.
type pusher struct {
	getenv  func(string) string
	given   string
	retries int

	target  *url.URL
	headers http.Header
}

// settle reads where to and with what.
func (p *pusher) settle() error {
	if p.given == "" {
		return errors.New("push needs --otlp URL, the address of a collector, such as http://127.0.0.1:4318")
	}
	if p.retries < 0 || p.retries > mostRetries {
		return fmt.Errorf("--retries %d: want 0 to %d", p.retries, mostRetries)
	}
	u, err := url.Parse(p.given)
	switch {
	case err != nil:
		return errors.New("--otlp: the URL cannot be read; write it as http://127.0.0.1:4318") // the error would show all of it
	case u.User != nil:
		return fmt.Errorf("--otlp: the URL holds a user; a secret belongs into %s", headersVariable)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("--otlp %s: want http:// or https:// and a host", p.given)
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("--otlp: the URL has a query or a fragment, and OTLP has none")
	}
	if !strings.HasSuffix(u.Path, "/v1/metrics") {
		u.Path = strings.TrimSuffix(u.Path, "/") + "/v1/metrics"
	}
	p.target = u
	p.headers, err = parseHeaders(p.getenv(headersVariable))
	return err
}

// parseHeaders reads a=b,c=d. Its errors show no value.
func parseHeaders(text string) (http.Header, error) {
	h := http.Header{}
	for i, pair := range strings.Split(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, escaped, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(strings.TrimSpace(escaped))
		if !ok || err != nil || !isHeaderName(name) || strings.ContainsFunc(value, unicode.IsControl) {
			return nil, fmt.Errorf("%s: header %d is not name=value with a percent-encoded value", headersVariable, i+1)
		}
		h.Add(name, value)
	}
	return h, nil
}

func isHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	})
}

// passing is a failure that may be over in a moment.
type passing struct {
	err  error
	wait time.Duration // what the receiver asked for; below 0: nothing
}

func (p *passing) Error() string { return p.err.Error() }
func (p *passing) Unwrap() error { return p.err }

func (p *pusher) push(ctx context.Context, body []byte) error {
	wait := firstWait
	for tries := 1; ; tries++ {
		err := p.once(ctx, body)
		var moment *passing
		if err == nil || ctx.Err() != nil || !errors.As(err, &moment) {
			return err
		}
		if tries > p.retries {
			return fmt.Errorf("%w (tried %d times; is a collector listening there?)", err, tries)
		}
		now := wait
		if moment.wait >= 0 {
			now = moment.wait
		}
		if err := pause(ctx, min(now, longestWait)); err != nil {
			return err
		}
		wait *= 2
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// client follows no redirect: headers with secrets go where they were meant to.
var client = &http.Client{Timeout: requestTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (p *pusher) once(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.target.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = p.headers.Clone()
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "tare")
	res, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, which is said already
		}
		return &passing{err, -1}
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, mostOfAnswer))
	if err != nil {
		return &passing{fmt.Errorf("read the answer: %w", err), -1}
	}
	return judge(res, answer)
}

// judge says what an answer means (OTLP/HTTP, "Failures" and "Partial success").
func judge(res *http.Response, answer []byte) error {
	switch res.StatusCode {
	case http.StatusOK:
		rejected, words, err := exposition.ReadOTLP(answer)
		if err != nil {
			return fmt.Errorf("what listens there is no collector: %w", err)
		}
		if rejected > 0 {
			return fmt.Errorf("the collector rejected %d data points: %s", rejected, printable(words))
		}
		return nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return &passing{fmt.Errorf("the collector answered %s", res.Status), retryAfter(res.Header.Get("Retry-After"))}
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("the collector answered %s: give its headers in %s", res.Status, headersVariable)
	case http.StatusNotFound:
		return fmt.Errorf("the collector answered %s: does it take OTLP over HTTP there? Its port is 4318, and that of gRPC 4317", res.Status)
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return fmt.Errorf("the collector answered %s: name the place that it redirects to, if you trust it", res.Status)
	}
	return fmt.Errorf("the collector answered %s: %s", res.Status, printable(string(answer)))
}

// retryAfter reads a number of seconds; a date is left to our own waiting.
func retryAfter(text string) time.Duration {
	s, err := strconv.Atoi(text)
	if err != nil || s < 0 {
		return -1
	}
	return time.Duration(min(s, int(longestWait/time.Second))) * time.Second
}

// printable is the beginning of a text from elsewhere, fit for a terminal.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
