package openloop

import (
	"strconv"
	"strings"

	"github.com/taremesh/tare/load"
)

// varied is a request that differs each time: by its templates, or by the size
// of its body.
type varied struct {
	method  string
	path    load.Template
	fixed   string // the header that is alike each time
	names   []string
	lower   []string // as HTTP/2 has them
	values  []load.Template
	users   [][]byte // what each user's header adds, with the empty line
	sized   bool     // it tells its body's length
	alike   []byte   // the body, where it is alike each time; nil: none
	content load.Template
	filler  []byte // of which bodies of drawn sizes are the beginning
	least   int    // of them: an echo of nothing cannot be seen to come back
	request load.Request
	sizes   *load.Sampler // of the load that runs; nil: sizes are not drawn
	seed    uint64        // of the load that runs
}

func newVaried(t load.Target, q load.Request, users []load.User, filler []byte) *varied {
	read := func(text string) load.Template {
		if parsed, err := load.ParseTemplate(text); q.Template && err == nil { // the population was checked
			return parsed
		}
		return load.Literal(text)
	}
	v := &varied{
		method: q.Method, path: read(q.Path), fixed: fixedHeader(t), sized: carries(q),
		filler: filler, request: q,
	}
	if t.Protocol == load.TCP {
		v.least = 1
	}
	switch content := read(string(q.Content)); {
	case q.Body > 0:
		v.alike = filler[:q.Body:q.Body]
	case !content.Constant():
		v.content = content
	case len(q.Content) > 0:
		v.alike = content.Append(nil, load.Vars{})
	}
	for _, h := range q.Header {
		v.names, v.lower = append(v.names, h[0]), append(v.lower, strings.ToLower(h[0]))
		v.values = append(v.values, read(h[1]))
	}
	for _, u := range users {
		v.users = append(v.users, append(appendHeader(nil, u.Header), "\r\n"...))
	}
	return v
}

// begin takes the load's seed.
func (v *varied) begin(seed uint64) (err error) {
	v.seed = seed
	v.sizes, err = v.request.Sizes(seed)
	return err
}

// most is how many bytes it can take in a thread's scratch.
func (v *varied) most() int {
	n := len(v.method) + v.path.Most() + len(v.fixed) + v.content.Most() + 64 // the words between
	for i := range v.names {
		n += len(v.names[i]) + v.values[i].Most() + len(": \r\n")
	}
	longest := 0
	for _, u := range v.users {
		longest = max(longest, len(u))
	}
	return n + longest
}

// render builds the request in the scratch, which holds it.
func (v *varied) render(scratch []byte, user int, number uint64) prepared {
	vars := load.Vars{Seed: v.seed, Number: number, User: user}
	b, body := v.body(scratch[:0], vars)
	start := len(b)
	b = append(append(b, v.method...), ' ')
	vars.Place = load.PathPlace
	b = v.path.Append(b, vars)
	b = append(append(b, " HTTP/1.1\r\n"...), v.fixed...)
	if v.sized {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	}
	for i := range v.names {
		b = append(append(b, v.names[i]...), ": "...)
		vars.Place = load.HeaderPlace + uint64(i)
		b = append(v.values[i].Append(b, vars), "\r\n"...)
	}
	b = append(b, v.users[user]...)
	return prepared{head: b[start:], body: body, borrowed: true}
}

// body is what the request carries, where it differs rendered behind b.
func (v *varied) body(b []byte, vars load.Vars) (after, body []byte) {
	switch {
	case v.sizes != nil:
		n := max(int(v.sizes.Draw(vars.Number)), v.least)
		body = v.filler[:n:n]
	case v.content.Most() > 0:
		vars.Place = load.ContentPlace
		after = v.content.Append(b, vars)
		return after, after[len(b):len(after):len(after)]
	default:
		body = v.alike
	}
	if len(body) == 0 {
		return b, nil
	}
	return b, body
}
