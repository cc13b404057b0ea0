package route

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// Redirect sends the client elsewhere.
type Redirect struct {
	Status int
	scheme string
	host   string
	port   uint32
	path   rewriting
	strip  bool // the query
}

var redirectStatus = map[routev3.RedirectAction_RedirectResponseCode]int{
	routev3.RedirectAction_MOVED_PERMANENTLY:  301,
	routev3.RedirectAction_FOUND:              302,
	routev3.RedirectAction_SEE_OTHER:          303,
	routev3.RedirectAction_TEMPORARY_REDIRECT: 307,
	routev3.RedirectAction_PERMANENT_REDIRECT: 308,
}

func newRedirect(a *routev3.RedirectAction) (r Redirect, err error) {
	r.Status, r.host, r.port, r.strip = redirectStatus[a.GetResponseCode()], a.GetHostRedirect(), a.GetPortRedirect(), a.GetStripQuery()
	if r.Status == 0 {
		return r, fmt.Errorf("field response_code: %v is not supported", a.GetResponseCode())
	}
	if a.GetHttpsRedirect() {
		r.scheme = "https"
	}
	if s := a.GetSchemeRedirect(); s != "" {
		r.scheme = strings.ToLower(s)
	}
	if r.path, err = newRewriting(a.GetPrefixRewrite(), a.GetRegexRewrite()); err != nil {
		return r, err
	}
	r.path.whole = a.GetPathRedirect()
	if strings.ContainsAny(r.host+r.path.whole+r.scheme, "\r\n\x00 ") {
		return r, errors.New("field host_redirect, path_redirect or scheme_redirect: holds a character that a location cannot have")
	}
	return r, nil
}

// Location is where the client is sent, or with some direct answers, what it
// has asked for.
func (e *Entry) Location(x Request) []byte {
	r := e.Redirect
	if r == nil {
		r = &Redirect{}
	}
	from := "http"
	if p, ok := x.Copy("x-forwarded-proto", 0); ok && string(p) == "https" {
		from = "https"
	}
	scheme := r.scheme
	if scheme == "" {
		scheme = from
	}
	b := append([]byte(scheme), "://"...)
	b = r.authority(b, x.Host(), from, scheme)
	target := x.Path()
	if r.strip {
		target, _, _ = cutByte(target, '?')
	}
	if r.path.none() {
		return append(b, target...)
	}
	return r.path.append(b, target, e.match)
}

// authority appends the host and its port: the ports that the schemes have by
// themselves go when the scheme changes.
func (r *Redirect) authority(b, host []byte, from, scheme string) []byte {
	name, its := host, []byte(nil)
	if at := port.FindIndex(host); at != nil {
		name, its = host[:at[0]], host[at[0]:]
	}
	if r.host != "" {
		name, its = []byte(r.host), nil
	}
	if from == "http" && scheme == "https" && bytes.Equal(its, []byte(":80")) || from == "https" && scheme == "http" && bytes.Equal(its, []byte(":443")) {
		its = nil
	}
	b = append(b, name...)
	if r.port != 0 {
		return strconv.AppendUint(append(b, ':'), uint64(r.port), 10)
	}
	return append(b, its...)
}

// Direct is an answer that the route gives by itself.
type Direct struct {
	Status int
	Body   string
}

// Locates reports whether the answer says where what it speaks of is.
func (d *Direct) Locates() bool { return d.Status == 201 || d.Status >= 300 && d.Status < 400 }

// mostBody is the longest body of a direct answer, Envoy's default.
const mostBody = 4096

func newDirect(a *routev3.DirectResponseAction) (d Direct, err error) {
	d.Status = int(a.GetStatus())
	if d.Status < 200 || d.Status > 599 {
		return d, fmt.Errorf("field status: %d is not a final status", d.Status)
	}
	switch {
	case a.GetBody() == nil:
	case a.GetBody().GetInlineString() != "":
		d.Body = a.GetBody().GetInlineString()
	case len(a.GetBody().GetInlineBytes()) > 0:
		d.Body = string(a.GetBody().GetInlineBytes())
	}
	if len(d.Body) > mostBody {
		return d, fmt.Errorf("field body: it has %d bytes, more than %d", len(d.Body), mostBody)
	}
	return d, nil
}
