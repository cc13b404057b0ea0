package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"
)

// The cookies, by the first part of their names.
const (
	sessionCookie = "imagehub_session"
	pullCookie    = "imagehub_pull" // what the last pull gave
	formCookie    = "imagehub_form"
)

// session is who is logged in. It is the browser's own copy: only the API
// knows whether the token is good.
type session struct {
	Token        string    `json:"token"`
	User         string    `json:"user"`
	Subscription string    `json:"subscription"`
	Expires      time.Time `json:"expires"`
}

// good reports whether the session can be used: its token has the characters
// of one and the time has not run out.
func (s session) good() bool {
	const characters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	return s.Token != "" && s.User != "" && strings.Trim(s.Token, characters) == "" && time.Now().Before(s.Expires)
}

// sessionOf returns the session of a request, nil without a good one.
func sessionOf(r *http.Request) *session {
	var s session
	if !readCookie(r, sessionCookie, &s) || !s.good() {
		return nil
	}
	return &s
}

func startSession(w http.ResponseWriter, r *http.Request, s session) {
	writeCookie(w, r, sessionCookie, s, int(time.Until(s.Expires).Seconds()))
}

func endSession(w http.ResponseWriter, r *http.Request) {
	dropCookie(w, r, sessionCookie)
	dropCookie(w, r, pullCookie)
}

// cookieName adds the port that the request came in at: cookies of one host are
// shared by all its ports, and another Image Hub may run on the next one.
func cookieName(r *http.Request, name string) string {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if _, port, err := net.SplitHostPort(addr.String()); err == nil {
			return name + "_" + port
		}
	}
	return name
}

// cookie is what all cookies have in common: no script reads them, no other
// site's request that does anything carries them.
func cookie(r *http.Request, name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(r, name), Value: value, MaxAge: maxAge, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil,
	}
}

// writeCookie keeps a value as JSON; a maxAge of 0 keeps it until the browser ends.
func writeCookie(w http.ResponseWriter, r *http.Request, name string, value any, maxAge int) {
	text, err := json.Marshal(value)
	if err != nil {
		return // what is kept so is made of texts, numbers and times
	}
	http.SetCookie(w, cookie(r, name, encodeCookie(text), maxAge))
}

// encodeCookie writes any text with the characters that a cookie may have.
func encodeCookie(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }

func readCookie(r *http.Request, name string, into any) bool {
	c, err := r.Cookie(cookieName(r, name))
	if err != nil {
		return false
	}
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	return err == nil && json.Unmarshal(text, into) == nil
}

func dropCookie(w http.ResponseWriter, r *http.Request, name string) {
	http.SetCookie(w, cookie(r, name, "", -1))
}

// formToken returns the token for the forms of a page, bound to a random
// cookie of the browser and to who is logged in. It sets the cookie if it is
// not there.
func (h *Handler) formToken(w http.ResponseWriter, r *http.Request, s *session) string {
	if c, err := r.Cookie(cookieName(r, formCookie)); err == nil && c.Value != "" {
		return h.signForm(c.Value, s)
	}
	value := rand.Text()
	http.SetCookie(w, cookie(r, formCookie, value, 0))
	return h.signForm(value, s)
}

func (h *Handler) signForm(value string, s *session) string {
	m := hmac.New(sha256.New, h.formKey[:])
	m.Write([]byte(value))
	if s != nil {
		m.Write([]byte{'\n'})
		m.Write([]byte(s.Token))
	}
	return hex.EncodeToString(m.Sum(nil))
}

func (h *Handler) formTokenFits(r *http.Request) bool {
	c, err := r.Cookie(cookieName(r, formCookie))
	if err != nil || c.Value == "" {
		return false
	}
	return hmac.Equal([]byte(h.signForm(c.Value, sessionOf(r))), []byte(r.PostForm.Get("form")))
}
