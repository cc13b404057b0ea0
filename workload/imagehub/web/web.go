package web

import (
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
)

// Handler is the web front end.
type Handler struct {
	api     *client
	formKey [32]byte // of the tokens in forms, for as long as the process lives
	pages   pages
	mux     *http.ServeMux
}

//go:embed static
var embedded embed.FS

// New makes the front end of the API at a base URL such as
// http://127.0.0.1:8080.
func New(api string) (*Handler, error) {
	base, err := parseBase(api)
	if err != nil {
		return nil, err
	}
	static, err := fs.Sub(embedded, "static")
	if err != nil {
		return nil, err
	}
	h := &Handler{api: newClient(base), mux: http.NewServeMux()}
	if _, err := rand.Read(h.formKey[:]); err != nil {
		return nil, err
	}
	if h.pages, err = parsePages(); err != nil {
		return nil, err
	}
	h.mux.HandleFunc("GET /{$}", h.home)
	h.mux.HandleFunc("GET /signup", h.form("signup", "Sign up"))
	h.mux.HandleFunc("GET /login", h.form("login", "Log in"))
	for path, do := range map[string]http.HandlerFunc{
		"/signup": h.signUp, "/login": h.logIn, "/logout": h.logOut, "/pull": h.pull, "/upgrade": h.upgrade,
	} {
		h.mux.Handle("POST "+path, h.sameOrigin(do))
	}
	for _, path := range []string{"/logout", "/pull", "/upgrade"} {
		h.mux.Handle("GET "+path, http.RedirectHandler("/", http.StatusSeeOther)) // a form's address, typed
	}
	for _, name := range []string{"style.css", "limit.js", "icon.svg"} {
		h.mux.HandleFunc("GET /static/"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, static, name) })
	}
	h.mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	h.mux.HandleFunc("/", h.notFound)
	return h, nil
}

// parseBase reads the API's base URL. A token goes there with every pull, so
// plain HTTP is for this machine only: a proxy of the mesh stands on it.
func parseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the API's URL: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("the API's URL %q: want http://HOST:PORT or https://HOST", text)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		return nil, fmt.Errorf("the API's URL %q: want scheme, host and port only", u.Redacted())
	}
	if u.Scheme == "http" && !Loopback(u.Hostname()) {
		return nil, fmt.Errorf("the API's URL %q: plain HTTP would carry tokens over the network; name a proxy on this machine, or use https", text)
	}
	u.Path = ""
	return u, nil
}

// Loopback reports whether a host is this machine, without asking a resolver.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// headers keep a page to what this server itself serves. The policy allows no
// inline style or script. Referrers stay on this origin, which also keeps the
// Origin of a form's request from being null.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	"Cache-Control":                "no-store",
}

const maxForm = 16 << 10

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	h.mux.ServeHTTP(w, r)
}

// sameOrigin lets a form's request through if it comes from a page of this
// server: the browser says so, and the form's token fits the browser's cookies.
func (h *Handler) sameOrigin(next http.HandlerFunc) http.Handler {
	browser := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := r.ParseForm()
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			h.fail(w, r, trouble{status: http.StatusRequestEntityTooLarge, Title: "That was too much",
				What: "The form was larger than this page takes.", Do: "Go back and write less."})
		case err != nil || browser.Check(r) != nil || !h.formTokenFits(r):
			h.fail(w, r, trouble{status: http.StatusForbidden, Title: "This form was not taken",
				What: "It did not come from a page that this server made for you, or that page is too old.",
				Do:   "Go to the start page and try again there. Cookies must be allowed."})
		default:
			next(w, r)
		}
	})
}
