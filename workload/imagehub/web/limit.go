package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// pullResult is what the last pull gave, as the browser keeps it.
type pullResult struct {
	Image   string    `json:"image"`
	Refused bool      `json:"refused,omitempty"` // by the limit
	Bytes   int       `json:"bytes,omitempty"`
	Digest  string    `json:"digest,omitempty"` // as computed here
	Intact  bool      `json:"intact,omitempty"` // it is the one that the API gave
	Limit   int       `json:"limit,omitempty"`  // pulls per minute; 0: the answer named none
	Left    int       `json:"left,omitempty"`
	Lifts   time.Time `json:"lifts,omitzero"` // when one pull is possible again; zero: not said
}

// resultOf reads an answer to a pull, 200 or 429.
func resultOf(image string, a answer, now time.Time) pullResult {
	p := pullResult{Image: image, Refused: a.status == http.StatusTooManyRequests}
	p.Limit, _ = number(a.header, "X-Ratelimit-Limit")
	p.Left, _ = number(a.header, "X-Ratelimit-Remaining")
	if p.Refused {
		p.Lifts = lifts(a.header, now)
		return p
	}
	sum := sha256.Sum256(a.body)
	p.Bytes, p.Digest = len(a.body), "sha256:"+hex.EncodeToString(sum[:])
	p.Intact = a.header.Get("Docker-Content-Digest") == p.Digest
	return p
}

// lifts is when a refused caller may try again: what retry-after says, else
// what the limit's own header does.
func lifts(h http.Header, now time.Time) time.Time {
	for _, name := range []string{"Retry-After", "X-Ratelimit-Reset"} {
		if s, ok := number(h, name); ok {
			return now.Add(time.Duration(s) * time.Second)
		}
	}
	return time.Time{}
}

// number reads a header that is a whole number of at most six digits.
func number(h http.Header, name string) (int, bool) {
	n, err := strconv.Atoi(h.Get(name))
	if err != nil || n < 0 || n >= 1_000_000 {
		return 0, false
	}
	return n, true
}

// limitView is the limit as a page shows it.
type limitView struct {
	pullResult
	Known  bool          // an answer named a limit
	Wait   time.Duration // until it lifts; 0: it has, or does not bite
	LiftAt string        // the time of day
}

func (p pullResult) view(now time.Time) limitView {
	v := limitView{pullResult: p, Known: p.Limit > 0}
	if p.Refused && p.Lifts.After(now) {
		v.Wait, v.LiftAt = p.Lifts.Sub(now), p.Lifts.UTC().Format("15:04:05")+" UTC"
	}
	return v
}

// title is what a screen reader says first of the page.
func (v limitView) title() string {
	switch {
	case v.Wait > 0:
		return "Limit reached"
	case v.Refused:
		return "Image Hub"
	}
	return "Pulled " + v.Image
}

// Seconds is the wait, rounded up.
func (v limitView) Seconds() int { return int((v.Wait + time.Second - 1) / time.Second) }

// Milliseconds is the wait for the script that counts it down.
func (v limitView) Milliseconds() int64 { return v.Wait.Milliseconds() }

// Every is how often an allowance of the limit grows by one pull.
func (v limitView) Every() string {
	return strconv.FormatFloat(60/float64(v.Limit), 'g', 3, 64)
}
