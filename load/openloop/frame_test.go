package openloop

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/load"
)

func TestSamplesThroughFrames(t *testing.T) {
	var want []load.Sample
	for i := range 50_000 { // more than one frame
		want = append(want, load.Sample{Intended: 1000, User: uint32(i), Status: 200})
	}
	for _, samples := range [][]load.Sample{want, {}} {
		var b bytes.Buffer
		if err := load.EncodeSamples(sampleWriter{&b}, samples); err != nil {
			t.Fatal(err)
		}
		if err := writeFrame(&b, frameEnd, nil); err != nil {
			t.Fatal(err)
		}
		b.WriteString("next")
		in := bufio.NewReader(&b)
		r := &sampleReader{r: in}
		got, err := load.DecodeSamples(r)
		if diff := cmp.Diff(samples, got); err != nil || diff != "" {
			t.Fatalf("error %v, difference %.300s", err, diff)
		}
		if err := r.drain(); err != nil {
			t.Fatal(err)
		}
		if rest, _ := io.ReadAll(in); string(rest) != "next" {
			t.Errorf("%q is left, want the next", rest)
		}
	}
}

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
	r := &sampleReader{r: bufio.NewReader(strings.NewReader(head(0)))}
	if _, err := r.ReadByte(); err == nil {
		t.Error("a frame G among samples: no error")
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
	f.Add(frames(`G{"rate":1,"each":1}`, "C", `O{}`))
	f.Add(frames("X"))
	f.Fuzz(func(t *testing.T, input []byte) {
		if bytes.Contains(input, []byte("addr")) {
			return // nothing is connected to
		}
		s := &server{out: io.Discard, frames: make(chan frame)}
		go s.read(bytes.NewReader(input))
		defer s.closeEngine()
		for f := range s.frames {
			if s.answer(f) != nil {
				for range s.frames { // the reader ends
				}
			}
		}
	})
}
