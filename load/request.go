package load

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// The places of a request's templates, as Vars.Place; header i has
// HeaderPlace + i.
const (
	PathPlace uint64 = iota
	ContentPlace
	HeaderPlace
)

// checkBody says what is wrong with what a request carries, if anything.
func (r Request) checkBody() error {
	given := 0
	for _, has := range [...]bool{r.Body > 0, r.Size != nil, len(r.Content) > 0} {
		if has {
			given++
		}
	}
	switch {
	case given > 1:
		return errors.New("it has more than one of body, size and content")
	case r.Body < 0 || r.Body > MaxBody:
		return fmt.Errorf("a body of %d bytes, not 0 to %d", r.Body, MaxBody)
	case r.Body > 0 && bodiless[r.Method]:
		return fmt.Errorf("a body of %d bytes with the method %s, which has none", r.Body, r.Method)
	case given > 0 && bodiless[r.Method]:
		return fmt.Errorf("a body with the method %s, which has none", r.Method)
	case len(r.Content) > MaxBody:
		return fmt.Errorf("a content of %d bytes, more than %d", len(r.Content), MaxBody)
	case r.Size != nil:
		if err := r.Size.Check(MaxBody); err != nil {
			return fmt.Errorf("the size: %w", err)
		}
	}
	return nil
}

// checkTemplates says what is wrong with a request's templates, if anything.
func (r Request) checkTemplates() error {
	if !r.Template {
		return nil
	}
	path, err := ParseTemplate(r.Path)
	if err != nil {
		return fmt.Errorf("the path: %w", err)
	}
	for _, p := range path.pieces {
		for _, c := range slices.Concat(p.choices, []string{p.literal}) {
			if !isVisible(c) {
				return fmt.Errorf("the path's %q holds spaces or control characters", c)
			}
		}
	}
	for _, h := range r.Header {
		if _, err := ParseTemplate(h[1]); err != nil {
			return fmt.Errorf("the header %s: %w", h[0], err)
		}
	}
	content, err := ParseTemplate(string(r.Content))
	if err != nil {
		return fmt.Errorf("the content: %w", err)
	}
	if content.Most() > MaxBody {
		return fmt.Errorf("the content can become %d bytes, more than %d", content.Most(), MaxBody)
	}
	return nil
}

// Sizes draws the bytes that each request of a kind carries; nil without a Size.
func (r Request) Sizes(seed uint64) (*Sampler, error) {
	if r.Size == nil {
		return nil, nil
	}
	s, err := r.Size.sampler(seed, sizeStream, MaxBody)
	if err != nil {
		return nil, fmt.Errorf("draw sizes: %w", err)
	}
	return &s, nil
}

// Cookies is the header that sends cookies, given as name and value.
func Cookies(pairs ...[2]string) ([2]string, error) {
	var all []string
	for _, c := range pairs {
		// RFC 6265 §4.1.1: no spaces, quotes, commas, semicolons, backslashes.
		if !isToken(c[0]) {
			return [2]string{}, fmt.Errorf("%q is no cookie's name", c[0])
		}
		if !isVisible(c[1]) || strings.ContainsAny(c[1], "\",;\\") {
			return [2]string{}, fmt.Errorf("the value of cookie %s holds what no cookie can: spaces, quotes, commas, semicolons, backslashes or control characters", c[0])
		}
		all = append(all, c[0]+"="+c[1])
	}
	if len(all) == 0 {
		return [2]string{}, errors.New("no cookies are given")
	}
	return [2]string{"Cookie", strings.Join(all, "; ")}, nil
}

// MaxCrowd is how many users Crowd makes.
const MaxCrowd = 1_000_000

// Crowd is that many users of whom the k-th sends in proportion to 1/kˢ: with a
// skew s of 0 all alike, with 1 as Zipf found words to be used.
func Crowd(n int, skew float64) ([]User, error) {
	if n < 1 || n > MaxCrowd {
		return nil, fmt.Errorf("%d users, not 1 to %d", n, MaxCrowd)
	}
	if !(skew >= 0 && skew <= 10) {
		return nil, fmt.Errorf("a skew of %v, not 0 to 10", skew)
	}
	users := make([]User, n)
	for k := range users {
		users[k].Weight = math.Pow(float64(k+1), -skew)
	}
	return users, nil
}

// MaxChurn is the greatest rate at which connections are renewed, per second.
const MaxChurn = 1e5

// checkReuse says what is wrong with how connections are used, if anything.
func (t Target) checkReuse() error {
	switch {
	case !(t.Churn >= 0 && t.Churn <= MaxChurn):
		return fmt.Errorf("target %s: a churn of %v connections/s, not 0 to %v", t.Name, t.Churn, float64(MaxChurn))
	case t.Protocol == Connect && (t.Fresh || t.Churn > 0):
		return fmt.Errorf("target %s: each request of %s is a connection: none stand that could be renewed", t.Name, Connect)
	case t.Churn > 0 && t.Fresh:
		return fmt.Errorf("target %s: a churn of connections, and each request opens its own", t.Name)
	}
	return nil
}
