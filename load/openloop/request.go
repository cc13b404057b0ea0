package openloop

import (
	"bytes"
	"fmt"

	"github.com/taremesh/tare/load"
)

// requests holds every request that can be sent. Those that are alike each time
// are built once.
type requests struct {
	byTarget [][][]prepared // [target][request][user]; targets that ask alike share theirs
	varied   [][]*varied    // [target][request]; nil: alike each time
	bytes    int            // of all of them
	scratch  []byte         // a thread's own, for those that are not alike
	number   uint64         // of the request that the thread is about to send
}

// prepared is a request as it goes over the wire.
type prepared struct {
	head, body []byte // body nil: none. All bodies share one piece of memory
	borrowed   bool   // both change when the thread renders its next request
}

func (p prepared) size() int { return len(p.head) + len(p.body) }

// keep notes what is left of a request of which n bytes were taken.
func (c *conn) keep(p prepared, n int) {
	head, body := p.head[min(n, len(p.head)):], p.body
	if len(head) == 0 {
		head, body = p.body[n-len(p.head):], nil
	}
	if p.borrowed {
		c.own = append(append(c.own[:0], head...), body...)
		head, body = c.own, nil
	}
	c.rest, c.body = head, body
}

// await notes what is to be sent and to come back.
func (c *conn) await(p prepared) {
	if p.borrowed {
		c.own = append(c.own[:0], p.body...)
		p.body = c.own
	}
	c.awaited = p.body
}

// of is what a sample asks for that is about to be sent.
func (r *requests) of(s *load.Sample) prepared {
	if v := r.varied[s.Target][s.Request]; v != nil {
		return v.render(r.scratch, int(s.User), r.number)
	}
	return r.byTarget[s.Target][s.Request][s.User]
}

// number is that of an arrival in its load, among the arrivals of all threads
// and generators. In a closed load numbers that are waited for are left out.
func (w *worker) number(place int32) uint64 {
	behind := (int(place) - w.oldest) & (maxPlaces - 1)
	return uint64(w.turn.K + max(w.turn.N, 1)*(w.oldest+behind))
}

// own is the requests for one more thread.
func (r requests) own() requests {
	most := 0
	for _, ofTarget := range r.varied {
		for _, v := range ofTarget {
			if v != nil {
				most = max(most, v.most())
			}
		}
	}
	r.scratch = make([]byte, 0, most)
	return r
}

// begin takes the load's seed for what is drawn.
func (r *requests) begin(l load.Load) error {
	for _, ofTarget := range r.varied {
		for _, v := range ofTarget {
			if v != nil {
				if err := v.begin(l.Seed); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// asked is the population with what it leaves out.
func asked(p load.Population) load.Population {
	if len(p.Users) == 0 {
		p.Users = []load.User{{}}
	}
	if len(p.Requests) == 0 {
		p.Requests = []load.Request{{Method: "GET", Path: "/"}}
	}
	return p
}

func buildRequests(targets []load.Target, p load.Population) requests {
	p = asked(p)
	built := map[string][]prepared{}
	r := requests{byTarget: make([][][]prepared, len(targets)), varied: make([][]*varied, len(targets))}
	filler := longestBody(targets, p.Requests)
	r.bytes += len(filler)
	for i, t := range targets {
		for _, q := range p.Requests {
			if t.Body > 0 {
				q.Body, q.Size, q.Content = t.Body, nil, nil
			}
			if q.Template || q.Size != nil {
				v := newVaried(t, q, p.Users, filler)
				r.varied[i] = append(r.varied[i], v)
				r.byTarget[i] = append(r.byTarget[i], nil)
				r.bytes += v.most()
				continue
			}
			body := q.Content
			if len(body) == 0 {
				body = filler[:q.Body:q.Body]
			}
			head := requestLine(q.Method, q.Path) + fixedHeader(t)
			if carries(q) {
				head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
			}
			head += string(appendHeader(nil, q.Header))
			key := head + string(q.Content)
			if built[key] == nil {
				built[key] = forUsers(head, body, p.Users)
				r.bytes += sizeOf(built[key])
			}
			r.byTarget[i] = append(r.byTarget[i], built[key])
			r.varied[i] = append(r.varied[i], nil)
		}
	}
	return r
}

func requestLine(method, path string) string { return method + " " + path + " HTTP/1.1\r\n" }

// fixedHeader is what every request to a target begins with.
func fixedHeader(t load.Target) string {
	host := t.Host
	if host == "" {
		host = t.Addr
	}
	head := "Host: " + host + "\r\nUser-Agent: tare\r\n"
	if t.Fresh {
		head += "Connection: close\r\n"
	}
	return head
}

// carries says whether a request tells how long its body is.
func carries(q load.Request) bool {
	return q.Body > 0 || q.Size != nil || len(q.Content) > 0 || q.Method == "POST" || q.Method == "PUT" || q.Method == "PATCH"
}

func forUsers(head string, body []byte, users []load.User) []prepared {
	if len(body) == 0 {
		body = nil
	}
	all := make([]prepared, len(users))
	for j, u := range users {
		all[j] = prepared{head: append(appendHeader([]byte(head), u.Header), "\r\n"...), body: body}
	}
	return all
}

// sizeOf is the bytes of heads.
func sizeOf(all []prepared) int {
	n := 0
	for _, p := range all {
		n += len(p.head)
	}
	return n
}

// longestBody is the body that all others are the beginning of.
func longestBody(targets []load.Target, requests []load.Request) []byte {
	longest := 0
	for _, t := range targets {
		longest = max(longest, t.Body)
	}
	for _, q := range requests {
		longest = max(longest, q.Body)
		if q.Size != nil {
			longest = max(longest, 1, int(q.Size.Greatest(load.MaxBody)))
		}
	}
	return bytes.Repeat([]byte{'.'}, longest)
}

func appendHeader(b []byte, header [][2]string) []byte {
	for _, h := range header {
		b = append(b, h[0]...)
		b = append(b, ": "...)
		b = append(b, h[1]...)
		b = append(b, "\r\n"...)
	}
	return b
}
