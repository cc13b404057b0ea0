package openloop

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
)

func TestFrameRefuses(t *testing.T) {
	head := func(n uint32) string { return "G" + string(binary.BigEndian.AppendUint32(nil, n)) }
	for name, c := range map[string]struct{ input, want string }{
		"cut head":    {"G\x00", "EOF"},
		"cut payload": {head(5) + "abc", "unexpected EOF"},
		"too long":    {head(maxFrame + 1), "more than"},
		"false size":  {head(maxFrame) + "abc", "unexpected EOF"},
	} {
		if _, err := readFrame(strings.NewReader(c.input)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
	}
	if _, err := readFrame(strings.NewReader("")); err != io.EOF {
		t.Errorf("at the proper end: %v", err)
	}
}

func FuzzServe(f *testing.F) {
	frames := func(kinds ...string) []byte {
		var b bytes.Buffer
		for _, k := range kinds {
			_ = writeFrame(&b, k[0], []byte(k[1:]))
		}
		return b.Bytes()
	}
	f.Add(frames(`O{"targets":[{"addr":"127.0.0.1:1","method":"GET","path":"/","connections":1,"max_connections":1}]}`))
	f.Add(frames(`G{"load":{"rate":1,"each":1}}`, "C", `O{}`))
	f.Add(frames("X"))
	f.Fuzz(func(t *testing.T, input []byte) {
		if bytes.Contains(input, []byte("addr")) {
			return // nothing is connected to
		}
		s := &server{out: newOutlet(io.Discard), frames: make(chan frame)}
		go s.read(bytes.NewReader(input))
		defer s.closeEngine()
		if s.serve() != nil {
			for range s.frames { // the reader ends
			}
		}
		if err := s.out.close(); err != nil {
			t.Error(err)
		}
	})
}
