package embedded

import (
	"bufio"
	"fmt"
	"slices"
	"testing"

	"github.com/taremesh/tare/function"
)

// insteader answers in the place of responses to requests that ask for it.
type insteader struct{ *seer }

func (s insteader) Respond(x function.Exchange, r function.Response) {
	s.seer.Respond(x, r)
	if _, ok := x.Header("x-instead"); !ok {
		return
	}
	x.Reply(451, "instead")
	x.(function.Amender).Amend(func(r function.Response) {
		r.SetHeader("x-amended", []byte("yes"))
		r.SetHeader("content-type", []byte("text/x"))
	})
}

// What a filter answers in a response's place is all that there is of it: no
// filter before it is shown any, and nothing of the response is left, be it the
// service's or that of a filter behind. The connection goes on.
func TestInstead(t *testing.T) {
	rec := newRecord()
	all := []function.Filter{
		&seer{name: "first", record: rec, encode: true},
		insteader{&seer{name: "second", record: rec}},
		&seer{name: "third", refuse: "x-third", record: rec, encode: true},
	}
	o := newOrigin(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Home: 1\r\n\r\nok")
	_, addr := run(t, envoyLimits, all, o.addr)
	c := dial(t, addr)
	in := bufio.NewReader(c)
	for _, q := range []struct {
		header string
		want   string
		lines  []string
	}{
		{"X-Instead: 1\r\n", `451 "instead" "text/x" "yes" "" []`, []string{"first handles /", "second handles /", "third handles /",
			`third sees 200 of /, length "2"`, `second sees 200 of /, length "2"`}},
		{"X-Instead: 1\r\nX-Third: 1\r\n", `451 "instead" "text/x" "yes" "" []`, []string{"first handles /", "second handles /", "third handles /",
			`second sees 403 of /, length "8"`}},
		{"", `200 "OK!!" "" "" "1" [third second first]`, []string{"first handles /", "second handles /", "third handles /",
			`third sees 200 of /, length "2"`, `second sees 200 of /, length "2"`, `first sees 200 of /, length "2"`}},
	} {
		fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", q.header)
		status, head, body := answerOf(t, in, "GET")
		got := fmt.Sprintf("%d %q %q %q %q %v", status, body, head.Get("content-type"), head.Get("x-amended"), head.Get("x-home"), head.Values("x-seen"))
		if lines := rec.take(); got != q.want || !slices.Equal(lines, q.lines) {
			t.Errorf("%q: %s\nwant %s\n%q", q.header, got, q.want, lines)
		}
	}
}
