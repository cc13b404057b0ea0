package openloop

import (
	"fmt"

	"github.com/taremesh/tare/load"
)

// requests holds every request that can be sent, built once.
type requests struct {
	byTarget [][][]byte // [target][user]; targets that ask alike share theirs
	bytes    int        // of all of them
}

func buildRequests(targets []load.Target, p load.Population) requests {
	users := p.Users
	if len(users) == 0 {
		users = []load.User{{}}
	}
	built := map[string][][]byte{}
	r := requests{byTarget: make([][][]byte, len(targets))}
	for i, t := range targets {
		host := t.Host
		if host == "" {
			host = t.Addr
		}
		head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: tare\r\n", t.Method, t.Path, host)
		if t.Method == "POST" || t.Method == "PUT" || t.Method == "PATCH" {
			head += "Content-Length: 0\r\n"
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
