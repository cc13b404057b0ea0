package study

import "testing"

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0B": 0, "64B": 64, "1KiB": 1 << 10, "1024B": 1 << 10, "3MiB": 3 << 20, "16MiB": MaxSize,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: %d, %v; want %d", text, s, err, want)
		}
		var back Size
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s {
			t.Errorf("%q is written %q, which reads as %d, %v", text, s, back, err)
		}
	}
	for _, bad := range []string{"", "64", "B", "-1B", "+1B", "1.5KiB", "1kB", "17MiB", "99999999999999999999B", "1 KiB", "16777217B"} {
		var s Size
		if err := s.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is read as %d, want an error", bad, s)
		}
	}
}

func FuzzSize(f *testing.F) {
	f.Add("1KiB")
	f.Add("B")
	f.Fuzz(func(t *testing.T, text string) {
		var s, back Size
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s || s < 0 || s > MaxSize {
			t.Errorf("%q -> %d -> %q -> %d, %v", text, s, s, back, err)
		}
	})
}
