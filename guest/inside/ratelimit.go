package inside

import (
	"errors"
	"strconv"
	"strings"
)

// rateLimit is a token bucket per path, user and subscription.
type rateLimit struct {
	paths  []string
	limits map[string]*allowance // by subscription
	others *allowance
	store  Buckets
}

// allowance is a limit, and its rate as it was written: a part of its buckets'
// keys, so that with another rate they begin anew.
type allowance struct {
	Limit
	rate string
}

// newRateLimit reads lines of "limit SUBSCRIPTION RATE", "others RATE" and
// "path PATH".
func newRateLimit(lines [][]string, store Buckets) (Filter, error) {
	f := &rateLimit{limits: map[string]*allowance{}, store: store}
	for _, words := range lines {
		rate := words[len(words)-1]
		if words[0] == "path" {
			f.paths = append(f.paths, rate)
			continue
		}
		l, err := ParseLimit(rate)
		switch {
		case err != nil:
			return nil, err
		case words[0] == "limit" && len(words) == 3:
			f.limits[words[1]] = &allowance{l, rate}
		case words[0] == "others":
			f.others = &allowance{l, rate}
		default:
			return nil, errors.New("ratelimit: " + words[0] + " is not understood")
		}
	}
	if f.others == nil {
		return nil, errors.New("ratelimit: others is missing")
	}
	return f, nil
}

func (f *rateLimit) Stream() Stream { return &limited{f: f} }

type limited struct {
	f    *rateLimit
	said bool
	d    Decision
}

func (s *limited) Request(h Host) bool {
	path, _ := h.Value(":path")
	path, _, _ = strings.Cut(path, "?")
	if !s.f.limitsPath(path) {
		return true
	}
	subscription, _ := h.Value("x-subscription")
	user, _ := h.Value("x-user")
	a := s.f.limits[subscription]
	if a == nil || user == "" {
		subscription, user, a = "", "", s.f.others
	}
	// No part but the user's name, which is last, can hold a zero byte.
	d, err := s.f.store.Take("tare.ratelimit\x00"+path+"\x00"+subscription+"\x00"+a.rate+"\x00"+user, &a.Limit)
	if err != nil {
		h.Reply(503, nil, "ratelimit: "+err.Error())
		return false
	}
	s.said, s.d = d.Allowed, d
	if !d.Allowed {
		h.Reply(429, append(headers(d), [2]string{"retry-after", number(max(1, seconds(d.Next)))}), "local_rate_limited")
	}
	return d.Allowed
}

func (s *limited) Response(h Host) {
	if s.said {
		for _, f := range headers(s.d) {
			h.Add(Response, f[0], f[1])
		}
	}
}

func (f *rateLimit) limitsPath(path string) bool {
	for _, p := range f.paths {
		if p == path {
			return true
		}
	}
	return false
}

func headers(d Decision) [][2]string {
	return [][2]string{
		{"x-ratelimit-limit", number(d.Limit)}, {"x-ratelimit-remaining", number(d.Remaining)}, {"x-ratelimit-reset", number(seconds(d.Next))},
	}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func seconds(ns int64) int64 { return (ns + second - 1) / second }
