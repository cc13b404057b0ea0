package http1

import "bytes"

// Why a request is refused, beside what concerns every head.
var (
	ErrRequestLine = bad("the request line is not method, target and version with one space between")
	ErrMethod      = bad("the method is not a token")
	ErrTarget      = bad("the target holds a character that is not allowed, or has no form that is")
	ErrVersion     = &Error{505, "the version is neither HTTP/1.1 nor HTTP/1.0"}
	ErrHost        = bad("Host is not given exactly once, or is no host")
	ErrAuthority   = bad("the target names another host than Host")
	ErrConnect     = &Error{501, "CONNECT is not supported"}
	ErrUpgrade     = &Error{501, "Upgrade is not supported"}
	ErrExpect      = &Error{417, "Expect is not 100-continue"}
)

// Request is the head of a request.
type Request struct {
	Head
	Method []byte
	Target []byte // origin form: path and query; or *
	Path   []byte // Target without the query
	Host   []byte
	// Continue: the client waits for 100 before it sends the body.
	Continue bool
	// Allow is the protocol that the connection may be upgraded to, in lower
	// case; empty: none, so that asking for one is an error.
	Allow string
	// Upgrade: the client asks for it.
	Upgrade bool
}

// Old reports whether the client speaks HTTP/1.0.
func (r *Request) Old() bool { return r.minor == 0 }

// Parse reads a head that End has found.
func (r *Request) Parse(b []byte) error {
	r.reset()
	r.Host, r.Continue = nil, false
	line, rest := cut(b)
	authority, err := r.line(line)
	if err != nil {
		return err
	}
	if err := r.fields(rest); err != nil {
		return err
	}
	if err := r.own(); err != nil {
		return err
	}
	if authority != nil && !EqualFold(authority, r.Host) {
		return ErrAuthority
	}
	if err := r.framed(); err != nil {
		return err
	}
	if r.Upgrade = r.upgrade != nil; r.Upgrade && !r.upgrades(r.Allow) {
		return ErrUpgrade
	}
	if r.Old() && !r.keepAlive {
		r.Close = true
	}
	return nil
}

func (r *Request) line(line []byte) (authority []byte, err error) {
	first := bytes.IndexByte(line, ' ')
	last := len(line) - len(" HTTP/1.1")
	if first < 0 || last <= first+1 || line[last] != ' ' {
		return nil, ErrRequestLine
	}
	method, target, version := line[:first], line[first+1:last], line[last+1:]
	if !ValidName(method) {
		return nil, ErrMethod
	}
	if !all(target, isTarget) {
		return nil, ErrTarget
	}
	switch string(version) {
	case "HTTP/1.1":
		r.minor = 1
	case "HTTP/1.0":
		r.minor = 0
	default:
		return nil, ErrVersion
	}
	r.Method = method
	return r.target(target)
}

// target takes the target apart; the absolute form becomes the origin form
// and the authority that it names.
func (r *Request) target(t []byte) (authority []byte, err error) {
	const scheme = "http://"
	switch {
	case string(r.Method) == "CONNECT":
		return nil, ErrConnect
	case t[0] == '/':
	case len(t) == 1 && t[0] == '*' && string(r.Method) == "OPTIONS":
	case len(t) > len(scheme) && Is(t[:len(scheme)], scheme):
		t = t[len(scheme):]
		i := bytes.IndexByte(t, '/')
		if i <= 0 {
			return nil, ErrTarget
		}
		authority, t = t[:i], t[i:]
	default:
		return nil, ErrTarget
	}
	r.Target, r.Path = t, t
	if i := bytes.IndexByte(t, '?'); i >= 0 {
		r.Path = t[:i]
	}
	return authority, nil
}

// own takes out the fields that only requests have: Host and Expect.
func (r *Request) own() error {
	for i := range r.Fields {
		f := &r.Fields[i]
		switch {
		case Is(f.Name, "host"):
			if r.Host != nil || !validHost(f.Value) {
				return ErrHost
			}
			r.Host = f.Value
			f.Name = nil
		case Is(f.Name, "expect"):
			if !Is(f.Value, "100-continue") {
				return ErrExpect
			}
			r.Continue = !r.Old()
			f.Name = nil
		}
	}
	if r.Host == nil {
		return ErrHost
	}
	return nil
}

// validHost takes a name or a bracketed address, and a port in digits.
func validHost(h []byte) bool {
	if len(h) == 0 || !all(h, isHost) {
		return false
	}
	port := h
	if h[0] == '[' {
		i := bytes.IndexByte(h, ']')
		if i < 2 {
			return false
		}
		port = h[i+1:]
		if len(port) > 0 && port[0] != ':' {
			return false
		}
	} else if bytes.ContainsAny(h, "[]") {
		return false
	}
	i := bytes.IndexByte(port, ':')
	if i < 0 {
		return true
	}
	if i == 0 && h[0] != '[' {
		return false
	}
	for _, c := range port[i+1:] {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// SetTarget replaces the target by another in origin form, which is kept, and
// reports whether it is one.
func (r *Request) SetTarget(t []byte) bool {
	if len(t) == 0 || t[0] != '/' || !all(t, isTarget) {
		return false
	}
	r.Target, r.Path = t, t
	if i := bytes.IndexByte(t, '?'); i >= 0 {
		r.Path = t[:i]
	}
	return true
}

// SetHost replaces the host, which is kept, and reports whether it is one.
func (r *Request) SetHost(h []byte) bool {
	if !validHost(h) {
		return false
	}
	r.Host = h
	return true
}

// Own copies all that the head points to behind b, so that the buffer that it
// was parsed from may be used again.
func (r *Request) Own(b []byte) []byte {
	b, r.Method = keep(b, r.Method)
	b, r.Host = keep(b, r.Host)
	path := len(r.Path)
	b, r.Target = keep(b, r.Target)
	r.Path = r.Target[:path]
	return r.ownFields(b)
}

// Append writes the head for the next hop: HTTP/1.1, and always a connection
// that is kept.
func (r *Request) Append(b []byte) []byte {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, r.Target...)
	b = append(b, " HTTP/1.1\r\nhost: "...)
	b = append(b, r.Host...)
	b = append(b, '\r', '\n')
	b = r.AppendFields(b)
	if r.Upgrade {
		b = appendUpgrade(b, r.Allow)
	}
	b = r.appendFraming(b)
	return append(b, '\r', '\n')
}

func appendUpgrade(b []byte, protocol string) []byte {
	b = append(b, "connection: Upgrade\r\nupgrade: "...)
	b = append(b, protocol...)
	return append(b, '\r', '\n')
}

func (r *Request) appendFraming(b []byte) []byte {
	if r.Length == Chunked || r.lengths > 0 {
		return AppendFraming(b, r.Length)
	}
	return b
}
