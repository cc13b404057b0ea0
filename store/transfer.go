package store

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/taremesh/tare/experiment"
)

// ExportFormat is the version of the file that an experiment travels in.
const ExportFormat = "tare-export/1"

// Transfer moves experiments between stores in the form in which they are kept.
type Transfer interface {
	// Export hands an experiment as it is kept to write: its head and its
	// blocks in the order of index and attempt, each once.
	Export(ctx context.Context, id string, write func(Head, iter.Seq2[Row, error]) error) error
	// Import keeps an experiment that was exported, all of it or nothing. One
	// that is kept already, with the same record, state and blocks, is left as
	// it is and added is false; with others it is ErrExists. An error among the
	// rows is Import's.
	Import(ctx context.Context, h Head, rows iter.Seq2[Row, error]) (added bool, err error)
}

// Head is an experiment in the form in which a database keeps it, without its
// blocks.
type Head struct {
	ID     string
	State  experiment.State
	Ended  time.Time // zero while it runs, and after a kill
	Record []byte    // JSON: the experiment
	Note   string
	Tags   []string
}

// headEntry is experiment.json.
type headEntry struct {
	ID           string           `json:"id"`
	State        experiment.State `json:"state"`
	Ended        *time.Time       `json:"ended"`
	RecordSHA256 string           `json:"record_sha256"`
	Note         string           `json:"note,omitempty"`
	Tags         []string         `json:"tags,omitempty"`
}

// rowEntry is a block's block.json.
type rowEntry struct {
	Block         int       `json:"block"`
	Attempt       int       `json:"attempt"`
	ID            string    `json:"id"`
	Started       time.Time `json:"started"`
	Void          string    `json:"void,omitempty"`
	RecordSHA256  string    `json:"record_sha256"`
	SamplesSHA256 string    `json:"samples_sha256"`
}

// endEntry is end.json.
type endEntry struct {
	Blocks int `json:"blocks"`
	// SHA256 is that of every entry before: see entrySum.
	SHA256 string `json:"sha256"`
}

// The entries of an export, in this order; those of a block for each of them.
const (
	entryFormat     = "format"
	entryExperiment = "experiment.json"
	entryRecord     = "experiment-record.json"
	entryBlock      = "block.json"
	entryBlockJSON  = "block-record.json"
	entrySamples    = "block-samples"
	entryEnd        = "end.json"
)

// limits are the most bytes that an entry may have; reading never believes an
// announced size further than this.
var limits = map[string]int64{
	entryFormat:     64,
	entryExperiment: 1 << 20,
	entryRecord:     64 << 20,
	entryBlock:      1 << 20,
	entryBlockJSON:  64 << 20,
	entrySamples:    512 << 20,
	entryEnd:        1 << 10,
}

// maxExportBlocks is the most blocks, voids among them, that are read.
const maxExportBlocks = 100_000

// WriteExport writes an experiment as one file.
func WriteExport(w io.Writer, h Head, rows iter.Seq2[Row, error]) error {
	z := gzip.NewWriter(w)
	out := exportWriter{tar: tar.NewWriter(z), sum: sha256.New()}
	if err := out.all(h, rows); err != nil {
		return fmt.Errorf("export experiment %s: %w", h.ID, err)
	}
	if err := errors.Join(out.tar.Close(), z.Close()); err != nil {
		return fmt.Errorf("export experiment %s: %w", h.ID, err)
	}
	return nil
}

type exportWriter struct {
	tar *tar.Writer
	sum hash.Hash // of the entries so far
}

func (x *exportWriter) all(h Head, rows iter.Seq2[Row, error]) error {
	head := headEntry{ID: h.ID, State: h.State, RecordSHA256: sum(h.Record), Note: h.Note, Tags: h.Tags}
	if !h.Ended.IsZero() {
		head.Ended = &h.Ended
	}
	if err := errors.Join(x.entry(entryFormat, []byte(ExportFormat+"\n")), x.json(entryExperiment, head), x.entry(entryRecord, h.Record)); err != nil {
		return err
	}
	blocks := 0
	for r, err := range rows {
		if err != nil {
			return err
		}
		meta := rowEntry{Block: r.Block, Attempt: r.Attempt, ID: r.ID, Started: r.Started, Void: r.Void, RecordSHA256: r.RecordSHA256, SamplesSHA256: r.SamplesSHA256}
		if err := errors.Join(x.json(entryBlock, meta), x.entry(entryBlockJSON, r.Record), x.entry(entrySamples, r.Samples)); err != nil {
			return err
		}
		blocks++
	}
	return x.json(entryEnd, endEntry{Blocks: blocks, SHA256: hex.EncodeToString(x.sum.Sum(nil))})
}

func (x *exportWriter) json(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return x.entry(name, append(text, '\n'))
}

func (x *exportWriter) entry(name string, content []byte) error {
	if n := int64(len(content)); n > limits[name] {
		return fmt.Errorf("its %s has %d bytes, an export holds at most %d", name, n, limits[name])
	}
	entrySum(x.sum, name, content)
	if err := x.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(content)), Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	_, err := x.tar.Write(content)
	return err
}

// entrySum adds an entry to the checksum of all: name, length, content.
func entrySum(h hash.Hash, name string, content []byte) {
	fmt.Fprintf(h, "%s\n%d\n", name, len(content))
	h.Write(content) // a hash never fails
}

// ReadExport reads the head of an exported experiment. The blocks are read
// while they are ranged over, once; an error among them is the last. What was
// read counts only when they have come to their end: there the checksum of the
// whole file is.
//
// Entries have fixed names in a fixed order, so that no name ever becomes a
// path; sizes are bounded. What is cut off, damaged, foreign or of another
// version is an error that says which: ErrDamaged or ErrVersion.
func ReadExport(r io.Reader) (Head, iter.Seq2[Row, error], error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return Head{}, nil, fmt.Errorf("read export: %w: it is no file of tare export: %w", ErrDamaged, err)
	}
	in := &exportReader{zip: z, tar: tar.NewReader(z), sum: sha256.New()}
	h, err := in.head()
	if err != nil {
		return Head{}, nil, fmt.Errorf("read export: %w", err)
	}
	e, err := h.Decode()
	if err != nil {
		return Head{}, nil, fmt.Errorf("read export: %w", err)
	}
	return h, func(yield func(Row, error) bool) {
		if err := in.rows(e, yield); err != nil {
			yield(Row{}, fmt.Errorf("read export of %s: %w", h.ID, err))
		}
	}, nil
}

type exportReader struct {
	zip io.Reader // under tar
	tar *tar.Reader
	sum hash.Hash
}

func (x *exportReader) head() (Head, error) {
	_, format, err := x.next(entryFormat)
	if err != nil {
		return Head{}, err
	}
	if f := strings.TrimSuffix(string(format), "\n"); f != ExportFormat {
		return Head{}, fmt.Errorf("%w: it is %.40q, this tare reads %s", ErrVersion, f, ExportFormat)
	}
	var entry headEntry
	if err := x.decode(entryExperiment, &entry); err != nil {
		return Head{}, err
	}
	_, record, err := x.next(entryRecord)
	if err != nil {
		return Head{}, err
	}
	if got := sum(record); got != entry.RecordSHA256 {
		return Head{}, fmt.Errorf("%w: the experiment's record has the SHA-256 %s, but was exported with %.64q", ErrDamaged, got, entry.RecordSHA256)
	}
	h := Head{ID: entry.ID, State: entry.State, Record: record, Note: entry.Note, Tags: entry.Tags}
	if entry.Ended != nil {
		h.Ended = entry.Ended.UTC()
	}
	return h, nil
}

// rows yields every block and checks the end. An error is returned and not yielded.
func (x *exportReader) rows(e experiment.Experiment, yield func(Row, error) bool) error {
	for n := 0; ; n++ {
		before := hex.EncodeToString(x.sum.Sum(nil))
		name, content, err := x.next(entryBlock, entryEnd)
		switch {
		case err != nil:
			return err
		case name == entryEnd:
			return x.end(content, n, before)
		case n == maxExportBlocks:
			return fmt.Errorf("%w: it has more than %d blocks", ErrDamaged, maxExportBlocks)
		}
		r, err := x.row(content)
		if err != nil {
			return err
		}
		b, err := r.Decode()
		if err != nil {
			return err
		}
		if b.ID != r.ID || b.Void != r.Void || !b.Started.Equal(r.Started) {
			return fmt.Errorf("%s: %w: its record has another id, start or void", blockName(b.Index, b.Attempt), ErrDamaged)
		}
		if err := sound(e, b); err != nil {
			return fmt.Errorf("%s: %w: %w", blockName(b.Index, b.Attempt), ErrDamaged, err)
		}
		if !yield(r, nil) {
			return nil
		}
	}
}

// row reads the rest of a block.
func (x *exportReader) row(content []byte) (Row, error) {
	var entry rowEntry
	if err := strictly(entryBlock, content, &entry); err != nil {
		return Row{}, err
	}
	_, record, err := x.next(entryBlockJSON)
	if err != nil {
		return Row{}, err
	}
	_, samples, err := x.next(entrySamples)
	if err != nil {
		return Row{}, err
	}
	return Row{Block: entry.Block, Attempt: entry.Attempt, ID: entry.ID, Started: entry.Started.UTC(), Void: entry.Void,
		Record: record, RecordSHA256: entry.RecordSHA256, Samples: samples, SamplesSHA256: entry.SamplesSHA256}, nil
}

// end holds what was read against what was written.
func (x *exportReader) end(content []byte, blocks int, total string) error {
	var e endEntry
	if err := strictly(entryEnd, content, &e); err != nil {
		return err
	}
	switch {
	case e.Blocks != blocks:
		return fmt.Errorf("%w: it has %d blocks, and was exported with %d", ErrDamaged, blocks, e.Blocks)
	case e.SHA256 != total:
		return fmt.Errorf("%w: it has the SHA-256 %s, and was exported with %.64q", ErrDamaged, total, e.SHA256)
	}
	if h, err := x.tar.Next(); !errors.Is(err, io.EOF) {
		if err != nil {
			return broken(err)
		}
		return fmt.Errorf("%w: entry %.80q follows the end", ErrDamaged, h.Name)
	}
	return x.nothingMore()
}

// maxPadding is more than what tar puts behind its last entry.
const maxPadding = 64 << 10

// nothingMore reads to the end, where the compression's own checksum is.
func (x *exportReader) nothingMore() error {
	rest, err := io.ReadAll(io.LimitReader(x.zip, maxPadding+1))
	switch {
	case err != nil:
		return broken(err)
	case len(bytes.Trim(rest, "\x00")) > 0 || len(rest) > maxPadding:
		return fmt.Errorf("%w: something follows the end", ErrDamaged)
	}
	return nil
}

func (x *exportReader) decode(name string, into any) error {
	_, content, err := x.next(name)
	if err != nil {
		return err
	}
	return strictly(name, content, into)
}

// next reads the next entry, which must have one of the names.
func (x *exportReader) next(names ...string) (string, []byte, error) {
	h, err := x.tar.Next()
	if err != nil {
		return "", nil, fmt.Errorf("where %s should be: %w", strings.Join(names, " or "), broken(err))
	}
	for _, name := range names {
		switch {
		case h.Name != name:
			continue
		case h.Typeflag != tar.TypeReg:
			return "", nil, fmt.Errorf("%w: %s is no regular file", ErrDamaged, name)
		case h.Size > limits[name]:
			return "", nil, fmt.Errorf("%w: %s is said to have %d bytes, more than the %d that it may have", ErrDamaged, name, h.Size, limits[name])
		}
		var content bytes.Buffer // grows with what is there, not with what is announced
		if _, err := io.Copy(&content, x.tar); err != nil {
			return "", nil, fmt.Errorf("%s: %w", name, broken(err))
		}
		entrySum(x.sum, name, content.Bytes())
		return name, content.Bytes(), nil
	}
	return "", nil, fmt.Errorf("%w: entry %.80q where %s should be", ErrDamaged, h.Name, strings.Join(names, " or "))
}

// broken: an archive that ends, or does not hold together, is damaged.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut off", ErrDamaged)
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

func strictly(name string, content []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%s: %w: %w", name, ErrDamaged, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w: something follows its JSON", name, ErrDamaged)
	}
	return nil
}
