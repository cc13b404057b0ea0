package function

import (
	"testing"
	"time"
)

func TestDurationReadsWhatItWrites(t *testing.T) {
	for text, want := range map[string]time.Duration{"0s": 0, "250ms": 250 * time.Millisecond, "1.5s": 1500 * time.Millisecond, "1h": time.Hour, "-1s": -time.Second} {
		var d, again Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want {
			t.Errorf("%s is %v, error %v; want %v", text, d, err, want)
		}
		written, err := d.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalText(written); err != nil || again != d {
			t.Errorf("%s is written as %s and read as %v, error %v", text, written, again, err)
		}
	}
	for _, text := range []string{"", "5", "1 s", "fast", "9999999h"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %v", text, d)
		}
	}
}
