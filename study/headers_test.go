package study_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/taremesh/tare/study"
)

const headed = `tare: study/1
name: headed
workload: {name: echo}
load: {headers: %s}
treatments: [{name: router, control: router}]
`

func TestHeaders(t *testing.T) {
	s := parse(t, fmt.Sprintf(headed, `{x-tier: gold, Authorization: Bearer a.b-c_d}`))
	if got, want := fmt.Sprint(s.Load.Headers.All()), "[[Authorization Bearer a.b-c_d] [x-tier gold]]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for given, want := range map[string]string{
		`{"": x}`:               `s.yaml:4:18: header "": want 1 to 64 letters`,
		`{"a b": x}`:            `header "a b": want 1 to 64`,
		`{"a:": x}`:             `header "a:": want 1 to 64`,
		`{Content-Length: "3"}`: `header "Content-Length" says how a request is sent`,
		`{host: x}`:             `header "host" says how`,
		`{x-a: y, X-A: z}`:      `header "x-a" is there twice`,
		`{x-a: "y\r\nhost: z"}`: `header "x-a": want at most 8192 printable`,
		`{x-a: " y"}`:           `header "x-a": want at most`,
		`{x-a: é}`:              `header "x-a": want at most`,
		`{x-a: [1]}`:            "s.yaml:4:",
		`[x-a]`:                 "s.yaml:4:",
		`{x-a: ` + strings.Repeat("y", 8193) + `}`: "want at most 8192",
	} {
		_, err := study.Parse("s.yaml", []byte(fmt.Sprintf(headed, given)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %s", given, err, want)
		}
	}
}
