package cli

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/taremesh/tare/internal/echo"
)

// pauses are planted in a server: in each Every it answers nothing for For.
type pauses struct {
	For   time.Duration `json:"for_ns"`
	Every time.Duration `json:"every_ns"`
}

// parsePauses reads "200ms/1s".
func parsePauses(text string) (pauses, error) {
	pause, every, ok := strings.Cut(text, "/")
	if !ok {
		return pauses{}, fmt.Errorf("%q is not two times, such as 200ms/1s", text)
	}
	var p pauses
	var errs [2]error
	p.For, errs[0] = time.ParseDuration(pause)
	p.Every, errs[1] = time.ParseDuration(every)
	if err := errors.Join(errs[:]...); err != nil {
		return pauses{}, err
	}
	if p.For < time.Millisecond || p.Every <= p.For || p.Every > time.Minute {
		return pauses{}, fmt.Errorf("%s: the pause is at least 1ms and shorter than the time that it is in, which is at most 1m", text)
	}
	return p, nil
}

func (p pauses) String() string { return fmt.Sprintf("%v in each %v", p.For, p.Every) }

// beyond is the share of requests that wait longer than t for the end of a
// pause, when they arrive independently of it. Poisson arrivals do: they find a
// server as it is on average over time (R. W. Wolff, Poisson Arrivals See Time
// Averages, Operations Research 30, 1982). Over whole periods the arrival's place in
// its period is then uniform; a request that comes u after a pause began waits
// For − u, so it waits longer than t when u < For − t.
func (p pauses) beyond(t time.Duration) float64 {
	return max(0, float64(p.For-max(0, t))/float64(p.Every))
}

// quantile is the q-quantile of that wait: the t with beyond(t) = 1 − q.
func (p pauses) quantile(q float64) time.Duration {
	return max(0, p.For-time.Duration(math.Round((1-q)*float64(p.Every))))
}

// Sampling: how many standard errors of a share the interval has to either side
// (99.9 % of it), and what part of a pause the server's own time may add.
const (
	truthErrors  = 3.29
	truthService = 0.05
)

// interval is where the q-quantile of n independent requests lies. How many of
// them wait longer than t is binomial, and so the share beyond the quantile
// lies within a few standard errors of 1 − q; to that comes the resolution of
// the figure and, as the server is no bare arithmetic, a part of the pause.
func (p pauses) interval(q float64, n int, resolution time.Duration) (low, high time.Duration) {
	e := truthErrors * math.Sqrt(q*(1-q)/float64(max(n, 1)))
	slack := resolution + time.Duration(truthService*float64(p.For))
	return max(0, p.quantile(max(q-e, 0))-slack), p.quantile(min(q+e, 1)) + slack
}

// pausing is an echo with planted pauses, which begin when it does, or with
// none. It is net/http's, since not every generator speaks HTTP/1.1.
type pausing struct {
	addr   string
	server *http.Server
	failed chan error
}

func startPausing(p *pauses) (*pausing, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the server with pauses: %w", err)
	}
	began := time.Now()
	s := &pausing{addr: l.Addr().String(), failed: make(chan error, 1), server: &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if p != nil {
				p.wait(time.Since(began))
			}
			w.Header()["Content-Length"] = []string{fmt.Sprint(len(echo.Body))}
			_, _ = w.Write([]byte(echo.Body)) // a client that is gone need not be told
		}),
	}}
	go func() { s.failed <- s.server.Serve(l) }()
	return s, nil
}

// wait waits until the pause is over, if there is one.
func (p pauses) wait(since time.Duration) {
	if in := since % p.Every; in < p.For {
		<-time.After(p.For - in)
	}
}

// close ends it, whatever is under way.
func (s *pausing) close() error {
	err := s.server.Close()
	if served := <-s.failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// truth is what the arithmetic says of one quantile.
type truth struct {
	Q  float64 `json:"q"`
	US float64 `json:"us"`
}

// truths are what the arithmetic says of the quantiles that are compared.
func (p pauses) truths() []truth {
	var all []truth
	for _, q := range comparedQuantiles {
		all = append(all, truth{q, micros(p.quantile(q))})
	}
	return all
}
