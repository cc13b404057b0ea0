package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates, by the name of the page.
type pages map[string]*template.Template

func parsePages() (pages, error) {
	all := pages{}
	for _, name := range []string{"welcome", "signup", "login", "hub", "trouble"} {
		t, err := template.ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("read page %s: %w", name, err)
		}
		all[name] = t
	}
	return all, nil
}

// page is what every page is made of.
type page struct {
	Title     string
	Session   *session // nil: nobody is logged in
	FormToken string
	// Wrong is what was wrong with the form that was sent; empty: nothing.
	Wrong string
	// Username and Wanted fill a form in again.
	Username, Wanted string

	Subscriptions []subscription
	Images        []string
	Limit         *limitView // nil: there has been no pull
	Trouble       *trouble
}

// show writes a page, whole or not at all.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.FormToken = h.formToken(w, r, p.Session)
	var text bytes.Buffer
	if err := h.pages[name].Execute(&text, p); err != nil {
		slog.Error("imagehub web", "page", name, "error", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // a client that is gone need not be told
}

// Current reports whether a subscription is the one that the user has.
func (p page) Current(s subscription) bool {
	return p.Session != nil && s.Name == p.Session.Subscription
}

// Higher reports whether a subscription is higher than the one that the user has.
func (p page) Higher(s subscription) bool {
	for _, have := range p.Subscriptions {
		if p.Current(have) {
			return s.PullsPerMinute > have.PullsPerMinute
		}
	}
	return false
}

// CanUpgrade reports whether there is a higher subscription.
func (p page) CanUpgrade() bool { return slices.ContainsFunc(p.Subscriptions, p.Higher) }
