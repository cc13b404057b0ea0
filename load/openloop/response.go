package openloop

import (
	"bytes"
	"errors"
)

// errMalformed is the one error of the parser: the sample's class says it.
var errMalformed = errors.New("the response is not HTTP/1.1")

type part uint8

// The parts of a response.
const (
	statusLine part = iota
	headerLine
	bodyLength // a body of known length
	bodyClose  // a body that ends with the connection
	chunkSize
	chunkData
	chunkEnd
	trailerLine
	complete
)

const (
	maxHeader = 256 << 10 // of status line, headers and trailers together
	maxStash  = 512       // of a line that is kept when it is cut by a read
)

// response reads one HTTP/1.1 response as it comes, in any pieces, and throws
// the body away. Reset it before each response.
type response struct {
	part    part
	head    bool // answers a HEAD request: no body
	status  uint16
	close   bool // the connection ends with this response
	old     bool // HTTP/1.0
	chunked bool
	sized   bool  // Content-Length was given
	length  int64 // what is left of the body or chunk
	header  int   // bytes of lines so far
	long    bool  // the line in stash lost its end
	n       int   // used of stash
	stash   [maxStash]byte
}

func (r *response) reset(head bool) {
	r.part, r.head, r.status = statusLine, head, 0
	r.close, r.old, r.chunked, r.sized = false, false, false, false
	r.length, r.header, r.long, r.n = 0, 0, false, 0
}

// feed takes bytes and returns how many belonged to this response. It takes
// all unless the response is complete.
func (r *response) feed(b []byte) (int, error) {
	used := 0
	for used < len(b) && r.part != complete {
		n, err := r.step(b[used:])
		used += n
		if err != nil {
			return used, err
		}
	}
	return used, nil
}

func (r *response) step(b []byte) (int, error) {
	switch r.part {
	case bodyClose:
		return len(b), nil
	case bodyLength, chunkData:
		n := int(min(int64(len(b)), r.length))
		r.length -= int64(n)
		if r.length == 0 {
			if r.part = complete; r.chunked {
				r.part = chunkEnd
			}
		}
		return n, nil
	}
	line, n, ok := r.line(b)
	if r.header += n; r.part == chunkSize || r.part == chunkEnd {
		r.header -= n // chunks are body: no bound on their number
	}
	if r.header > maxHeader {
		return n, errMalformed
	}
	if !ok {
		return n, nil
	}
	err := r.take(line)
	r.n, r.long = 0, false
	return n, err
}

// line returns the next whole line without its end.
func (r *response) line(b []byte) (line []byte, n int, ok bool) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		r.keep(b)
		return nil, len(b), false
	}
	line = b[:end]
	if r.n > 0 {
		r.keep(line)
		line = r.stash[:r.n]
	}
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	return line, end + 1, true
}

func (r *response) keep(b []byte) {
	n := copy(r.stash[r.n:], b)
	r.n += n
	r.long = r.long || n < len(b)
}

func (r *response) take(line []byte) error {
	switch r.part {
	case statusLine:
		return r.takeStatus(line)
	case headerLine:
		if len(line) == 0 {
			return r.endHeader()
		}
		return r.takeHeader(line)
	case chunkSize:
		return r.takeChunkSize(line)
	case chunkEnd:
		if len(line) != 0 {
			return errMalformed
		}
		r.part = chunkSize
	case trailerLine:
		if len(line) == 0 {
			r.part = complete
		}
	}
	return nil
}

// takeStatus reads "HTTP/1.x NNN" and what may follow it.
func (r *response) takeStatus(line []byte) error {
	const version = "HTTP/1."
	if len(line) < 12 || string(line[:7]) != version || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return errMalformed
	}
	if len(line) > 12 && line[12] != ' ' {
		return errMalformed
	}
	status := uint16(0)
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return errMalformed
		}
		status = status*10 + uint16(c-'0')
	}
	if status < 100 || status == 101 { // nobody asked to switch protocols
		return errMalformed
	}
	r.status, r.part = status, headerLine
	r.old = line[7] == '0'
	r.close = r.old
	return nil
}

func (r *response) takeHeader(line []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 || line[0] == ' ' || line[0] == '\t' || line[colon-1] == ' ' || line[colon-1] == '\t' {
		return errMalformed
	}
	name := line[:colon]
	switch len(name) { // only three names matter
	case len("connection"), len("content-length"), len("transfer-encoding"):
	default:
		return nil
	}
	switch {
	case foldEqual(name, "content-length"):
		return r.takeLength(trim(line[colon+1:]))
	case foldEqual(name, "transfer-encoding"):
		if r.chunked || r.long || !foldEqual(trim(line[colon+1:]), "chunked") {
			return errMalformed
		}
		r.chunked = true
	case foldEqual(name, "connection"):
		if r.long {
			return errMalformed
		}
		r.takeConnection(line[colon+1:])
	}
	return nil
}

func (r *response) takeLength(value []byte) error {
	if r.long || len(value) == 0 || len(value) > 18 {
		return errMalformed
	}
	n := int64(0)
	for _, c := range value {
		if c < '0' || c > '9' {
			return errMalformed
		}
		n = n*10 + int64(c-'0')
	}
	if r.sized && n != r.length {
		return errMalformed
	}
	r.sized, r.length = true, n
	return nil
}

func (r *response) takeConnection(value []byte) {
	for len(value) > 0 {
		option := value
		if comma := bytes.IndexByte(value, ','); comma >= 0 {
			option, value = value[:comma], value[comma+1:]
		} else {
			value = nil
		}
		switch option = trim(option); {
		case foldEqual(option, "close"):
			r.close = true
		case foldEqual(option, "keep-alive") && r.old:
			r.close = false
		}
	}
}

// endHeader decides the body's framing by RFC 9112 §6.3. A response with both
// a length and chunks is ambiguous and refused.
func (r *response) endHeader() error {
	switch {
	case r.chunked && r.sized:
		return errMalformed
	case r.status < 200: // interim: the real one follows
		header := r.header
		r.reset(r.head)
		r.header = header
	case r.head || r.status == 204 || r.status == 304:
		r.part = complete
	case r.chunked:
		r.part = chunkSize
	case r.sized && r.length == 0:
		r.part = complete
	case r.sized:
		r.part = bodyLength
	default:
		r.part, r.close = bodyClose, true
	}
	return nil
}

func (r *response) takeChunkSize(line []byte) error {
	if r.long {
		return errMalformed
	}
	if extension := bytes.IndexByte(line, ';'); extension >= 0 {
		line = line[:extension]
	}
	line = trim(line)
	if len(line) == 0 || len(line) > 15 {
		return errMalformed
	}
	n := int64(0)
	for _, c := range line {
		digit := hexDigit(c)
		if digit < 0 {
			return errMalformed
		}
		n = n<<4 | digit
	}
	if r.length, r.part = n, chunkData; n == 0 {
		r.part = trailerLine
	}
	return nil
}

// end says what the end of the connection means: a whole response or not.
func (r *response) end() bool {
	if r.part == bodyClose {
		r.part = complete
	}
	return r.part == complete
}

func hexDigit(c byte) int64 {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int64(c|0x20-'a') + 10
	}
	return -1
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// foldEqual compares with a lower-case word, ignoring the case of letters.
func foldEqual(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
