package imagehub

import (
	"encoding/json"
	"testing"
)

// Whatever is taken, encoding/json takes as well and reads the same from.
func FuzzDecodeStrings(f *testing.F) {
	for _, s := range []string{
		`{"username":"ann","password":"long enough","subscription":"Team"}`,
		`{}`, `{"username":"a"}{}`, `{"username":"a","username":"b"}`, `{"username":1}`, `{"username":"\u0000\ud800"}`, ` { } `, `{"username":"a"} x`, `null`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var name, password, subscription string
		fields := map[string]*string{"username": &name, "password": &password, "subscription": &subscription}
		if err := decodeStrings(text, fields); err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		var want map[string]string
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("%q is taken, encoding/json says %v", text, err)
		}
		for key, value := range want {
			into, ok := fields[key]
			if !ok || *into != value {
				t.Errorf("%q: field %q", text, key)
			}
		}
	})
}

func TestCheckUsername(t *testing.T) {
	for _, good := range []string{"a", "7", "ann", "user-00001", "a.b_c-d"} {
		if err := checkUsername(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "-a", ".a", "_a", "A", "a b", "a\x00", "ä", "a/b", "a:b"} {
		if checkUsername(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestImageOf(t *testing.T) {
	for query, want := range map[string]string{
		"":                       "",
		"image=a":                "a",
		"x=1&image=a/b:1@sha256": "a/b:1@sha256",
		"image=a%2Fb":            "a/b",
		"image=a&image=b":        "a",
		"myimage=a":              "",
	} {
		got, err := imageOf(query)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", query, got, err, want)
		}
	}
}
