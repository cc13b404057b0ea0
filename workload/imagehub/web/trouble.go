package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
)

// trouble is a page that says what is wrong and what to do about it.
type trouble struct {
	status   int
	Title    string
	What, Do string
	Words    string // of the API or a proxy before it; empty: none
	LogIn    bool   // offer to log in
}

// troubles are the pages for statuses of the API or of a proxy before it.
var troubles = map[int]trouble{
	http.StatusUnauthorized: {status: http.StatusUnauthorized, Title: "Your session has ended", LogIn: true,
		What: "The API does not take the token of this session any more: it has expired, or the API has a new key.",
		Do:   "Log in again."},
	http.StatusForbidden: {status: http.StatusForbidden, Title: "The way to the API is closed",
		What: "The mesh, or the API, does not allow this request.",
		Do:   "Whoever runs the mesh has to allow the web front end to call the API: an intention, an authorization policy."},
	http.StatusNotFound: {status: http.StatusBadGateway, Title: "The API does not know that",
		What: "It has no such account or no such path. Accounts that are kept in memory go when the API ends.",
		Do:   "Log out and sign up again. If that does not help, what stands at the API's address is not Image Hub's API."},
	http.StatusTooManyRequests: {status: http.StatusTooManyRequests, Title: "The limit bites here too",
		What: "Something on the way to the API limits more than pulls.",
		Do:   "Wait a little and try again."},
	http.StatusBadGateway:         away,
	http.StatusServiceUnavailable: away,
	http.StatusGatewayTimeout:     away,
}

var away = trouble{status: http.StatusServiceUnavailable, Title: "The API is away",
	What: "A proxy of the mesh answered, but the API behind it did not.",
	Do:   "Wait a moment and try again. If it stays so, see whether the API's process runs and the mesh knows its address."}

// troubleOf says what an error of a call is to the person before the page.
func troubleOf(err error, base *url.URL) trouble {
	var no *refusal
	if errors.As(err, &no) {
		t, known := troubles[no.status]
		if !known {
			t = trouble{status: http.StatusBadGateway, Title: "The API failed",
				What: "It answered " + http.StatusText(no.status) + ".", Do: "Try again; its own log says more."}
		}
		t.Words = no.words()
		return t
	}
	if errors.Is(err, errNotUnderstood) {
		return trouble{status: http.StatusBadGateway, Title: "The API cannot be understood",
			What: "What answers at " + base.String() + " does not speak as Image Hub's API does.",
			Do:   "Whoever started this front end has to give it the API's address, or that of its proxy."}
	}
	var of *url.Error
	if errors.As(err, &of) && of.Timeout() {
		return trouble{status: http.StatusGatewayTimeout, Title: "The API is too slow",
			What: "No answer came from " + base.String() + " within " + callTime.String() + ".", Do: "Try again in a moment."}
	}
	return trouble{status: http.StatusBadGateway, Title: "The API cannot be reached",
		What: "Nothing answers at " + base.String() + ", where the API or its proxy should be.",
		Do:   "Start it (tare imagehub up starts everything), then reload the start page."}
}

// failOn shows what became of a call of the API.
func (h *Handler) failOn(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the browser is gone
	}
	slog.Warn("imagehub web", "path", r.URL.Path, "error", err)
	t := troubleOf(err, h.api.base)
	if t.LogIn {
		endSession(w, r)
	}
	h.fail(w, r, t)
}

func (h *Handler) fail(w http.ResponseWriter, r *http.Request, t trouble) {
	p := page{Title: t.Title, Session: sessionOf(r), Trouble: &t}
	if t.LogIn {
		p.Session = nil
	}
	h.show(w, r, t.status, "trouble", p)
}

func (h *Handler) notFound(w http.ResponseWriter, r *http.Request) {
	h.fail(w, r, trouble{status: http.StatusNotFound, Title: "There is no such page", What: "Nothing is at this address.", Do: "Go to the start page."})
}
