package headermutation

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/study"

	"github.com/taremesh/tare/function"
)

func decoded(t *testing.T, text string) (Spec, error) {
	t.Helper()
	p, err := study.JSONParams("params", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := Decode(p)
	if err != nil {
		return Spec{}, err
	}
	return function.SpecAs[Spec](spec)
}

func TestDecode(t *testing.T) {
	got, err := decoded(t, `{"request": [{"op": "set", "name": "X-A", "value": ""}], "response": [{"op": "remove", "name": "Server"}]}`)
	want := Spec{Request: []Mutation{{Op: Set, Name: "x-a"}}, Response: []Mutation{{Op: Remove, Name: "server"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := decoded(t, string(text)); err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("%s: %+v, %v", text, again, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:            "both are empty",
		`{"reply": []}`: "reply",
		`{"request": [{"op": "add", "name": "a"}]}`:                                                 `request[0].op: "add"`,
		`{"request": [{"op": "set", "name": "a b"}]}`:                                               "request[0].name",
		`{"request": [{"op": "set", "name": ":path", "value": "/"}]}`:                               "request[0].name",
		`{"request": [{"op": "set", "name": "a", "value": "1"}, {"op": "remove", "name": "Host"}]}`: "request[1].name: host",
		`{"response": [{"op": "set", "name": "Content-Length", "value": "1"}]}`:                     "response[0].name: content-length",
		`{"request": [{"op": "append", "name": "cookie", "value": "a=b"}]}`:                         "name: cookie",
		`{"response": [{"op": "set", "name": "a", "value": "b\r\nc: d"}]}`:                          "response[0].value",
		`{"response": [{"op": "set", "name": "a", "value": " b"}]}`:                                 "response[0].value",
		`{"response": [{"op": "remove", "name": "a", "value": "b"}]}`:                               "whatever its value",
	} {
		if _, err := decoded(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What Go's filter does not understand of Envoy's message it refuses by name.
func TestFilterRefuses(t *testing.T) {
	appending := func(o *corev3.HeaderValueOption) []*mutationv3.HeaderMutation {
		return []*mutationv3.HeaderMutation{{Action: &mutationv3.HeaderMutation_Append{Append: o}}}
	}
	value := func(v string) *corev3.HeaderValue { return &corev3.HeaderValue{Key: "a", Value: v} }
	for want, m := range map[string]*headermutationv3.HeaderMutation{
		"field most_specific_header_mutations_wins":  {MostSpecificHeaderMutationsWins: true},
		"field mutations.request_trailers_mutations": {Mutations: &headermutationv3.Mutations{RequestTrailersMutations: appending(nil)}},
		"ADD_IF_ABSENT": {Mutations: &headermutationv3.Mutations{RequestMutations: appending(
			&corev3.HeaderValueOption{Header: value("b"), AppendAction: corev3.HeaderValueOption_ADD_IF_ABSENT})}},
		"has a command":    {Mutations: &headermutationv3.Mutations{ResponseMutations: appending(&corev3.HeaderValueOption{Header: value("%REQ(a)%")})}},
		"keep_empty_value": {Mutations: &headermutationv3.Mutations{ResponseMutations: appending(&corev3.HeaderValueOption{Header: value("")})}},
		"request_mutations[0].name": {Mutations: &headermutationv3.Mutations{RequestMutations: []*mutationv3.HeaderMutation{
			{Action: &mutationv3.HeaderMutation_Remove{Remove: "content-length"}}}}},
	} {
		packed, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newFilter(packed); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", m, err, want)
		}
	}
	if _, err := newFilter(&anypb.Any{TypeUrl: typeURL, Value: []byte{1}}); err == nil {
		t.Error("a broken message was taken")
	}
}

// A response that says nothing of its status or its body is changed as well.
func TestResponseWithoutAWord(t *testing.T) {
	wrap, err := NewMiddleware(Spec{Response: []Mutation{{Op: Set, Name: "x-a", Value: "1"}, {Op: Remove, Name: "content-type"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, handle := range map[string]http.HandlerFunc{
		"nothing":   func(http.ResponseWriter, *http.Request) {},
		"a status":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"a body":    func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
		"a flush":   func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.Write([]byte("x")) },
		"a control": func(w http.ResponseWriter, _ *http.Request) { http.NewResponseController(w).Flush() },
		"early words": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("X-A", "late")
			w.WriteHeader(http.StatusOK)
		},
	} {
		server := httptest.NewServer(wrap(handle))
		resp, err := http.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		server.Close()
		if got := resp.Header.Values("X-A"); !reflect.DeepEqual(got, []string{"1"}) {
			t.Errorf("%s: x-a is %q", name, got)
		}
		if got := resp.Header.Values("Content-Type"); len(got) != 0 {
			t.Errorf("%s: content-type is %q", name, got)
		}
	}
}

// The request that the handler's caller holds stays as it is.
func TestRequestIsCopied(t *testing.T) {
	wrap, err := NewMiddleware(Spec{Request: []Mutation{{Op: Remove, Name: "x-a"}, {Op: Append, Name: "x-b", Value: "2"}}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-A", "1")
	wrap(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		if q.Header.Get("X-A") != "" || q.Header.Get("X-B") != "2" {
			t.Errorf("the handler got %v", q.Header)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	if r.Header.Get("X-A") != "1" || r.Header.Get("X-B") != "" {
		t.Errorf("the request became %v", r.Header)
	}
}

// FuzzLibrary holds the fast core against the model.
func FuzzLibrary(f *testing.F) {
	f.Add("set", "x-a", "1", "append", "x-a", "2")
	f.Add("remove", "X-A", "", "append", "vary", "a, b")
	f.Fuzz(func(t *testing.T, op1, name1, value1, op2, name2, value2 string) {
		s, err := Spec{Request: []Mutation{{Op(op1), name1, value1}, {Op(op2), name2, value2}, {Append, name1, "z"}}}.complete()
		if err != nil {
			return
		}
		sent := http.Header{"X-A": {"a", "b"}, "Vary": {"accept"}}
		if got, want := ready(s.Request).on(sent.Clone()), apply(s.Request, sent); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: %v, the model says %v", s.Request, got, want)
		}
	})
}
