package http1

import "bytes"

// Bounds of a head, which are Envoy's defaults.
const (
	MaxHead   = 60 << 10 // bytes
	MaxFields = 100
)

// Error is a refused message. Status is the answer that a client gets when the
// message is a request.
type Error struct {
	Status int
	Reason string
}

func (e *Error) Error() string { return e.Reason }

func bad(reason string) *Error { return &Error{Status: 400, Reason: reason} }

// The refusals. There is one value for each, so that refusing allocates nothing.
var (
	ErrTooLarge      = &Error{431, "the head is larger than 60 KiB"}
	ErrTooManyFields = &Error{431, "the head has more than 100 fields"}
	ErrBareLF        = bad("a line ends in LF without CR")
	ErrFold          = bad("a field is folded over two lines")
	ErrFieldName     = bad("a field name is empty or holds a character that is not allowed")
	ErrFieldValue    = bad("a field value holds a control character")
	ErrNoColon       = bad("a field line has no colon")
	ErrLength        = bad("Content-Length is not a number of at most 18 digits")
	ErrLengthTwice   = bad("Content-Length is given twice")
	ErrLengthAndTE   = bad("both Content-Length and Transfer-Encoding are given")
	ErrEncoding      = bad("Transfer-Encoding is not exactly chunked")
	ErrEncodingOld   = bad("Transfer-Encoding is given in HTTP/1.0")
	ErrConnection    = bad("Connection is not a list of names, or names a field that must not be dropped")
)

// Field is one header field. A removed one has an empty name.
type Field struct{ Name, Value []byte }

// Lengths that are not a number of bytes.
const (
	Chunked  = -1
	UntilEnd = -2 // responses only: the body ends with the connection
)

// Head is what requests and responses have in common. All slices point into
// the buffer that was parsed.
type Head struct {
	Fields []Field // without those that concern one hop only
	Length int64   // of the body; Chunked, UntilEnd
	Close  bool    // the connection ends after this message
	// Announce: the field Trailer is kept, since trailers are handed on.
	Announce bool

	minor     byte
	keepAlive bool
	lengths   int
	encodings int
	upgrade   []byte
	options   [maxNominated][]byte // fields named by Connection
	nominated int
}

// maxNominated is how many fields Connection may name.
const maxNominated = 8

// End finds the end of a head in b: the index after the empty line. From is
// where to continue, 0 at first, and is moved; it stays behind what may still
// grow. 0 means that more bytes are needed.
func End(b []byte, from *int) (int, error) {
	for {
		i := bytes.IndexByte(b[*from:], '\n')
		if i < 0 {
			if len(b) > MaxHead {
				return 0, ErrTooLarge
			}
			return 0, nil
		}
		line := b[*from : *from+i]
		if i == 0 || line[i-1] != '\r' {
			return 0, ErrBareLF
		}
		*from += i + 1
		if *from > MaxHead {
			return 0, ErrTooLarge
		}
		if i == 1 {
			return *from, nil
		}
	}
}

// cut returns the first line of b without its end, and the rest. End has made
// sure that every line ends in CRLF.
func cut(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	return b[:i-1], b[i+1:]
}

func (h *Head) reset() {
	h.Fields = h.Fields[:0]
	h.Length, h.lengths, h.encodings, h.nominated = 0, 0, 0, 0
	h.Close, h.keepAlive, h.minor = false, false, 0
	h.upgrade = nil
}

// fields parses the field lines up to the empty one.
func (h *Head) fields(b []byte) error {
	for {
		line, rest := cut(b)
		if len(line) == 0 {
			h.drop()
			return nil
		}
		b = rest
		if err := h.field(line); err != nil {
			return err
		}
	}
}

func (h *Head) field(line []byte) error {
	if blank(line[0]) {
		return ErrFold
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return ErrNoColon
	}
	name, value := line[:colon], trim(line[colon+1:])
	if !ValidName(name) {
		return ErrFieldName
	}
	if !all(value, isValue) {
		return ErrFieldValue
	}
	keep, err := h.note(name, value)
	if err != nil || !keep {
		return err
	}
	if len(h.Fields) == MaxFields {
		return ErrTooManyFields
	}
	h.Fields = append(h.Fields, Field{name, value})
	return nil
}

// note takes up the fields that say how this hop works; the others are kept.
func (h *Head) note(name, value []byte) (keep bool, err error) {
	switch len(name) {
	case len("te"):
		return !Is(name, "te") || Is(value, "trailers"), nil // as Envoy does
	case len("trailer"): // and upgrade
		if Is(name, "upgrade") {
			h.upgrade = value
			return false, nil
		}
		return h.Announce || !Is(name, "trailer"), nil
	case len("connection"): // and keep-alive
		if Is(name, "connection") {
			return false, h.connection(value)
		}
		return !Is(name, "keep-alive"), nil
	case len("content-length"):
		if Is(name, "content-length") {
			return false, h.length(value)
		}
	case len("proxy-connection"):
		return !Is(name, "proxy-connection"), nil
	case len("transfer-encoding"):
		if Is(name, "transfer-encoding") {
			h.encodings++
			if h.encodings > 1 || !Is(value, "chunked") {
				return false, ErrEncoding
			}
			return false, nil
		}
	}
	return true, nil
}

func (h *Head) length(value []byte) error {
	h.lengths++
	if h.lengths > 1 {
		return ErrLengthTwice
	}
	if len(value) == 0 || len(value) > 18 {
		return ErrLength
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return ErrLength
		}
		h.Length = h.Length*10 + int64(c-'0')
	}
	return nil
}

// framed decides how long the body is said to be.
func (h *Head) framed() error {
	if h.encodings == 0 {
		return nil
	}
	if h.lengths > 0 {
		return ErrLengthAndTE
	}
	if h.minor == 0 {
		return ErrEncodingOld
	}
	h.Length = Chunked
	return nil
}

// connection reads the options; each that is no option of ours names a field
// of this hop, which drop removes.
func (h *Head) connection(value []byte) error {
	for len(value) > 0 {
		option := value
		if i := bytes.IndexByte(value, ','); i >= 0 {
			option, value = value[:i], value[i+1:]
		} else {
			value = nil
		}
		option = trim(option)
		switch {
		case len(option) == 0:
		case Is(option, "close"):
			h.Close = true
		case Is(option, "keep-alive"):
			h.keepAlive = true
		case !ValidName(option) || essential(option):
			return ErrConnection
		default:
			if h.nominated == maxNominated {
				return ErrConnection
			}
			h.options[h.nominated] = option
			h.nominated++
		}
	}
	return nil
}

// upgrades reports whether the message names that protocol alone, and says so
// where hops are told of it.
func (h *Head) upgrades(protocol string) bool {
	if protocol == "" || !Is(h.upgrade, protocol) || h.Length != 0 {
		return false
	}
	for _, option := range h.options[:h.nominated] {
		if Is(option, "upgrade") {
			return true
		}
	}
	return false
}

// essential are the fields without which the next hop would read another message.
func essential(name []byte) bool {
	for _, s := range [...]string{"host", "content-length", "transfer-encoding", "connection"} {
		if Is(name, s) {
			return true
		}
	}
	return false
}

// drop removes the fields that Connection named.
func (h *Head) drop() {
	for _, option := range h.options[:h.nominated] {
		for i := range h.Fields {
			if EqualFold(h.Fields[i].Name, option) {
				h.Fields[i].Name = nil
			}
		}
	}
}

// Get returns the value of the first field of that name, given in lower case.
func (h *Head) Get(name string) ([]byte, bool) {
	for i := range h.Fields {
		if Is(h.Fields[i].Name, name) {
			return h.Fields[i].Value, true
		}
	}
	return nil, false
}

// Copy returns the value of the field of that name, given in lower case, that
// has so many of the name before it.
func (h *Head) Copy(name string, before int) ([]byte, bool) {
	for i := range h.Fields {
		if !Is(h.Fields[i].Name, name) {
			continue
		}
		if before == 0 {
			return h.Fields[i].Value, true
		}
		before--
	}
	return nil, false
}

// Remove removes every field of that name.
func (h *Head) Remove(name string) {
	for i := range h.Fields {
		if Is(h.Fields[i].Name, name) {
			h.Fields[i].Name = nil
		}
	}
}

// Add appends a field. The slices are kept.
func (h *Head) Add(name, value []byte) { h.Fields = append(h.Fields, Field{name, value}) }

// SetLength says how long the body is that will be sent, instead of how long
// the one was that came.
func (h *Head) SetLength(n int64) { h.Length, h.lengths, h.encodings = n, 1, 0 }

// ownFields copies the fields behind b.
func (h *Head) ownFields(b []byte) []byte {
	for i := range h.Fields {
		f := &h.Fields[i]
		if len(f.Name) > 0 {
			b, f.Name = keep(b, f.Name)
			b, f.Value = keep(b, f.Value)
		}
	}
	return b
}

// keep appends a copy of s to b and returns both.
func keep(b, s []byte) (all, kept []byte) {
	n := len(b)
	b = append(b, s...)
	return b, b[n:len(b):len(b)]
}

// AppendFields writes the fields that were not removed.
func (h *Head) AppendFields(b []byte) []byte {
	for i := range h.Fields {
		f := &h.Fields[i]
		if len(f.Name) == 0 {
			continue
		}
		b = append(b, f.Name...)
		b = append(b, ':', ' ')
		b = append(b, f.Value...)
		b = append(b, '\r', '\n')
	}
	return b
}

// Framing reports whether a field of that name says how a message is framed or
// where it goes, so that no one but the codec may set it.
func Framing(name []byte) bool {
	switch len(name) {
	case len("host"), len("upgrade"), len("connection"), len("content-length"), len("transfer-encoding"):
		return essential(name) || Is(name, "keep-alive") || Is(name, "upgrade")
	}
	return false // keep-alive is as long as connection
}
