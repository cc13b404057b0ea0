package openloop

import (
	"strconv"

	"github.com/taremesh/tare/load"
)

// asking is what goes over HTTP/2 for the requests of a population: indices
// into the fields of a target, of each request and of each user.
type asking struct {
	fields    *fields
	byRequest [][]int32
	byUser    [][]int32
	requests  *requests
	grpc      bool
	messages  []int     // per request: how many a call sends
	varied    []*varied // per request; nil: alike each time
	value     []byte    // memory for what is rendered
	length    int       // of the body of the request that is about to be sent
}

func newAsking(w *worker, target int, t load.Target) asking {
	a := asking{fields: newFields(), requests: &w.requests, grpc: t.Protocol == load.GRPC, varied: w.requests.varied[target]}
	scheme, host := "http", t.Host
	if t.TLS != nil {
		scheme = "https"
	}
	if host == "" {
		host = t.Addr
	}
	p := w.population
	share := shares(len(p.Requests), func(i int) float64 { return p.Requests[i].Weight })
	for i, q := range p.Requests {
		of := []int32{
			a.fields.add(":method", a.method(q), share(i)), a.fields.add(":scheme", scheme, share(i)),
			a.fields.add(":authority", host, share(i)),
		}
		v := a.varied[i]
		if v == nil {
			of = append(of, a.fields.add(":path", q.Path, share(i)))
		}
		if a.grpc {
			of = append(of, a.fields.add("content-type", "application/grpc", share(i)), a.fields.add("te", "trailers", share(i)))
		} else if v != nil {
			// its length is told each time
		} else if n := len(w.requests.byTarget[target][i][0].body); n > 0 || q.Method == "POST" || q.Method == "PUT" || q.Method == "PATCH" {
			of = append(of, a.fields.add("content-length", strconv.Itoa(n), share(i)))
		}
		a.messages = append(a.messages, max(q.Messages, 1))
		of = append(of, a.fields.add("user-agent", "tare", share(i)))
		if v == nil {
			of = a.header(of, q.Header, share(i))
		}
		a.byRequest = append(a.byRequest, of)
	}
	share = shares(len(p.Users), func(i int) float64 { return p.Users[i].Weight })
	for i, u := range p.Users {
		a.byUser = append(a.byUser, a.header(nil, u.Header, share(i)))
	}
	a.fields.rank()
	return a
}

func (a *asking) method(q load.Request) string {
	if a.grpc {
		return "POST"
	}
	return q.Method
}

func (a *asking) header(of []int32, header [][2]string, share float64) []int32 {
	for _, h := range header {
		of = append(of, a.fields.add(h[0], h[1], share))
	}
	return of
}

// shares is how often each of n is drawn by its weight.
func shares(n int, weight func(int) float64) func(int) float64 {
	sum := 0.0
	for i := range n {
		sum += weight(i)
	}
	return func(i int) float64 {
		if n == 1 || sum == 0 {
			return 1
		}
		return weight(i) / sum
	}
}

// appendBlock appends the header block of a sample's request.
func (a *asking) appendBlock(b []byte, e *encoder, s *load.Sample) []byte {
	of := a.byRequest[s.Request]
	if v := a.varied[s.Request]; v != nil {
		for _, i := range of[:pseudoFields] {
			b = e.append(b, &a.fields.all[i])
		}
		b, of = a.appendVaried(b, v, s), of[pseudoFields:]
	}
	for _, i := range of {
		b = e.append(b, &a.fields.all[i])
	}
	for _, i := range a.byUser[s.User] {
		b = e.append(b, &a.fields.all[i])
	}
	return b
}

// outgoing is what a stream has to send; own is the stream's memory, for what
// differs each time.
func (a *asking) outgoing(s *load.Sample, own []byte) (outgoing, []byte) {
	var body []byte
	if v := a.varied[s.Request]; v == nil {
		body = a.requests.of(s).body
	} else if _, body = v.body(a.requests.scratch[:0], a.vars(v, s)); v.content.Most() > 0 {
		own = append(own[:0], body...)
		body = own
	}
	a.length = len(body)
	if a.grpc {
		return call(body, a.messages[s.Request]), own
	}
	return plain(body), own
}

func (a *asking) vars(v *varied, s *load.Sample) load.Vars {
	return load.Vars{Seed: v.seed, Number: a.requests.number, User: int(s.User)}
}

// pseudoFields are those before :path, which all requests have.
const pseudoFields = 3

// appendVaried appends the fields that differ each time, without an entry in
// the dynamic table.
func (a *asking) appendVaried(b []byte, v *varied, s *load.Sample) []byte {
	vars := a.vars(v, s)
	vars.Place = load.PathPlace
	a.value = v.path.Append(a.value[:0], vars)
	b = appendLiteral(b, ":path", a.value)
	if v.sized && !a.grpc {
		a.value = strconv.AppendInt(a.value[:0], int64(a.length), 10)
		b = appendLiteral(b, "content-length", a.value)
	}
	for i, name := range v.lower {
		vars.Place = load.HeaderPlace + uint64(i)
		a.value = v.values[i].Append(a.value[:0], vars)
		b = appendLiteral(b, name, a.value)
	}
	return b
}

// appendLiteral is of RFC 7541 §6.2.2, with a new name.
func appendLiteral(b []byte, name string, value []byte) []byte {
	b = append(appendInteger(append(b, 0), 0, 7, len(name)), name...)
	return append(appendInteger(b, 0, 7, len(value)), value...)
}
