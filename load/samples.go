package load

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strings"
	"time"
)

// SamplesFormat is the first line of encoded samples: its name and version.
// docs/formats/samples.md describes what follows.
const SamplesFormat = "tare-samples/1"

const samplesFamily = "tare-samples/"

// A record is at most seven varints and a byte long.
const maxRecord = 7*binary.MaxVarintLen64 + 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// EncodeSamples writes samples in the format tare-samples/1.
func EncodeSamples(w io.Writer, samples []Sample) error {
	buf := make([]byte, 0, 1<<16)
	buf = append(buf, SamplesFormat+"\n"...)
	buf = binary.AppendUvarint(buf, uint64(len(samples)))
	sum := uint32(0)
	flush := func() error {
		sum = crc32.Update(sum, castagnoli, buf)
		_, err := w.Write(buf)
		buf = buf[:0]
		return err
	}
	previous := time.Duration(0)
	for _, s := range samples {
		if cap(buf)-len(buf) < maxRecord {
			if err := flush(); err != nil {
				return fmt.Errorf("write samples: %w", err)
			}
		}
		buf = appendSample(buf, s, previous)
		previous = s.Intended
	}
	if err := flush(); err != nil {
		return fmt.Errorf("write samples: %w", err)
	}
	if _, err := w.Write(binary.LittleEndian.AppendUint32(buf, sum)); err != nil {
		return fmt.Errorf("write samples: %w", err)
	}
	return nil
}

// appendSample relies on int64 differences that wrap around: any time survives.
func appendSample(b []byte, s Sample, previous time.Duration) []byte {
	b = binary.AppendVarint(b, int64(s.Intended-previous))
	b = binary.AppendVarint(b, int64(s.Written-s.Intended))
	b = binary.AppendVarint(b, int64(s.FirstByte-s.Written))
	b = binary.AppendVarint(b, int64(s.LastByte-s.FirstByte))
	b = binary.AppendUvarint(b, uint64(s.User))
	b = binary.AppendUvarint(b, uint64(s.Target))
	b = binary.AppendUvarint(b, uint64(s.Status))
	return append(b, byte(s.Class))
}

// DecodeSamples reads one encoded set of samples. When r is also an
// io.ByteReader, nothing after the set is taken from it. What is cut off,
// foreign, damaged, or of another version is an error that says which.
func DecodeSamples(r io.Reader) ([]Sample, error) {
	samples, err := decodeSamples(r)
	if err != nil {
		return nil, fmt.Errorf("read samples: %w", err)
	}
	return samples, nil
}

func decodeSamples(r io.Reader) ([]Sample, error) {
	byBytes, ok := r.(io.ByteReader)
	if !ok {
		byBytes = bufio.NewReader(r)
	}
	in := &summedReader{r: byBytes}
	if err := readSamplesName(in); err != nil {
		return nil, err
	}
	count, err := in.uvarint()
	if err != nil {
		return nil, fmt.Errorf("the number of samples: %w", err)
	}
	// The count is not believed before the samples are there.
	samples := make([]Sample, 0, min(count, 1<<14))
	previous := time.Duration(0)
	for i := range count {
		s, err := readSample(in, previous)
		if err != nil {
			return nil, fmt.Errorf("sample %d of %d: %w", i, count, err)
		}
		samples = append(samples, s)
		previous = s.Intended
	}
	want := in.sum()
	var sum [4]byte
	for i := range sum {
		if sum[i], err = in.ReadByte(); err != nil {
			return nil, fmt.Errorf("the checksum: %w", err)
		}
	}
	if got := binary.LittleEndian.Uint32(sum[:]); got != want {
		return nil, fmt.Errorf("the checksum is %08x, the samples give %08x: they are damaged", got, want)
	}
	return samples, nil
}

// readSamplesName reads the first line byte by byte and stops at the first
// that no version of the format could have.
func readSamplesName(in *summedReader) error {
	var name []byte
	for {
		c, err := in.ReadByte()
		if err != nil {
			return fmt.Errorf("the format's name, after %q: %w", name, err)
		}
		if c == '\n' {
			break
		}
		name = append(name, c)
		n := min(len(name), len(samplesFamily))
		if string(name[:n]) != samplesFamily[:n] || len(name) > len(samplesFamily)+20 {
			return fmt.Errorf("this is not %s: it starts with %q", SamplesFormat, name)
		}
	}
	if string(name) == SamplesFormat {
		return nil
	}
	if strings.HasPrefix(string(name), samplesFamily) {
		return fmt.Errorf("the format is %q, this program reads %q", name, SamplesFormat)
	}
	return fmt.Errorf("this is not %s: it starts with %q", SamplesFormat, name)
}

func readSample(in *summedReader, previous time.Duration) (Sample, error) {
	var times [4]int64
	for i := range times {
		d, err := in.varint()
		if err != nil {
			return Sample{}, err
		}
		times[i] = d
	}
	var numbers [3]uint64
	limits := [3]uint64{math.MaxUint32, math.MaxUint16, math.MaxUint16}
	names := [3]string{"user", "target", "status"}
	for i := range numbers {
		n, err := in.uvarint()
		if err != nil {
			return Sample{}, err
		}
		if n > limits[i] {
			return Sample{}, fmt.Errorf("the %s is %d, more than %d", names[i], n, limits[i])
		}
		numbers[i] = n
	}
	class, err := in.ReadByte()
	if err != nil {
		return Sample{}, err
	}
	if Class(class) >= classes {
		return Sample{}, fmt.Errorf("the class is %d, there are %d", class, classes)
	}
	s := Sample{User: uint32(numbers[0]), Target: uint16(numbers[1]), Status: uint16(numbers[2]), Class: Class(class)}
	s.Intended = previous + time.Duration(times[0])
	s.Written = s.Intended + time.Duration(times[1])
	s.FirstByte = s.Written + time.Duration(times[2])
	s.LastByte = s.FirstByte + time.Duration(times[3])
	return s, nil
}

// summedReader keeps a running checksum of the bytes read through it.
type summedReader struct {
	r     io.ByteReader
	crc   uint32
	block [512]byte
	n     int
}

func (r *summedReader) ReadByte() (byte, error) {
	c, err := r.r.ReadByte()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // an end inside a set is never a proper one
		}
		return 0, err
	}
	if r.n == len(r.block) {
		r.sum()
	}
	r.block[r.n] = c
	r.n++
	return c, nil
}

func (r *summedReader) sum() uint32 {
	r.crc = crc32.Update(r.crc, castagnoli, r.block[:r.n])
	r.n = 0
	return r.crc
}

// uvarint is binary.ReadUvarint without its two dynamic calls for each byte.
func (r *summedReader) uvarint() (uint64, error) {
	n := uint64(0)
	for shift := 0; shift < 7*binary.MaxVarintLen64; shift += 7 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if shift == 63 && c > 1 {
			break
		}
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n, nil
		}
	}
	return 0, errors.New("a number overflows 64 bits")
}

func (r *summedReader) varint() (int64, error) {
	u, err := r.uvarint()
	return int64(u>>1) ^ -int64(u&1), err
}
