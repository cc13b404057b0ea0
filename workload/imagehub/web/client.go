package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	callTime = 10 * time.Second // for one call of the API, all of it
	maxImage = 17 << 20         // bytes; the API's largest image has 16 MiB
	maxWords = 200              // bytes of an answer that are shown as its reason
)

// client calls the API, through the mesh where its base is a proxy.
type client struct {
	base *url.URL
	http *http.Client
}

func newClient(base *url.URL) *client {
	t := &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute} // no Proxy: what the environment names is not the mesh
	return &client{base: base, http: &http.Client{
		Transport: t, Timeout: callTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// request is one call of the API.
type request struct {
	method, path string
	query        url.Values
	token        string            // empty: none
	fields       map[string]string // the JSON body; nil: none
}

// answer is what the API, or a proxy before it, said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// refusal is an answer of another status than the one hoped for.
type refusal struct{ answer }

func (r *refusal) Error() string { return fmt.Sprintf("the API answered %d: %s", r.status, r.words()) }

// words is why, as the answer says it: the API's error, else its plain text.
func (r *refusal) words() string {
	var said struct{ Error string }
	if json.Unmarshal(r.body, &said) == nil && said.Error != "" {
		return said.Error
	}
	if !utf8.Valid(r.body) || len(r.body) > maxWords || strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
		return http.StatusText(r.status)
	}
	return strings.TrimSpace(string(r.body))
}

// do makes a call that is hoped to be answered with the status want; with any
// other one the error is a *refusal.
func (c *client) do(ctx context.Context, r request, want int) (answer, error) {
	u := *c.base
	u.Path, u.RawQuery = r.path, r.query.Encode()
	var body io.Reader
	if r.fields != nil {
		text, err := json.Marshal(r.fields)
		if err != nil {
			return answer{}, fmt.Errorf("write the request to %s: %w", r.path, err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return answer{}, fmt.Errorf("call the API: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("call the API: %w", err)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header}
	if a.body, err = io.ReadAll(io.LimitReader(res.Body, maxImage)); err != nil {
		return answer{}, fmt.Errorf("read the API's answer to %s: %w", r.path, err)
	}
	if a.status != want {
		return answer{}, &refusal{a}
	}
	return a, nil
}

// pass is what the API gives at a login and at an upgrade.
type pass struct {
	Token        string    `json:"token"`
	Expires      time.Time `json:"expires"`
	Subscription string    `json:"subscription"`
}

// subscription is one of those that the API offers, the smallest first.
type subscription struct {
	Name           string `json:"name"`
	PullsPerMinute int    `json:"pulls_per_minute"`
}

var errNotUnderstood = errors.New("the API's answer is not what it should be")

func (c *client) signUp(ctx context.Context, user, password, wanted string) error {
	_, err := c.do(ctx, request{method: http.MethodPost, path: "/signup",
		fields: map[string]string{"username": user, "password": password, "subscription": wanted}}, http.StatusCreated)
	return err
}

func (c *client) logIn(ctx context.Context, user, password string) (session, error) {
	return c.pass(ctx, user, request{method: http.MethodPost, path: "/login",
		fields: map[string]string{"username": user, "password": password}})
}

func (c *client) upgrade(ctx context.Context, s session, wanted string) (session, error) {
	return c.pass(ctx, s.User, request{method: http.MethodPost, path: "/upgrade", token: s.Token,
		fields: map[string]string{"subscription": wanted}})
}

// pass makes a call that is answered with a pass.
func (c *client) pass(ctx context.Context, user string, r request) (session, error) {
	a, err := c.do(ctx, r, http.StatusOK)
	if err != nil {
		return session{}, err
	}
	var p pass
	if err := json.Unmarshal(a.body, &p); err != nil {
		return session{}, fmt.Errorf("%w: %w", errNotUnderstood, err)
	}
	s := session{Token: p.Token, User: user, Subscription: p.Subscription, Expires: p.Expires}
	if !s.good() {
		return session{}, errNotUnderstood
	}
	return s, nil
}

func (c *client) subscriptions(ctx context.Context) ([]subscription, error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: "/subscriptions"}, http.StatusOK)
	if err != nil {
		return nil, err
	}
	var all []subscription
	if err := json.Unmarshal(a.body, &all); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotUnderstood, err)
	}
	return all, nil
}

func (c *client) pull(ctx context.Context, token, image string) (answer, error) {
	return c.do(ctx, request{method: http.MethodGet, path: "/pull", query: url.Values{"image": {image}}, token: token}, http.StatusOK)
}
