package embedded_test

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/function"
)

// scriptURL is the message of the tests' own filter: a string of commands,
// one a line, for which every data plane would need another name.
const scriptURL = "type.googleapis.com/google.protobuf.StringValue"

// testFilters is one filter type that does what its configuration says.
func testFilters() []function.FilterType {
	return []function.FilterType{{URL: scriptURL, New: newScript}}
}

type script struct {
	lines []string
	count int
}

func newScript(a *anypb.Any) (function.Filter, error) {
	var m wrapperspb.StringValue
	if err := a.UnmarshalTo(&m); err != nil {
		return nil, fmt.Errorf("read script: %w", err)
	}
	s := &script{lines: strings.Split(m.GetValue(), "\n")}
	for _, l := range s.lines {
		if strings.HasPrefix(l, "bad") {
			return nil, fmt.Errorf("field value: %q is not understood", l)
		}
	}
	return s, nil
}

func (s *script) Handle(x function.Exchange) bool {
	for _, l := range s.lines {
		verb, rest, _ := strings.Cut(l, " ")
		name, value, _ := strings.Cut(rest, " ")
		switch verb {
		case "set":
			x.SetHeader(name, []byte(value))
		case "remove":
			x.RemoveHeader(name)
		case "respond":
			x.AddResponseHeader(name, []byte(value))
		case "count":
			s.count++
			x.AddResponseHeader("x-count", fmt.Append(nil, s.count))
		case "refuse":
			if _, ok := x.Header(name); ok {
				x.Reply(403, "refused for "+name)
				return false
			}
		}
	}
	return true
}
