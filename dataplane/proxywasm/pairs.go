package proxywasm

import "encoding/binary"

// The most that a serialised map may be, as in Envoy's host.
const (
	mostPairBytes = 1 << 20
	mostPairs     = 1024
)

// pairsSize is the size of fields as the ABI serialises them: a count, the
// lengths of each name and value, and then these, each with a NUL behind it.
// No fields are 0 bytes.
func pairsSize(f Fields) int {
	n := f.Len()
	if n == 0 {
		return 0
	}
	size := 4
	for i := range n {
		name, value := f.At(i)
		size += 8 + len(name) + 1 + len(value) + 1
	}
	return size
}

// appendPairs serialises fields.
func appendPairs(to []byte, f Fields) []byte {
	n := f.Len()
	if n == 0 {
		return to
	}
	to = binary.LittleEndian.AppendUint32(to, uint32(n))
	for i := range n {
		name, value := f.At(i)
		to = binary.LittleEndian.AppendUint32(to, uint32(len(name)))
		to = binary.LittleEndian.AppendUint32(to, uint32(len(value)))
	}
	for i := range n {
		name, value := f.At(i)
		to = append(append(to, name...), 0)
		to = append(append(to, value...), 0)
	}
	return to
}

// pair is one name and value in the guest's memory.
type pair struct{ name, value []byte }

// readPairs reads a serialised map into a slice that is used again; false when
// it is malformed. No bytes, and one that is 0, are an empty map.
func readPairs(into []pair, b []byte) ([]pair, bool) {
	into = into[:0]
	if len(b) == 0 || len(b) == 1 && b[0] == 0 {
		return into, true
	}
	if len(b) < 4 || len(b) > mostPairBytes {
		return into, false
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n > mostPairs || len(b) < 4+8*n {
		return into, false
	}
	sizes, rest := b[4:4+8*n], b[4+8*n:]
	for i := range n {
		name, after, ok := cutText(rest, binary.LittleEndian.Uint32(sizes[8*i:]))
		if !ok {
			return into, false
		}
		value, after, ok := cutText(after, binary.LittleEndian.Uint32(sizes[8*i+4:]))
		if !ok {
			return into, false
		}
		into = append(into, pair{name, value})
		rest = after
	}
	return into, len(rest) == 0
}

// cutText takes n bytes and the NUL behind them off the front.
func cutText(b []byte, n uint32) (text, rest []byte, ok bool) {
	if uint64(n)+1 > uint64(len(b)) || b[n] != 0 {
		return nil, nil, false
	}
	return b[:n:n], b[n+1:], true
}

// fieldsOf copies pairs out of the guest's memory.
func fieldsOf(pairs []pair) []Field {
	if len(pairs) == 0 {
		return nil
	}
	fields := make([]Field, len(pairs))
	for i, p := range pairs {
		fields[i] = Field{string(p.name), string(p.value)}
	}
	return fields
}

// list is read-only Fields over a slice: those of a response to an http_call.
type list []Field

func (l list) Len() int { return len(l) }

func (l list) At(i int) (name, value []byte) { return []byte(l[i].Name), []byte(l[i].Value) }

func (l list) Get(name []byte) ([]byte, bool) {
	var joined []byte
	found := false
	for _, f := range l {
		if !sameName(f.Name, name) {
			continue
		}
		if found {
			joined = append(joined, ',')
		}
		joined, found = append(joined, f.Value...), true
	}
	return joined, found
}

func (list) Set(_, _ []byte) {}
func (list) Add(_, _ []byte) {}
func (list) Remove(_ []byte) {}

// sameName compares names of fields without regard to case.
func sameName(a string, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
