package load_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/load"
)

func encode(tb testing.TB, samples []load.Sample) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := load.EncodeSamples(&b, samples); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// usual makes samples as traffic gives them.
func usual(n int) []load.Sample {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]load.Sample, n)
	at := time.Duration(0)
	for i := range all {
		at += time.Duration(r.IntN(1_000_000))
		s := load.Sample{Intended: at, User: r.Uint32N(2000), Target: uint16(r.IntN(7)), Status: 200}
		s.Written = at + time.Duration(r.IntN(50_000))
		s.FirstByte = s.Written + time.Duration(r.IntN(300_000))
		s.LastByte = s.FirstByte + time.Duration(r.IntN(1_000))
		all[i] = s
	}
	return all
}

func TestSamplesRoundTrip(t *testing.T) {
	cases := map[string][]load.Sample{
		"none":                     {},
		"one":                      {{Intended: 5, Written: 6, FirstByte: 7, LastByte: 8, User: 9, Target: 10, Status: 11, Class: load.Limited}},
		"refused":                  {{Intended: time.Hour, Written: -1, FirstByte: -1, LastByte: -1, Failed: time.Hour + 7, Class: load.Refused}},
		"reset, nobody knows when": {{Intended: time.Hour, Written: time.Hour, FirstByte: -1, LastByte: -1, Class: load.Reset}},
		"extremes": {
			{Intended: math.MaxInt64, Written: math.MinInt64, FirstByte: math.MaxInt64, LastByte: math.MinInt64, Failed: math.MaxInt64, User: math.MaxUint32, Target: math.MaxUint16, Status: math.MaxUint16, Class: load.Malformed},
			{Intended: math.MinInt64, Written: math.MaxInt64, FirstByte: math.MinInt64},
		},
		"many": usual(20_000), // more than one buffer
	}
	for name, want := range cases {
		encoded := encode(t, want)
		for reader, r := range map[string]io.Reader{
			"whole":   bytes.NewReader(encoded),
			"piecely": iotest.OneByteReader(bytes.NewReader(encoded)),
		} {
			got, err := load.DecodeSamples(r)
			if err != nil {
				t.Errorf("%s, %s: %v", name, reader, err)
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%.500s", name, reader, diff)
			}
		}
	}
}

// The bytes are the documented ones.
func TestSamplesFormat(t *testing.T) {
	got := encode(t, []load.Sample{
		{Intended: 100, Written: 101, FirstByte: 103, LastByte: 103, User: 300, Target: 2, Request: 7, Status: 200, Class: load.OK},
		{Intended: 164, Written: -1, FirstByte: -1, LastByte: -1, Failed: 264, Target: 1, Class: load.Refused},
	})
	want := []byte("tare-samples/3\n")
	want = append(want, 2)                               // count
	want = append(want, 0xc8, 0x01, 2, 4, 0)             // +100, +1, +2, +0 in zig-zag
	want = append(want, 0xac, 0x02, 2, 7, 0xc8, 0x01, 0) // user 300, target 2, request 7, status 200, ok
	want = append(want, 0x80, 0x01, 0xc9, 0x02, 0, 0)    // +64, −165, 0, 0
	want = append(want, 0, 1, 0, 0, 5, 0xc8, 0x01)       // user 0, target 1, request 0, no status, refused after 100
	want = binary.LittleEndian.AppendUint32(want, crc32.Checksum(want, crc32.MakeTable(crc32.Castagnoli)))
	if !bytes.Equal(got, want) {
		t.Errorf("encoded\n got %x\nwant %x", got, want)
	}
}

// What the versions before wrote is still read.
func TestOlderFormatsAreRead(t *testing.T) {
	whole := load.Sample{Intended: 100, Written: 101, FirstByte: 103, LastByte: 103, User: 300, Target: 2, Status: 200, Class: load.OK}
	asked := whole
	asked.Request = 7
	refused := load.Sample{Intended: 164, Written: -1, FirstByte: -1, LastByte: -1, Target: 1, Class: load.Refused}
	for name, c := range map[string]struct {
		records []byte // as above, without what the version has not
		want    []load.Sample
	}{
		"tare-samples/1\n": {[]byte{2, 0xc8, 0x01, 2, 4, 0, 0xac, 0x02, 2, 0xc8, 0x01, 0, 0x80, 0x01, 0xc9, 0x02, 0, 0, 0, 1, 0, 5}, []load.Sample{whole, refused}},
		"tare-samples/2\n": {[]byte{2, 0xc8, 0x01, 2, 4, 0, 0xac, 0x02, 2, 7, 0xc8, 0x01, 0, 0x80, 0x01, 0xc9, 0x02, 0, 0, 0, 1, 0, 0, 5}, []load.Sample{asked, refused}},
	} {
		old := append([]byte(name), c.records...)
		old = binary.LittleEndian.AppendUint32(old, crc32.Checksum(old, crc32.MakeTable(crc32.Castagnoli)))
		got, err := load.DecodeSamples(bytes.NewReader(old))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%q: error %v, difference (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestDecodeLeavesWhatFollows(t *testing.T) {
	samples := usual(10)
	both := bufio.NewReader(bytes.NewReader(append(encode(t, samples), encode(t, samples[:3])...)))
	for _, want := range [][]load.Sample{samples, samples[:3]} {
		got, err := load.DecodeSamples(both)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("error %v, difference %s", err, diff)
		}
	}
}

func TestDecodeNamesWhatItRefuses(t *testing.T) {
	encoded := encode(t, usual(100))
	damaged := bytes.Clone(encoded)
	damaged[200] ^= 1
	head := load.SamplesFormat + "\n"
	cases := []struct{ name, input, want string }{
		{"nothing", "", "unexpected EOF"},
		{"foreign", "\x7fELF and so on", `starts with "\x7f"`},
		{"foreign text", "tare-report/1\n", "not tare-samples/3"},
		{"next version", "tare-samples/4\nwhatever", `the format is "tare-samples/4"`},
		{"longer version", "tare-samples/10\n", `the format is "tare-samples/10"`},
		{"endless name", "tare-samples/" + strings.Repeat("1", 1<<20), "not tare-samples/3"},
		{"damaged", string(damaged), "sum"},
		{"huge count", head + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "sample 0 of 18446744073709551615"},
		{"endless number", head + strings.Repeat("\xff", 11), "overflow"},
		{"user too great", head + "\x01\x00\x00\x00\x00\xff\xff\xff\xff\xff\x01\x00\x00\x00\x00", "the user is"},
		{"target too great", head + "\x01\x00\x00\x00\x00\x00\xff\xff\xff\x01\x00\x00\x00", "the target is"},
		{"request too great", head + "\x01\x00\x00\x00\x00\x00\x00\xff\xff\xff\x01\x00\x00", "the request is"},
		{"status too great", head + "\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\x01\x00", "the status is"},
		{"unknown class", head + "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x09", "the class is 9"},
		{"endless failure", head + "\x01\x00\x00\x00\x01\x00\x00\x00\x00\x04" + strings.Repeat("\xff", 11), "overflow"},
	}
	for _, c := range cases {
		_, err := load.DecodeSamples(strings.NewReader(c.input))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", c.name, err, c.want)
		}
	}
	for n := range encoded {
		if _, err := load.DecodeSamples(bytes.NewReader(encoded[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d of %d bytes: error %v", n, len(encoded), err)
		}
	}
}

// A reader of sets keeps its memory, takes no byte of what follows a set, and
// does not wait for one.
func TestSampleReader(t *testing.T) {
	sets := [][]load.Sample{usual(3000), {}, usual(7)}
	in, out := io.Pipe()
	go func() {
		for _, s := range sets {
			if _, err := out.Write(load.AppendSamples(nil, s)); err != nil {
				t.Error(err)
			}
		}
		out.Close()
	}()
	r := load.NewSampleReader(bufio.NewReader(in))
	for i, want := range sets {
		got, err := r.Next()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("set %d: error %v, difference %.300s", i, err, diff)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("after the last set: %v", err)
	}
	all := bytes.NewReader(load.AppendSamples(nil, sets[0]))
	buffered := bufio.NewReader(all)
	r = load.NewSampleReader(buffered)
	if n := testing.AllocsPerRun(10, func() {
		_, _ = all.Seek(0, io.SeekStart)
		buffered.Reset(all)
		if _, err := r.Next(); err != nil {
			t.Error(err)
		}
	}); n > 5 {
		t.Errorf("%v allocations for a set", n)
	}
}

func TestEncodeReportsFailedWrites(t *testing.T) {
	for limit := range 3 {
		if err := load.EncodeSamples(&failing{left: limit}, usual(10_000)); !errors.Is(err, errFull) {
			t.Errorf("after %d writes: error %v", limit, err)
		}
	}
}

var errFull = errors.New("full")

type failing struct{ left int }

func (f *failing) Write(b []byte) (int, error) {
	if f.left == 0 {
		return 0, errFull
	}
	f.left--
	return len(b), nil
}

func FuzzDecodeSamples(f *testing.F) {
	f.Add(encode(f, nil))
	f.Add(encode(f, usual(5)))
	f.Add([]byte("tare-samples/1\n\xff\xff\xff\xff\x0f"))
	f.Add(encode(f, []load.Sample{{Intended: 9, Written: -1, FirstByte: -1, LastByte: -1, Failed: 50, Class: load.Refused}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		samples, err := load.DecodeSamples(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := load.DecodeSamples(bytes.NewReader(encode(t, samples)))
		if diff := cmp.Diff(samples, again); err != nil || diff != "" {
			t.Fatalf("error %v, difference %s", err, diff)
		}
	})
}

func BenchmarkSamples(b *testing.B) {
	samples := usual(10_000)
	encoded := encode(b, samples)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			encoded = load.AppendSamples(encoded[:0], samples)
		}
		b.ReportMetric(float64(len(encoded))/float64(len(samples)), "bytes/sample")
	})
	b.Run("decode", func(b *testing.B) {
		in := bytes.NewReader(encoded)
		buffered := bufio.NewReaderSize(in, 1<<16)
		r := load.NewSampleReader(buffered)
		for b.Loop() {
			in.Reset(encoded)
			buffered.Reset(in)
			if _, err := r.Next(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
