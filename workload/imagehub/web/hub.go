package web

import (
	"errors"
	"net/http"
	"slices"
	"time"
)

// images are those that a person can choose from.
var images = []string{
	"library/tare:1.0", "library/alpine:3.20", "library/postgres:17", "library/golang:1.26", "library/envoy:1.40",
}

// home is the start page: the hub of who is logged in, else a welcome.
func (h *Handler) home(w http.ResponseWriter, r *http.Request) {
	h.showHome(w, r, http.StatusOK, "")
}

func (h *Handler) showHome(w http.ResponseWriter, r *http.Request, status int, wrong string) {
	all, err := h.api.subscriptions(r.Context())
	if err != nil {
		h.failOn(w, r, err)
		return
	}
	p := page{Title: "Image Hub", Session: sessionOf(r), Subscriptions: all, Images: images, Wrong: wrong}
	if p.Session == nil {
		h.show(w, r, status, "welcome", p)
		return
	}
	var last pullResult
	if readCookie(r, pullCookie, &last) {
		v := last.view(time.Now())
		p.Limit, p.Wanted, p.Title = &v, last.Image, v.title()
	}
	h.show(w, r, status, "hub", p)
}

// form shows an empty form.
func (h *Handler) form(name, title string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h.showForm(w, r, http.StatusOK, name, page{Title: title})
	}
}

// showForm shows a form, filled in as far as the page says.
func (h *Handler) showForm(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Session = sessionOf(r)
	if name == "signup" {
		var err error
		if p.Subscriptions, err = h.api.subscriptions(r.Context()); err != nil {
			h.failOn(w, r, err)
			return
		}
	}
	h.show(w, r, status, name, p)
}

func (h *Handler) signUp(w http.ResponseWriter, r *http.Request) {
	user, password, wanted := r.PostForm.Get("username"), r.PostForm.Get("password"), r.PostForm.Get("subscription")
	if err := h.api.signUp(r.Context(), user, password, wanted); err != nil {
		again := page{Title: "Sign up", Username: user, Wanted: wanted}
		h.again(w, r, "signup", again, err, http.StatusBadRequest, http.StatusConflict)
		return
	}
	h.begin(w, r, user, password)
}

func (h *Handler) logIn(w http.ResponseWriter, r *http.Request) {
	h.begin(w, r, r.PostForm.Get("username"), r.PostForm.Get("password"))
}

// begin logs a user in and goes to the start page.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, user, password string) {
	s, err := h.api.logIn(r.Context(), user, password)
	if err != nil {
		h.again(w, r, "login", page{Title: "Log in", Username: user}, err, http.StatusBadRequest, http.StatusUnauthorized)
		return
	}
	dropCookie(w, r, pullCookie)
	startSession(w, r, s)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// again shows a form again with what was wrong with it, when the API's answer
// has one of the statuses that say so.
func (h *Handler) again(w http.ResponseWriter, r *http.Request, name string, p page, err error, statuses ...int) {
	var no *refusal
	if !errors.As(err, &no) || !slices.Contains(statuses, no.status) {
		h.failOn(w, r, err)
		return
	}
	p.Wrong = no.words()
	h.showForm(w, r, no.status, name, p)
}

func (h *Handler) logOut(w http.ResponseWriter, r *http.Request) {
	endSession(w, r)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// pull pulls an image and keeps what came of it for the start page, so that a
// reload does not pull again.
func (h *Handler) pull(w http.ResponseWriter, r *http.Request) {
	s := sessionOf(r)
	if s == nil {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	image := r.PostForm.Get("image")
	if !slices.Contains(images, image) {
		h.showHome(w, r, http.StatusBadRequest, "There is no such image: choose one of the list.")
		return
	}
	a, err := h.api.pull(r.Context(), s.Token, image)
	var no *refusal
	if errors.As(err, &no) && no.status == http.StatusTooManyRequests {
		a, err = no.answer, nil
	}
	if err != nil {
		h.failOn(w, r, err)
		return
	}
	writeCookie(w, r, pullCookie, resultOf(image, a, time.Now()), 0)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (h *Handler) upgrade(w http.ResponseWriter, r *http.Request) {
	s := sessionOf(r)
	if s == nil {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	now, err := h.api.upgrade(r.Context(), *s, r.PostForm.Get("subscription"))
	var no *refusal
	if errors.As(err, &no) && (no.status == http.StatusBadRequest || no.status == http.StatusConflict) {
		h.showHome(w, r, no.status, no.words())
		return
	}
	if err != nil {
		h.failOn(w, r, err)
		return
	}
	dropCookie(w, r, pullCookie) // another subscription has another limit
	startSession(w, r, now)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
