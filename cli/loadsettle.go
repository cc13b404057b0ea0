package cli

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
)

// settle takes what was asked for together and refuses what cannot be done.
func (r *loadCommand) settle() error {
	if err := within(r.c, r.taken()); err != nil {
		return err
	}
	if err := r.flags.outputs.check(r.c); err != nil {
		return err
	}
	for _, group := range [][]string{
		{"rate", "profile", "trace", "closed"}, {"arrivals", "trace", "closed"}, {"body", "body-file", "size", "message", "mix"}, {"messages", "mix"}, {"method", "mix"},
		{"new-connections", "churn"}, {"max-connections", "closed"}, {"requests", "duration"}, {"requests", "trace"}, {"insecure", "cacert"},
	} {
		if err := onlyOne(r.c, group...); err != nil {
			return err
		}
	}
	for _, step := range []func() error{r.settleConditions, r.settleTarget, r.settleRequests, r.settleUsers, r.settlePace, r.settleFleet} {
		if err := step(); err != nil {
			return input(err)
		}
	}
	return input(r.check())
}

// check says what is wrong with all of it together, by the flag that would have
// to change.
func (r *loadCommand) check() error {
	if err := r.target.Check(); err != nil {
		return err
	}
	for i, q := range r.population.Requests {
		switch err := load.Ask(q).Check(r.target); {
		case err != nil && r.flags.mix != "":
			return fmt.Errorf("--mix %s: request %d, %s %s: %w", r.flags.mix, i+1, q.Method, q.Path, err)
		case err != nil:
			return fmt.Errorf("a request to %s: %w", r.url, err)
		}
	}
	if err := r.population.Check(r.target); err != nil {
		return err
	}
	err := r.load.Check(1, r.population)
	switch inner := errors.Unwrap(err); {
	case err == nil:
		return nil
	case r.load.Profile != nil:
		return fmt.Errorf("--profile %s: %w", r.load.Profile, inner)
	case r.load.Trace != nil:
		return fmt.Errorf("--trace %s: %w", r.flags.trace, inner)
	default:
		return inner
	}
}

func (r *loadCommand) settleConditions() (err error) {
	if r.c.Flags().Changed("fail") {
		if r.conditions, err = loadreport.ParseConditions(r.flags.fail); err != nil {
			return fmt.Errorf("--fail: %w", err)
		}
	}
	for _, c := range r.conditions {
		if r.load.Closed && strings.HasPrefix(c.String(), "lateness.") {
			return fmt.Errorf("--fail %s: a closed loop has no intended times, and so no lateness", c)
		}
	}
	r.conditions, err = loadreport.WithDefaults(r.conditions)
	return err
}

// settleTarget says where requests go, and over which connections.
func (r *loadCommand) settleTarget() error {
	f := &r.flags
	at := r.url
	if f.http2 {
		scheme, rest, _ := strings.Cut(at, "://")
		other := map[string]string{"http": "h2c", "https": "h2", "h2c": "h2c", "h2": "h2"}[scheme]
		if other == "" {
			return fmt.Errorf("--http2 is of http and https, and the URL is %s", at)
		}
		at = other + "://" + rest
	}
	t, q, err := load.ParseTarget(at, f.allowed...)
	if err != nil {
		return err
	}
	t.Connections, t.MaxConnections = f.connections, max(f.connections, load.DefaultMaxConnections)
	if r.c.Flags().Changed("max-connections") {
		t.MaxConnections = f.maxConnections
	}
	t.Fresh, t.Churn = f.newConnections, f.churn
	if r.c.Flags().Changed("streams") {
		t.Streams = f.streams
	}
	r.target, r.population = t, load.Ask(q)
	if err := r.spoken(); err != nil {
		return err
	}
	return r.settleTLS()
}

// spoken refuses flags that mean nothing in what the URL says is spoken.
func (r *loadCommand) spoken() error {
	speaks := cmp.Or(r.target.Protocol, load.HTTP1)
	for _, only := range []struct {
		flags []string
		of    []load.Protocol
		words string
	}{
		{[]string{"method"}, []load.Protocol{load.HTTP1, load.HTTP2}, "HTTP"},
		{[]string{"header", "cookie"}, []load.Protocol{load.HTTP1, load.HTTP2, load.GRPC, load.WebSocket}, "HTTP, gRPC and WebSocket"},
		{[]string{"body", "body-file", "size"}, []load.Protocol{load.HTTP1, load.HTTP2, load.GRPC, load.WebSocket, load.TCP}, "protocols that carry something"},
		{[]string{"message", "descriptors", "messages"}, []load.Protocol{load.GRPC}, "gRPC: begin the URL with grpc:// or grpcs://"},
		{[]string{"streams"}, []load.Protocol{load.HTTP2, load.GRPC}, "HTTP/2 and gRPC: give --http2 too, or begin the URL with h2c://, h2://, grpc:// or grpcs://"},
	} {
		for _, name := range only.flags {
			if r.c.Flags().Changed(name) && !slices.Contains(only.of, speaks) {
				return fmt.Errorf("--%s is of %s, and %s is %s", name, only.words, r.url, speaks)
			}
		}
	}
	return nil
}

// settleTLS reads what secures the connections.
func (r *loadCommand) settleTLS() error {
	f := &r.flags
	t := r.target.TLS
	if t == nil {
		for _, name := range []string{"cacert", "cert", "key", "server-name", "insecure"} {
			if r.c.Flags().Changed(name) {
				return fmt.Errorf("--%s is of TLS, and %s is in the clear", name, r.url)
			}
		}
		return nil
	}
	if (f.cert == "") != (f.key == "") {
		return errors.New("--cert and --key belong together: give both")
	}
	t.Insecure, t.ServerName = f.insecure, f.serverName
	for _, file := range []struct {
		flag, name string
		to         *string
	}{{"--cacert", f.cacert, &t.Roots}, {"--cert", f.cert, &t.Cert}, {"--key", f.key, &t.Key}} {
		if file.name == "" {
			continue
		}
		text, err := os.ReadFile(file.name)
		if err != nil {
			return fmt.Errorf("%s: %w", file.flag, err)
		}
		*file.to = string(text)
	}
	return nil
}

// settleRequests says what is asked for.
func (r *loadCommand) settleRequests() error {
	f := &r.flags
	common, err := r.settleHeader()
	if err != nil {
		return err
	}
	if f.mix != "" {
		if r.population.Requests, err = readMix(f.mix); err != nil {
			return fmt.Errorf("--mix: %w", err)
		}
	} else if err := r.settleBody(&r.population.Requests[0]); err != nil {
		return err
	}
	for i := range r.population.Requests {
		q := &r.population.Requests[i]
		q.Header, q.Template = append(q.Header, common...), f.template
	}
	return nil
}

// settleHeader reads --header and --cookie. Host is the target's.
func (r *loadCommand) settleHeader() ([][2]string, error) {
	var out [][2]string
	for _, text := range r.flags.headers {
		name, value, ok := strings.Cut(text, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok:
			return nil, fmt.Errorf("--header %q: write it as 'Name: value'", text)
		case strings.EqualFold(name, "host"):
			r.target.Host = value
			continue
		}
		h := [2]string{name, value}
		if err := load.Ask(load.Request{Method: http.MethodGet, Path: "/", Header: [][2]string{h}}).Check(); err != nil {
			return nil, fmt.Errorf("--header %q: %w", text, err)
		}
		out = append(out, h)
	}
	var pairs [][2]string
	for _, text := range r.flags.cookies {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("--cookie %q: write it as name=value", text)
		}
		pairs = append(pairs, [2]string{name, value})
	}
	if len(pairs) == 0 {
		return out, nil
	}
	cookie, err := load.Cookies(pairs...)
	if err != nil {
		return nil, fmt.Errorf("--cookie: %w", err)
	}
	return append(out, cookie), nil
}

// settleBody gives the one kind of request its method, path and body.
func (r *loadCommand) settleBody(q *load.Request) error {
	f := &r.flags
	if f.template {
		// A URL's braces are escaped; a template's are not.
		if u, err := url.Parse(r.url); err == nil {
			if q.Path = cmp.Or(u.Path, "/"); u.RawQuery != "" {
				q.Path += "?" + u.RawQuery
			}
		}
	}
	given := f.body != "" || f.bodyFile != "" || f.size != ""
	if given {
		q.Body = 0
		if q.Method == http.MethodGet {
			q.Method = http.MethodPost
		}
	}
	q.Method = cmp.Or(f.method, q.Method)
	switch {
	case f.body != "":
		q.Content = []byte(f.body)
	case f.bodyFile != "":
		content, err := os.ReadFile(f.bodyFile)
		if err != nil {
			return fmt.Errorf("--body-file: %w", err)
		}
		q.Content = content
	case f.size != "":
		d, err := load.ParseSize(f.size)
		if err != nil {
			return fmt.Errorf("--size: %w", err)
		}
		q.Size = &d
	}
	return r.settleCall(q)
}

func (r *loadCommand) settleUsers() (err error) {
	switch {
	case r.flags.users == 1 && r.c.Flags().Changed("skew"):
		return errors.New("--skew is of several users: say how many with --users")
	case r.flags.users == 1:
		return nil
	}
	if r.population.Users, err = load.Crowd(r.flags.users, r.flags.skew); err != nil {
		return fmt.Errorf("--users: %w", err)
	}
	return nil
}

// settlePace says when requests are made.
func (r *loadCommand) settlePace() error {
	l, f, given := &r.load, &r.flags, r.c.Flags().Changed
	if given("think") && !l.Closed {
		return errors.New("--think is of a closed loop: give --closed too, or a lower --rate")
	}
	if !given("seed") {
		l.Seed = rand.Uint64() >> 11
	}
	if l.Closed || f.profile != "" || f.trace != "" {
		l.Rate = 0
	}
	if (f.profile != "" || f.trace != "") && !given("duration") {
		l.Duration = 0 // it ends with them
	}
	switch {
	case l.Closed && f.think != "":
		d, err := load.ParseThink(f.think)
		if err != nil {
			return fmt.Errorf("--think: %w", err)
		}
		l.Think = &d
	case l.Closed:
	case f.trace != "":
		return r.readTrace()
	default:
		l.Arrivals = load.Arrivals(f.arrivals)
	}
	if f.profile != "" {
		p, err := load.ParseProfile(f.profile)
		if err != nil {
			return fmt.Errorf("--profile: %w", err)
		}
		l.Profile = &p
	}
	return nil
}

func (r *loadCommand) readTrace() error {
	in, err := os.Open(r.flags.trace)
	if err != nil {
		return fmt.Errorf("--trace: %w", err)
	}
	defer in.Close()
	if r.load.Trace, err = load.ReadTrace(in); err != nil {
		return fmt.Errorf("--trace %s: %w", r.flags.trace, err)
	}
	return nil
}
