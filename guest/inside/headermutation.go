package inside

import (
	"errors"
	"strconv"
)

// mutation changes headers, in order.
type mutation struct{ request, response []change }

type change struct{ op, name, value string }

// newMutation reads "request OP NAME VALUE" and "response OP NAME VALUE".
func newMutation(lines [][]string) (Filter, error) {
	f := &mutation{}
	for i, words := range lines {
		if len(words) != 4 || words[1] != "set" && words[1] != "append" && words[1] != "remove" {
			return nil, errors.New("header-mutation: line " + strconv.Itoa(i+2) + " is not understood")
		}
		c := change{words[1], words[2], words[3]}
		if words[0] == "response" {
			f.response = append(f.response, c)
		} else {
			f.request = append(f.request, c)
		}
	}
	return f, nil
}

func (f *mutation) Stream() Stream { return f }

func (f *mutation) Request(h Host) bool {
	apply(h, Request, f.request)
	return true
}

func (f *mutation) Response(h Host) { apply(h, Response, f.response) }

func apply(h Host, of Side, all []change) {
	for i := range all {
		switch c := &all[i]; c.op {
		case "set":
			h.Set(of, c.name, c.value)
		case "append":
			h.Add(of, c.name, c.value)
		case "remove":
			h.Remove(of, c.name)
		}
	}
}
