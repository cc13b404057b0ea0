package embedded

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
)

// The settings lose one of theirs, wherever it stands, and what comes behind them
// stays as it is.
func TestWithoutConnect(t *testing.T) {
	other := http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 14}
	promise := http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}
	frames := func(settings ...http2.Setting) []byte {
		var b bytes.Buffer
		f := http2.NewFramer(&b, nil)
		if err := f.WriteSettings(settings...); err != nil {
			t.Fatal(err)
		}
		if err := f.WriteWindowUpdate(0, 7); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, c := range []struct{ in, want []byte }{
		{frames(other, promise), frames(other)},
		{frames(promise, other, other), frames(other, other)},
		{frames(promise), frames()},
		{frames(other), frames(other)},
		{frames(), frames()},
		{frames(promise)[:12], frames(promise)[:12]},
		{[]byte("HTTP/1.1 400 Bad Request"), []byte("HTTP/1.1 400 Bad Request")},
		{nil, nil},
	} {
		if got := withoutConnect(c.in); !bytes.Equal(got, c.want) {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
	}
}
