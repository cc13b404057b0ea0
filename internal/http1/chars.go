package http1

// The character classes of RFC 9110 and RFC 3986, as bits of a table.
const (
	isToken  = 1 << iota // tchar: names and methods
	isValue              // field values: visible, obs-text, space, tab
	isTarget             // request targets: visible ASCII without fragment
	isHost               // reg-name, IP literals and port, without comma
)

var chars = classes()

func classes() (t [256]uint8) {
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= isToken | isHost
		t[c-'a'+'A'] |= isToken | isHost
	}
	for c := '0'; c <= '9'; c++ {
		t[c] |= isToken | isHost
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] |= isToken
	}
	for _, c := range "-._~%!$&'()*+;=:[]" {
		t[c] |= isHost
	}
	for c := 0x20; c <= 0xff; c++ {
		if c != 0x7f {
			t[c] |= isValue
		}
	}
	t['\t'] |= isValue
	for c := 0x21; c <= 0x7e; c++ {
		if c != '#' {
			t[c] |= isTarget
		}
	}
	return t
}

// all reports whether every byte is of the class. It looks at all of them:
// that costs less than to ask after each.
func all(b []byte, class uint8) bool {
	common := class
	for _, c := range b {
		common &= chars[c]
	}
	return common != 0
}

// ValidName reports whether b can be a field name.
func ValidName(b []byte) bool { return len(b) > 0 && all(b, isToken) }

// ValidValue reports whether b can be a field value.
func ValidValue(b []byte) bool {
	return all(b, isValue) && (len(b) == 0 || !blank(b[0]) && !blank(b[len(b)-1]))
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// Is reports whether b is the name, which is in lower case, in any case.
func Is(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i := range len(b) {
		if lower(b[i]) != name[i] {
			return false
		}
	}
	return true
}

// EqualFold compares two ASCII strings without regard to case.
func EqualFold(a, b []byte) bool {
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

func trim(b []byte) []byte {
	for len(b) > 0 && blank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && blank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}
