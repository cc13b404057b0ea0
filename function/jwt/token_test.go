package jwt

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// sameMembers holds walk against encoding/json: the same texts are objects,
// and their members are the same.
func sameMembers(t *testing.T, text []byte) {
	got := map[string]any{}
	twice := false
	ok := walk(text, func(name, value []byte) bool {
		var v any
		if err := json.Unmarshal(value, &v); err != nil {
			t.Fatalf("member %q of %q: value %q: %v", name, text, value, err)
		}
		_, known := got[string(name)]
		twice = twice || known
		got[string(name)] = v
		return true
	})
	var want map[string]any
	isObject := json.Unmarshal(text, &want) == nil && want != nil
	if ok && !isObject {
		t.Fatalf("%q is no object", text)
	}
	if ok && !twice && !reflect.DeepEqual(got, want) {
		t.Fatalf("members of %q: %v, want %v", text, got, want)
	}
	if isObject && !ok && bytes.Equal(text, bytes.ToValidUTF8(text, nil)) {
		t.Fatalf("%q is an object, and not read", text)
	}
}

func TestWalk(t *testing.T) {
	for _, text := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":[1,2,{"b":"]"}],"c":"\\"}`, `{"a":{"b":{}},"c":true , "d":null}`,
		`{"":""}`, `{"a":1,"a":2}`, `[]`, `"x"`, `1`, `null`, ``, `{`, `{"a"}`, `{"a":1}x`, "{\"a\":\"\xff\"}",
	} {
		sameMembers(t, []byte(text))
	}
}
