package imagehub

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/workload"
)

// failure is an answer other than success; Error is what the client is told.
type failure struct {
	status int
	why    string
}

func (f failure) Error() string { return f.why }

// statuses is the one table from errors of this package to HTTP statuses.
var statuses = []struct {
	err    error
	status int
}{
	{errTaken, http.StatusConflict},
	{errNotHigher, http.StatusConflict},
	{errCredentials, http.StatusUnauthorized},
	{errNoUser, http.StatusNotFound},
}

// route is what answers a path, for one method.
type route struct {
	methods []string
	handler http.Handler
}

// router finds the route of a path, exactly: nothing is redirected, cleaned or
// unescaped, since a proxy that limits /pull would not see it in /%70ull.
type router map[string]route

func (routes router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to, ok := routes[r.URL.EscapedPath()]
	if !ok {
		writeError(w, http.StatusNotFound, "there is no such path")
		return
	}
	if !slices.Contains(to.methods, r.Method) {
		allowed := strings.Join(to.methods, ", ")
		w.Header().Set("Allow", allowed)
		writeError(w, http.StatusMethodNotAllowed, "this path takes "+allowed+" only")
		return
	}
	to.handler.ServeHTTP(w, r)
}

// newPullAPI serves what needs the public key only.
func newPullAPI(v *verifier, size workload.Size, middlewares []workload.Middleware) (router, *puller, error) {
	jwks, err := v.key.jwks()
	if err != nil {
		return nil, nil, err
	}
	p, get := newPuller(size), []string{http.MethodGet}
	return router{
		"/pull":                  {[]string{http.MethodGet, http.MethodPost}, authenticated(v, workload.Wrap(p, middlewares))},
		"/subscriptions":         {get, answer(listSubscriptions)},
		"/.well-known/jwks.json": {get, answer(func(http.ResponseWriter, *http.Request) (any, error) { return json.RawMessage(jwks), nil })},
	}, p, nil
}

func listSubscriptions(http.ResponseWriter, *http.Request) (any, error) { return Subscriptions(), nil }

// desk is where accounts are dealt with.
type desk struct {
	accounts *accounts
	key      *signingKey
	lifetime time.Duration
	now      func() time.Time
}

// addTo adds the paths for accounts to those for pulls.
func (d *desk) addTo(routes router, v *verifier) {
	post := []string{http.MethodPost}
	routes["/signup"] = route{post, answer(d.signUp)}
	routes["/login"] = route{post, answer(d.logIn)}
	routes["/upgrade"] = route{post, authenticated(v, answer(d.upgrade))}
}

// account is the answer to a sign-up.
type account struct {
	Username     string `json:"username"`
	Subscription string `json:"subscription"`
}

// pass is the answer to a login and to an upgrade.
type pass struct {
	Token        string    `json:"token"`
	Expires      time.Time `json:"expires"`
	Subscription string    `json:"subscription"`
}

func (d *desk) signUp(w http.ResponseWriter, r *http.Request) (any, error) {
	var name, password string
	subscription := Personal.Name
	fields := map[string]*string{"username": &name, "password": &password, "subscription": &subscription}
	if err := decodeRequest(w, r, fields); err != nil {
		return nil, err
	}
	s, err := SubscriptionNamed(subscription)
	if err := errors.Join(checkUsername(name), checkPassword(password), err); err != nil {
		return nil, failure{http.StatusBadRequest, strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	if err := d.accounts.signUp(r.Context(), name, password, s); err != nil {
		return nil, err
	}
	return created{account{Username: name, Subscription: s.Name}}, nil
}

func (d *desk) logIn(w http.ResponseWriter, r *http.Request) (any, error) {
	var name, password string
	if err := decodeRequest(w, r, map[string]*string{"username": &name, "password": &password}); err != nil {
		return nil, err
	}
	s, err := d.accounts.logIn(r.Context(), name, password)
	if err != nil {
		return nil, err
	}
	return d.pass(function.Caller{User: name, Subscription: s.Name})
}

func (d *desk) upgrade(w http.ResponseWriter, r *http.Request) (any, error) {
	caller, ok := function.CallerFrom(r.Context())
	if !ok {
		return nil, errors.New("upgrade without a caller")
	}
	var wanted string
	if err := decodeRequest(w, r, map[string]*string{"subscription": &wanted}); err != nil {
		return nil, err
	}
	to, err := SubscriptionNamed(wanted)
	if err != nil {
		return nil, failure{http.StatusBadRequest, err.Error()}
	}
	if err := d.accounts.upgrade(r.Context(), caller.User, to); err != nil {
		return nil, err
	}
	return d.pass(function.Caller{User: caller.User, Subscription: to.Name})
}

func (d *desk) pass(c function.Caller) (pass, error) {
	now := d.now()
	token, err := d.key.mint(c, now, d.lifetime)
	if err != nil {
		return pass{}, err
	}
	expires := now.Add(d.lifetime).Truncate(time.Second).UTC()
	return pass{Token: token, Expires: expires, Subscription: c.Subscription}, nil
}

// created marks an answer that has the status 201.
type created struct{ value any }

// answer makes a handler of a func that returns what to answer.
func answer(f func(http.ResponseWriter, *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value, err := f(w, r)
		if err != nil {
			fail(w, r, err)
			return
		}
		if c, ok := value.(created); ok {
			writeJSON(w, http.StatusCreated, c.value)
			return
		}
		writeJSON(w, http.StatusOK, value)
	})
}

// fail tells the client what was wrong with its request; what was wrong here is
// logged, and the client is told no more than that.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	var f failure
	if errors.As(err, &f) {
		writeError(w, f.status, f.why)
		return
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			writeError(w, s.status, s.err.Error())
			return
		}
	}
	if r.Context().Err() != nil {
		return // the client is gone
	}
	slog.Error("imagehub", "path", r.URL.Path, "error", err)
	writeError(w, http.StatusInternalServerError, "internal error")
}

func writeError(w http.ResponseWriter, status int, why string) {
	writeJSON(w, status, map[string]string{"error": why})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store") // tokens among them
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // a client that is gone need not be told
}
