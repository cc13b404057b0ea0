package imagehub

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/workload"
)

// puller answers GET /pull for a caller who is known. POST /pull is the same
// with a body, which is read and thrown away: for studies of the size of
// requests.
type puller struct {
	served atomic.Int64
	intake workload.Intake

	body []byte
	// Header values are made once; a slice without spare capacity is copied by
	// whoever appends to it.
	contentType, length, digest []string
}

func newPuller(size workload.Size) *puller {
	body := make([]byte, size)
	// Any bytes that do not compress, the same in every process.
	_, _ = rand.NewChaCha8([32]byte{'i', 'm', 'a', 'g', 'e'}).Read(body)
	sum := sha256.Sum256(body)
	return &puller{
		body:        body,
		contentType: []string{"application/octet-stream"},
		length:      []string{strconv.Itoa(len(body))},
		digest:      []string{"sha256:" + hex.EncodeToString(sum[:])},
	}
}

// ServeHTTP counts before it writes, so that whoever has seen an answer finds
// it counted.
func (p *puller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ref, err := imageOf(r.URL.RawQuery)
	if err == nil {
		err = checkImage(ref)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	if err := p.intake.Take(r); err != nil {
		return // the client is gone
	}
	p.served.Add(1)
	h := w.Header()
	h["Content-Type"], h["Content-Length"], h["Docker-Content-Digest"] = p.contentType, p.length, p.digest
	_, _ = w.Write(p.body) // a client that is gone need not be told
}

// imageOf finds the parameter image in a query without taking all of it apart.
func imageOf(query string) (string, error) {
	for part := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(part, "image="); ok {
			if strings.IndexByte(value, '%') < 0 && strings.IndexByte(value, '+') < 0 {
				return value, nil
			}
			return url.QueryUnescape(value)
		}
	}
	return "", nil
}

// authenticated verifies the token of every request and puts its caller into
// the context for the handler behind it.
func authenticated(v *verifier, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := bearer(r.Header["Authorization"])
		if err != nil {
			refuse(w, err)
			return
		}
		caller, err := v.caller(token)
		if err != nil {
			refuse(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(function.WithCaller(r.Context(), caller)))
	})
}

// refuse answers a request without a good token (RFC 6750 §3).
func refuse(w http.ResponseWriter, why error) {
	challenge := `Bearer error="invalid_token"`
	if why == errNoToken {
		challenge = "Bearer"
	}
	w.Header().Set("WWW-Authenticate", challenge)
	writeError(w, http.StatusUnauthorized, why.Error())
}
