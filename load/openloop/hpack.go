package openloop

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
)

const (
	tableSize    = 4096 // of both dynamic tables, until the peer says otherwise
	staticFields = 61
	fieldCost    = 32 // of an entry, beside its name and value (RFC 7541 §4.1)
	maxFields    = tableSize / fieldCost
)

// field is a header field in the forms in which it can go over the wire.
type field struct {
	static  byte   // its whole self in the static table; 0: it is not there
	literal []byte // leaves the dynamic table as it is
	insert  []byte // adds it to the dynamic table
	rank    int    // place among the fields that get an entry; none: it gets none
	upTo    int    // size of the entries up to its own
}

// fields are all that a target is ever sent. Which of them get an entry of the
// dynamic table is settled beforehand, the most frequent first and as many as
// fit: so nothing is ever evicted, and a field that has an entry costs a byte.
type fields struct {
	all   []field
	index map[hpack.HeaderField]int32
	often []float64 // per field
}

func newFields() *fields { return &fields{index: map[hpack.HeaderField]int32{}} }

// add returns a field's place in all; often is how often it is sent.
func (f *fields) add(name, value string, often float64) int32 {
	h := hpack.HeaderField{Name: strings.ToLower(name), Value: value}
	i, known := f.index[h]
	if !known {
		i = int32(len(f.all))
		f.index[h] = i
		f.all = append(f.all, newField(h))
		f.often = append(f.often, 0)
	}
	f.often[i] += often
	return i
}

// newField takes the forms from the library: a fresh encoder tries the static
// table and then inserts.
func newField(h hpack.HeaderField) field {
	var out bytes.Buffer
	_ = hpack.NewEncoder(&out).WriteField(h) // a buffer takes everything
	made := field{rank: none, insert: slices.Clone(out.Bytes())}
	if out.Len() == 1 {
		return field{static: made.insert[0], rank: none}
	}
	out.Reset()
	h.Sensitive = true
	_ = hpack.NewEncoder(&out).WriteField(h)
	made.literal = slices.Clone(out.Bytes())
	made.literal[0] &^= 0x10 // a proxy may index it
	return made
}

// rank settles which fields get an entry.
func (f *fields) rank() {
	order := make([]hpack.HeaderField, 0, len(f.all))
	for h, i := range f.index {
		if f.all[i].static == 0 {
			order = append(order, h)
		}
	}
	slices.SortFunc(order, func(a, b hpack.HeaderField) int {
		i, j := f.index[a], f.index[b]
		return cmp.Or(cmp.Compare(f.often[j], f.often[i]), cmp.Compare(i, j))
	})
	upTo := 0
	for rank, h := range order {
		if rank == maxFields {
			break
		}
		if upTo += int(h.Size()); upTo > tableSize {
			break
		}
		made := &f.all[f.index[h]]
		made.rank, made.upTo = rank, upTo
	}
}

// encoder is one connection's: which fields have an entry, in which order.
type encoder struct {
	serial   [maxFields]uint8 // per rank: the how-manieth entry; 0: none yet
	inserted int
	limit    int // of the table
	resized  bool
}

func (e *encoder) reset() { *e = encoder{limit: tableSize} }

// resize follows the peer's SETTINGS_HEADER_TABLE_SIZE. A table that has to
// shrink is emptied, which keeps the account simple.
func (e *encoder) resize(size uint32) {
	if limit := int(min(size, tableSize)); limit != e.limit {
		*e = encoder{limit: limit, resized: true}
	}
}

// begin appends what must come first in a header block.
func (e *encoder) begin(b []byte) []byte {
	if !e.resized {
		return b
	}
	e.resized = false
	return appendInteger(append(b, 0x20), 0x20, 5, e.limit)
}

func (e *encoder) append(b []byte, f *field) []byte {
	switch {
	case f.static != 0:
		return append(b, f.static)
	case f.rank == none || f.upTo > e.limit:
		return append(b, f.literal...)
	case e.serial[f.rank] == 0:
		e.inserted++
		e.serial[f.rank] = uint8(e.inserted)
		return append(b, f.insert...)
	}
	return appendInteger(b, 0x80, 7, staticFields+1+e.inserted-int(e.serial[f.rank]))
}

// appendInteger is of RFC 7541 §5.1.
func appendInteger(b []byte, pattern byte, bits uint, n int) []byte {
	most := 1<<bits - 1
	if n < most {
		return append(b, pattern|byte(n))
	}
	b = append(b, pattern|byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// answer is what matters of a header block.
type answer struct {
	status uint16 // 0: none
	grpc   int32  // grpc-status; none: none
	length int64  // content-length; none: none
	fields int
	bad    bool // it breaks RFC 9113 §8.2 or §8.3.2
}

// decoder is one connection's. A block that leaves the dynamic table as it is
// means the same for as long as the table does not change: servers send few
// different ones, so most are known.
type decoder struct {
	hpack  *hpack.Decoder
	got    answer
	known  [4]known
	oldest int
}

type known struct {
	block  []byte
	answer answer
}

var errHeader = errors.New("a header block cannot be decoded")

func (d *decoder) reset() {
	d.hpack = hpack.NewDecoder(tableSize, d.emit)
	d.hpack.SetMaxStringLength(maxHeader)
	d.forget()
}

func (d *decoder) forget() {
	for i := range d.known {
		d.known[i].block = d.known[i].block[:0]
	}
}

func (d *decoder) emit(h hpack.HeaderField) {
	d.got.fields++
	switch h.Name {
	case ":status":
		n, err := strconv.ParseUint(h.Value, 10, 16)
		if err != nil || len(h.Value) != 3 || n < 100 || d.got.status != 0 || d.got.fields != 1 {
			d.got.bad = true
		}
		d.got.status = uint16(n)
	case "grpc-status":
		n, err := strconv.ParseUint(h.Value, 10, 31)
		if d.got.grpc = int32(n); err != nil {
			d.got.bad = true
		}
	case "content-length":
		n, err := strconv.ParseUint(h.Value, 10, 63)
		if err != nil || d.got.length >= 0 && d.got.length != int64(n) {
			d.got.bad = true
		}
		d.got.length = int64(n)
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		d.got.bad = true
	default:
		if h.Name == "" || h.Name[0] == ':' || strings.ContainsFunc(h.Name, func(r rune) bool { return r >= 'A' && r <= 'Z' || r <= ' ' || r >= 0x7f }) {
			d.got.bad = true
		}
	}
}

// decode reads a whole header block.
func (d *decoder) decode(block []byte) (answer, error) {
	for i := range d.known {
		if k := &d.known[i]; len(block) > 0 && bytes.Equal(k.block, block) {
			return k.answer, nil
		}
	}
	d.got = answer{grpc: none, length: none}
	if _, err := d.hpack.Write(block); err != nil {
		return answer{}, errHeader
	}
	if d.hpack.Close() != nil {
		return answer{}, errHeader
	}
	if changesTable(block) {
		d.forget()
		return d.got, nil
	}
	k := &d.known[d.oldest]
	d.oldest = (d.oldest + 1) % len(d.known)
	k.block, k.answer = append(k.block[:0], block...), d.got
	return d.got, nil
}

// changesTable says whether a block, which has been decoded, adds to the
// dynamic table or changes its size.
func changesTable(b []byte) bool {
	for len(b) > 0 {
		switch {
		case b[0]&0x80 != 0:
			_, b = integer(b, 7)
		case b[0]&0x60 != 0: // 01 adds, 001 resizes
			return true
		default:
			name, rest := integer(b, 4)
			if b = rest; name == 0 {
				b = skipString(b)
			}
			b = skipString(b)
		}
	}
	return false
}

func skipString(b []byte) []byte {
	n, b := integer(b, 7)
	return b[min(max(n, 0), len(b)):]
}

// integer reads what appendInteger writes; what is cut off is 0.
func integer(b []byte, bits uint) (int, []byte) {
	if len(b) == 0 {
		return 0, nil
	}
	most := 1<<bits - 1
	n := int(b[0]) & most
	b = b[1:]
	if n < most {
		return n, b
	}
	for shift := uint(0); len(b) > 0 && shift < 35; shift += 7 {
		c := b[0]
		b = b[1:]
		n += int(c&0x7f) << shift
		if c < 0x80 {
			return n, b
		}
	}
	return 0, nil
}
