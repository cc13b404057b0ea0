package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/load"
)

func readNothing(string) ([]byte, error) { return nil, errors.New("no files here") }

func TestParseMix(t *testing.T) {
	text := "# kinds\n\n3 GET /items\n0.5  POST /orders\n  Content-Type: text/plain\n\t@order\n1 PUT /x\n = a body: with a colon\n"
	got, err := parseMix(strings.NewReader(text), func(name string) ([]byte, error) { return []byte("content of " + name), nil })
	want := []load.Request{
		{Weight: 3, Method: "GET", Path: "/items"},
		{Weight: 0.5, Method: "POST", Path: "/orders", Header: [][2]string{{"Content-Type", "text/plain"}}, Content: []byte("content of order")},
		{Weight: 1, Method: "PUT", Path: "/x", Content: []byte("a body: with a colon")},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestParseMixRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "it names no request",
		"GET /x":                               `line 1: "GET /x" is not weight, method and path`,
		"\n x: y":                              "line 2: it is indented, and there is no request above it",
		"0 GET /":                              `the weight "0"`,
		"NaN GET /":                            `the weight "NaN"`,
		"1 GET /\n  hello":                     "line 2",
		"1 PUT /\n  @a":                        "no files here",
		"1 PUT /\n  = a\n  = b":                "line 3: the request has a body already",
		strings.Repeat("1 GET /\n", 1001):      "more than 1000 kinds",
		"1 GET /" + strings.Repeat("x", 1<<20): "a line has more than",
	} {
		if _, err := parseMix(strings.NewReader(text), readNothing); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseMix(f *testing.F) {
	f.Add("3 GET /items/{n}\n1 POST /orders\n  A: b\n  = c\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseMix(strings.NewReader(text), readNothing)
		if err == nil && len(got) == 0 {
			t.Error("no request and no error")
		}
		for _, q := range got {
			if !(q.Weight > 0) || q.Method == "" || q.Path == "" {
				t.Errorf("%q gives %+v", text, q)
			}
		}
	})
}
