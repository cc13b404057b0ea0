package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
)

// Row is a block in the form in which a database keeps it.
type Row struct {
	Block, Attempt int
	ID             string
	Started        time.Time // UTC
	Void           string
	// Record is a JSON object: the block without its samples, and how long
	// each phase's samples are.
	Record       []byte
	RecordSHA256 string // in hex
	// Samples are each phase's samples in load.SamplesFormat, end to end.
	Samples       []byte
	SamplesSHA256 string // in hex
}

// rowRecord is what Row.Record holds.
type rowRecord struct {
	Block experiment.Block `json:"block"`
	// SamplesBytes is the length of each phase's samples in Row.Samples.
	SamplesBytes []int `json:"samples_bytes"`
}

// bytesPerSample is about what an encoded sample takes.
const bytesPerSample = 20

// EncodeBlock makes the row of a block.
func EncodeBlock(b experiment.Block) (Row, error) {
	b.Started = b.Started.UTC()
	var samples bytes.Buffer
	lengths := make([]int, len(b.Samples))
	for i, phase := range b.Samples {
		before := samples.Len()
		samples.Grow(len(phase) * bytesPerSample)
		if err := load.EncodeSamples(&samples, phase); err != nil {
			return Row{}, fmt.Errorf("encode phase %d of %s: %w", i, blockName(b.Index, b.Attempt), err)
		}
		lengths[i] = samples.Len() - before
	}
	record, err := json.Marshal(rowRecord{Block: b, SamplesBytes: lengths})
	if err != nil {
		return Row{}, fmt.Errorf("encode %s: %w", blockName(b.Index, b.Attempt), err)
	}
	return Row{
		Block: b.Index, Attempt: b.Attempt, ID: b.ID, Started: b.Started, Void: b.Void,
		Record: record, RecordSHA256: sum(record),
		Samples: samples.Bytes(), SamplesSHA256: sum(samples.Bytes()),
	}, nil
}

// Decode gives the block back. A row that is not as it was kept is ErrDamaged.
func (r Row) Decode() (experiment.Block, error) {
	b, err := r.decode()
	if err != nil {
		return experiment.Block{}, fmt.Errorf("%s: %w: %w", blockName(r.Block, r.Attempt), ErrDamaged, err)
	}
	return b, nil
}

func (r Row) decode() (experiment.Block, error) {
	for _, part := range []struct {
		name string
		kept []byte
		want string
	}{{"record", r.Record, r.RecordSHA256}, {"samples", r.Samples, r.SamplesSHA256}} {
		if got := sum(part.kept); got != part.want {
			return experiment.Block{}, fmt.Errorf("its %s have the SHA-256 %s, but were kept with %s", part.name, got, part.want)
		}
	}
	var record rowRecord
	if err := json.Unmarshal(r.Record, &record); err != nil {
		return experiment.Block{}, fmt.Errorf("its record: %w", err)
	}
	b := record.Block
	if b.Index != r.Block || b.Attempt != r.Attempt {
		return experiment.Block{}, fmt.Errorf("its record is that of %s", blockName(b.Index, b.Attempt))
	}
	var err error
	b.Samples, err = cut(r.Samples, record.SamplesBytes)
	return b, err
}

// cut decodes each phase's samples.
func cut(all []byte, lengths []int) ([][]load.Sample, error) {
	var phases [][]load.Sample
	for i, n := range lengths {
		if n < 0 || n > len(all) {
			return nil, fmt.Errorf("phase %d has %d bytes of samples, %d are left", i, n, len(all))
		}
		stream := bufio.NewReader(bytes.NewReader(all[:n]))
		samples, err := load.DecodeSamples(stream)
		if err != nil {
			return nil, fmt.Errorf("phase %d: %w", i, err)
		}
		if _, err := stream.Peek(1); err == nil {
			return nil, fmt.Errorf("phase %d has bytes after its samples", i)
		}
		phases = append(phases, samples)
		all = all[n:]
	}
	if len(all) > 0 {
		return nil, fmt.Errorf("%d bytes follow the samples of the last phase", len(all))
	}
	return phases, nil
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func blockName(index, attempt int) string { return fmt.Sprintf("block %d, attempt %d", index, attempt) }
