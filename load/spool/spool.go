package spool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/taremesh/tare/load"
)

const (
	// DefaultMemory is how many samples stay in memory: 59 MB.
	DefaultMemory = 1 << 20
	// DefaultDisk is how many bytes go to the file: about 500 million samples.
	DefaultDisk = 8 << 30

	chunkSamples = 1 << 14 // are kept, or written, together
	readBytes    = 1 << 18
	pageSamples  = 64 // fewer than a page of memory holds
)

// Config says how much is kept where. The zero value is the defaults.
type Config struct {
	Memory int   // samples; 0: DefaultMemory
	Disk   int64 // bytes; 0: DefaultDisk; negative: no file
	// Dir is where the file is; empty: os.TempDir.
	Dir string
	// Expect is how many samples will come, if that is known: memory for them is
	// brought in by New, so that it does not grow while a load runs.
	Expect int
	// Kinds is how many kinds of request there are. With more than one the
	// responses of each are counted apart, of the first 64.
	Kinds int
}

// Spool keeps samples. It is not for several goroutines at once.
type Spool struct {
	config Config
	chunks [][]load.Sample // in memory, whole
	spare  [][]load.Sample
	tail   []load.Sample // what has not become a chunk yet
	taken  int

	file    *os.File // nil: nothing was written
	bytes   int64    // of whole sets in it
	written int      // samples
	buffer  []byte

	sketched int // samples that only the histograms have
	tallies  tallies
	broken   error // of writing: nothing more is taken
}

// New makes an empty spool.
func New(c Config) *Spool {
	if c.Memory <= 0 {
		c.Memory = DefaultMemory
	}
	if c.Disk == 0 {
		c.Disk = DefaultDisk
	}
	s := &Spool{config: c}
	if c.Kinds > 1 {
		s.tallies.kinds = make([]counted, min(c.Kinds, mostKinds))
	}
	for n := min(c.Expect, c.Memory+chunkSamples); n > 0; n -= chunkSamples { // with the one that goes to disk
		s.spare = append(s.spare, touched(min(n, chunkSamples)))
	}
	s.tail = s.empty()
	if c.Expect > 0 {
		s.tallies.expect()
	}
	if c.Expect > c.Memory {
		s.buffer = make([]byte, load.SetBytes(chunkSamples))
		clear(s.buffer) // which brings it in
	}
	return s
}

// touched is an empty chunk whose memory is there for so many.
func touched(n int) []load.Sample {
	chunk := make([]load.Sample, chunkSamples)
	for i := 0; i < n; i += pageSamples {
		chunk[i].Status = 0
	}
	return chunk[:0]
}

func (s *Spool) empty() []load.Sample {
	if n := len(s.spare); n > 0 {
		chunk := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return chunk
	}
	return make([]load.Sample, 0, chunkSamples)
}

// Add takes the next samples. It keeps nothing of the slice. After an error it
// takes no more; what it took before stays, and those of this call that it had
// taken.
func (s *Spool) Add(samples []load.Sample) error {
	for len(samples) > 0 {
		if s.broken != nil {
			return s.broken
		}
		part := samples[:min(len(samples), chunkSamples-len(s.tail))]
		samples = samples[len(part):]
		s.tallies.count(part)
		s.taken += len(part)
		if s.sketched > 0 {
			s.sketched += len(part)
			continue
		}
		s.tail = append(s.tail, part...)
		if len(s.tail) == chunkSamples {
			s.broken = s.settle()
		}
	}
	return s.broken
}

// settle puts a full tail where it is kept.
func (s *Spool) settle() error {
	if (len(s.chunks)+1)*chunkSamples <= s.config.Memory {
		s.chunks = append(s.chunks, s.tail)
		s.tail = s.empty()
		return nil
	}
	s.buffer = load.AppendSamples(s.buffer[:0], s.tail)
	if s.config.Disk < 0 || s.bytes+int64(len(s.buffer)) > s.config.Disk {
		s.sketched = len(s.tail)
		s.tail = s.tail[:0]
		return nil
	}
	if err := s.write(); err != nil {
		return fmt.Errorf("keep samples on disk: %w; %d samples were kept: make room, or choose another place by TMPDIR", err, s.taken)
	}
	s.bytes += int64(len(s.buffer))
	s.written += len(s.tail)
	s.tail = s.tail[:0]
	return nil
}

// write appends the buffer to the file.
func (s *Spool) write() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.config.Dir, "tare-samples-*")
		if err != nil {
			return err
		}
		if err := os.Remove(f.Name()); err != nil { // it goes with the process, however that ends
			return errors.Join(err, f.Close())
		}
		s.file = f
	}
	_, err := s.file.WriteAt(s.buffer, s.bytes)
	return err
}

// Len is how many samples were taken.
func (s *Spool) Len() int { return s.taken }

// Each replays the samples that are kept, in the order in which they came; the
// slice is valid during the call only. Those that only the histograms have came
// after them and are not among them. An error of the function ends it.
func (s *Spool) Each(f func([]load.Sample) error) error {
	for _, chunk := range s.chunks {
		if err := f(chunk); err != nil {
			return err
		}
	}
	if s.written > 0 {
		if err := s.replay(f); err != nil {
			return err
		}
	}
	if len(s.tail) == 0 {
		return nil
	}
	return f(s.tail)
}

// replay reads the file.
func (s *Spool) replay(f func([]load.Sample) error) error {
	r := load.NewSampleReader(bufio.NewReaderSize(io.NewSectionReader(s.file, 0, s.bytes), readBytes))
	for {
		samples, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("replay samples from disk: %w", err)
		}
		if err := f(samples); err != nil {
			return err
		}
	}
}

// Close gives the file's room back. The spool is empty then.
func (s *Spool) Close() error {
	file := s.file
	*s = Spool{config: s.config, tail: make([]load.Sample, 0, chunkSamples)}
	if file == nil {
		return nil
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("close the file of samples: %w", err)
	}
	return nil
}

// The places where samples are kept.
const (
	Memory = "memory"
	Disk   = "disk"
	Sketch = "sketch"
)

// Kept says where samples are, and the rule by which they got there.
type Kept struct {
	Where    string `json:"where"` // the furthest place that was needed: memory, disk or sketch
	Memory   int    `json:"memory_samples"`
	Disk     int    `json:"disk_samples"`
	Bytes    int64  `json:"disk_bytes"`
	Sketched int    `json:"sketched_samples"`
	Rule     string `json:"rule"`
	// Exact says that quantiles are those of every sample.
	Exact bool `json:"exact"`
}

// Kept says where the samples are.
func (s *Spool) Kept() Kept {
	k := Kept{Where: Memory, Memory: len(s.chunks)*chunkSamples + len(s.tail), Disk: s.written, Bytes: s.bytes, Sketched: s.sketched, Exact: s.sketched == 0}
	switch {
	case s.sketched > 0:
		k.Where = Sketch
	case s.written > 0:
		k.Where = Disk
	}
	k.Rule = fmt.Sprintf("the first %d samples in memory, the next in a file of up to %s, any further in histograms of %d significant digits",
		s.config.Memory, byteCount(max(s.config.Disk, 0)), digits)
	return k
}

// String is a sentence for people.
func (k Kept) String() string {
	switch k.Where {
	case Memory:
		return fmt.Sprintf("all %d samples in memory; quantiles are exact", k.Memory)
	case Disk:
		return fmt.Sprintf("%d samples in memory, %d on disk (%s); quantiles are exact", k.Memory, k.Disk, byteCount(k.Bytes))
	}
	return fmt.Sprintf("%d samples in memory, %d on disk (%s), %d only in histograms; quantiles are within 0.1 %%", k.Memory, k.Disk, byteCount(k.Bytes), k.Sketched)
}

func byteCount(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	power := min(int(math.Log10(float64(n)))/3, len(units))
	return fmt.Sprintf("%.1f %cB", float64(n)/math.Pow(1000, float64(power)), units[power-1])
}
