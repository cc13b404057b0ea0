package openloop

import (
	"bytes"
	"fmt"

	"github.com/taremesh/tare/load"
)

// requests holds every request that can be sent, built once.
type requests struct {
	byTarget [][][]byte // [target][user], without the body; targets that ask alike share theirs
	bodies   [][]byte   // by target; nil: none. They share one piece of memory
	bytes    int        // of all of them
}

func buildRequests(targets []load.Target, p load.Population) requests {
	users := p.Users
	if len(users) == 0 {
		users = []load.User{{}}
	}
	built := map[string][][]byte{}
	r := requests{byTarget: make([][][]byte, len(targets)), bodies: make([][]byte, len(targets))}
	body := longestBody(targets)
	r.bytes += len(body)
	for i, t := range targets {
		host := t.Host
		if host == "" {
			host = t.Addr
		}
		head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: tare\r\n", t.Method, t.Path, host)
		if t.Body > 0 {
			r.bodies[i] = body[:t.Body:t.Body]
		}
		if t.Body > 0 || t.Method == "POST" || t.Method == "PUT" || t.Method == "PATCH" {
			head += fmt.Sprintf("Content-Length: %d\r\n", t.Body)
		}
		if built[head] == nil {
			built[head] = make([][]byte, len(users))
			for j, u := range users {
				built[head][j] = request(head, u)
				r.bytes += len(built[head][j])
			}
		}
		r.byTarget[i] = built[head]
	}
	return r
}

// longestBody is the body that all others are the beginning of.
func longestBody(targets []load.Target) []byte {
	longest := 0
	for _, t := range targets {
		longest = max(longest, t.Body)
	}
	return bytes.Repeat([]byte{'.'}, longest)
}

func request(head string, u load.User) []byte {
	n := len(head) + 2
	for _, h := range u.Header {
		n += len(h[0]) + len(h[1]) + 4
	}
	b := append(make([]byte, 0, n), head...)
	for _, h := range u.Header {
		b = append(b, h[0]...)
		b = append(b, ": "...)
		b = append(b, h[1]...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}
