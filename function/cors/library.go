package cors

import (
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/rs/cors"

	"github.com/taremesh/tare/internal/fullmatch"
)

// NewMiddleware is the library form: github.com/rs/cors, told the same. The
// handler should say nothing of origins itself.
func NewMiddleware(s Spec) (func(http.Handler) http.Handler, error) {
	s, err := s.complete()
	if err != nil {
		return nil, err
	}
	var expressions []*regexp.Regexp
	for _, e := range s.OriginRegex {
		expressions = append(expressions, fullmatch.MustCompile(e)) // complete has tried
	}
	every := slices.Contains(s.Origins, "*")
	c := cors.New(cors.Options{
		AllowOriginFunc: func(origin string) bool {
			return every || slices.Contains(s.Origins, origin) ||
				slices.ContainsFunc(expressions, func(e *regexp.Regexp) bool { return e.MatchString(origin) })
		},
		AllowedMethods:   s.Methods,
		AllowedHeaders:   s.Headers,
		ExposedHeaders:   s.Expose,
		MaxAge:           int(s.MaxAge.Std() / time.Second),
		AllowCredentials: s.Credentials,
	})
	return func(next http.Handler) http.Handler {
		crossing := c.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(originHeader) != "" {
				crossing.ServeHTTP(w, r)
				return
			}
			// No page of another origin asks. The library would take what looks
			// like a preflight for one all the same.
			w.Header().Add("Vary", originHeader)
			next.ServeHTTP(w, r)
		})
	}, nil
}
