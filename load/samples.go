package load

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// SamplesFormat is the first line of encoded samples: its name and version.
// docs/formats/samples.md describes what follows.
const SamplesFormat = "tare-samples/3"

// The versions of the format, all of which are read.
const (
	firstVersion  = 1 // without the request, which is then the only one
	secondVersion = 2 // without the time of a failure
	thirdVersion  = 3
)

var sampleVersions = map[string]int{"tare-samples/1": firstVersion, "tare-samples/2": secondVersion, SamplesFormat: thirdVersion}

const samplesFamily = "tare-samples/"

// A record is at most nine varints and a byte long.
const maxRecord = 9*binary.MaxVarintLen64 + 1

// usualRecord is more than most records are long.
const usualRecord = 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// EncodeSamples writes samples as one set of the format tare-samples/3.
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

// SetBytes is more than a set of so many usual samples takes.
func SetBytes(samples int) int { return maxRecord + usualRecord*samples }

// AppendSamples appends samples to b as EncodeSamples writes them.
func AppendSamples(b []byte, samples []Sample) []byte {
	began := len(b)
	b = slices.Grow(b, SetBytes(len(samples)))
	b = append(b, SamplesFormat+"\n"...)
	b = binary.AppendUvarint(b, uint64(len(samples)))
	previous := time.Duration(0)
	for _, s := range samples {
		b = appendSample(b, s, previous)
		previous = s.Intended
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[began:], castagnoli))
}

// appendSample relies on int64 differences that wrap around: any time survives.
func appendSample(b []byte, s Sample, previous time.Duration) []byte {
	b = binary.AppendVarint(b, int64(s.Intended-previous))
	b = binary.AppendVarint(b, int64(s.Written-s.Intended))
	b = binary.AppendVarint(b, int64(s.FirstByte-s.Written))
	b = binary.AppendVarint(b, int64(s.LastByte-s.FirstByte))
	b = binary.AppendUvarint(b, uint64(s.User))
	b = binary.AppendUvarint(b, uint64(s.Target))
	b = binary.AppendUvarint(b, uint64(s.Request))
	b = binary.AppendUvarint(b, uint64(s.Status))
	b = append(b, byte(s.Class))
	if s.LastByte < 0 {
		b = binary.AppendVarint(b, int64(s.Failed-s.Intended))
	}
	return b
}

// DecodeSamples reads one encoded set of samples. When r is a *bufio.Reader,
// nothing after the set is taken from it. What is cut off, foreign, damaged, or
// of another version is an error that says which.
func DecodeSamples(r io.Reader) ([]Sample, error) {
	in, ok := r.(*bufio.Reader)
	if !ok {
		in = bufio.NewReader(r)
	}
	samples, err := NewSampleReader(in).Next()
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("read samples: the format's name, after \"\": %w", io.ErrUnexpectedEOF)
	}
	return samples, err
}

// SampleReader reads sets of samples, one after the other. It keeps its memory
// from set to set.
type SampleReader struct {
	in      *bufio.Reader
	crc     uint32
	samples []Sample
}

// NewSampleReader makes a reader of sets. It takes nothing from r beyond the
// set that it was asked for, and never waits for more than that.
func NewSampleReader(r *bufio.Reader) *SampleReader { return &SampleReader{in: r} }

// Reserve sees to memory for sets of so many samples before they come.
func (r *SampleReader) Reserve(samples int) {
	r.samples = make([]Sample, samples)
	clear(r.samples) // which brings it in
	r.samples = r.samples[:0]
}

// Next reads the next set; io.EOF after the last. What it returns is valid
// until it is called again.
func (r *SampleReader) Next() ([]Sample, error) {
	if _, err := r.in.Peek(1); errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	samples, err := r.set()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // an end inside a set is never a proper one
	}
	if err != nil {
		return nil, fmt.Errorf("read samples: %w", err)
	}
	return samples, nil
}

func (r *SampleReader) set() ([]Sample, error) {
	r.crc, r.samples = 0, r.samples[:0]
	version, err := r.name()
	if err != nil {
		return nil, err
	}
	count, err := r.count()
	if err != nil {
		return nil, fmt.Errorf("the number of samples: %w", properEnd(err))
	}
	if r.samples == nil { // the count is not believed before the samples are there
		r.samples = make([]Sample, 0, min(count, 1<<14))
	}
	if err := r.records(count, version); err != nil {
		return nil, fmt.Errorf("sample %d of %d: %w", len(r.samples), count, properEnd(err))
	}
	sum, err := r.in.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("the checksum: %w", properEnd(err))
	}
	if got := binary.LittleEndian.Uint32(sum); got != r.crc {
		return nil, fmt.Errorf("the checksum is %08x, the samples give %08x: they are damaged", got, r.crc)
	}
	_, err = r.in.Discard(len(sum))
	return r.samples, err
}

// properEnd is an end as it is inside a set.
func properEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// take leaves n bytes behind that were peeked at.
func (r *SampleReader) take(b []byte) error {
	r.crc = crc32.Update(r.crc, castagnoli, b)
	_, err := r.in.Discard(len(b))
	return err
}

// name reads the first line byte by byte and stops at the first that no version
// of the format could have. It returns the version.
func (r *SampleReader) name() (int, error) {
	var name []byte
	for {
		b, err := r.in.Peek(1)
		if err != nil {
			return 0, fmt.Errorf("the format's name, after %q: %w", name, properEnd(err))
		}
		c := b[0]
		if err := r.take(b); err != nil {
			return 0, err
		}
		if c == '\n' {
			break
		}
		name = append(name, c)
		n := min(len(name), len(samplesFamily))
		if string(name[:n]) != samplesFamily[:n] || len(name) > len(samplesFamily)+20 {
			return 0, fmt.Errorf("this is not %s: it starts with %q", SamplesFormat, name)
		}
	}
	version, known := sampleVersions[string(name)]
	switch {
	case known:
		return version, nil
	case strings.HasPrefix(string(name), samplesFamily):
		return 0, fmt.Errorf("the format is %q, this program reads %s1 to %s", name, samplesFamily, SamplesFormat)
	}
	return 0, fmt.Errorf("this is not %s: it starts with %q", SamplesFormat, name)
}

func (r *SampleReader) count() (uint64, error) {
	for short := 0; ; {
		b, err := r.more(short)
		if err != nil {
			return 0, err
		}
		n, used := binary.Uvarint(b)
		if used < 0 {
			return 0, errOverflow
		}
		if used > 0 {
			return n, r.take(b[:used])
		}
		short = len(b)
	}
}

// more returns what is buffered: more than n bytes, for which it waits.
func (r *SampleReader) more(n int) ([]byte, error) {
	if r.in.Buffered() <= n {
		if _, err := r.in.Peek(n + 1); err != nil {
			return nil, err
		}
	}
	return r.in.Peek(r.in.Buffered())
}

// records reads so many records out of the buffer, piece by piece.
func (r *SampleReader) records(count uint64, version int) error {
	previous, short := time.Duration(0), 0
	for uint64(len(r.samples)) < count {
		b, err := r.more(short)
		if err != nil {
			return err
		}
		used := 0
		for uint64(len(r.samples)) < count {
			s, n, err := decodeSample(b[used:], previous, version)
			if err != nil {
				return err
			}
			if n == 0 {
				break // the rest is in the next piece
			}
			r.samples = append(r.samples, s)
			previous = s.Intended
			used += n
		}
		short = len(b) - used
		if err := r.take(b[:used]); err != nil {
			return err
		}
	}
	return nil
}

var errOverflow = errors.New("a number overflows 64 bits")

// uvarint is binary.Uvarint, quicker where the number is small.
func uvarint(b []byte) (uint64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return binary.Uvarint(b)
}

// decodeSample reads a record; 0 bytes of it when b ends before it does.
func decodeSample(b []byte, previous time.Duration, version int) (s Sample, used int, err error) {
	var numbers [8]uint64 // four times, user, target, request, status
	for i := range numbers {
		if i == 6 && version == firstVersion {
			continue
		}
		n, length := uvarint(b[used:])
		if length < 0 {
			return Sample{}, 0, errOverflow
		}
		if length == 0 {
			return Sample{}, 0, nil
		}
		numbers[i] = n
		used += length
	}
	if used == len(b) {
		return Sample{}, 0, nil
	}
	s.Intended = previous + difference(numbers[0])
	s.Written = s.Intended + difference(numbers[1])
	s.FirstByte = s.Written + difference(numbers[2])
	s.LastByte = s.FirstByte + difference(numbers[3])
	s.User, s.Target, s.Request, s.Status = uint32(numbers[4]), uint16(numbers[5]), uint16(numbers[6]), uint16(numbers[7])
	s.Class = Class(b[used])
	if numbers[4]>>32|numbers[5]>>16|numbers[6]>>16|numbers[7]>>16 != 0 || s.Class >= Classes {
		return Sample{}, 0, outOfBounds(numbers, s.Class)
	}
	used++
	if s.LastByte >= 0 || version < thirdVersion {
		return s, used, nil
	}
	n, length := uvarint(b[used:])
	if length < 0 {
		return Sample{}, 0, errOverflow
	}
	if length == 0 {
		return Sample{}, 0, nil
	}
	s.Failed = s.Intended + difference(n)
	return s, used + length, nil
}

// difference is binary.Varint's, of the number that it reads.
func difference(u uint64) time.Duration { return time.Duration(int64(u>>1) ^ -int64(u&1)) }

// outOfBounds names what a record's number is too great for.
func outOfBounds(numbers [8]uint64, c Class) error {
	for i, f := range [...]struct {
		name string
		most uint64
	}{4: {"user", math.MaxUint32}, 5: {"target", math.MaxUint16}, 6: {"request", math.MaxUint16}, 7: {"status", math.MaxUint16}} {
		if f.name != "" && numbers[i] > f.most {
			return fmt.Errorf("the %s is %d, more than %d", f.name, numbers[i], f.most)
		}
	}
	return fmt.Errorf("the class is %d, there are %d", c, Classes)
}
