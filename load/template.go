package load

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Template is text that differs from request to request: literal pieces and, in
// braces, variables. A brace of its own is written twice.
//
//	{n}            the request's number in its load, from 0
//	{user}         the user's index in the population
//	{random:A..B}  a whole number from A to B
//	{hex:N}        N hexadecimal digits, at most 256
//	{uuid}         a UUID of version 4
//	{pick:A|B|C}   one of the texts
//
// What is drawn depends on the load's seed, the request's number and the
// variable's place alone. It is parsed once and rendered without allocation.
type Template struct {
	pieces []templatePiece
	most   int
}

type templatePiece struct {
	literal   string
	kind      templateKind
	low, span uint64 // of random: span 0 is all numbers; of hex: low digits
	choices   []string
}

type templateKind uint8

const (
	literalPiece templateKind = iota
	numberPiece
	userPiece
	randomPiece
	hexPiece
	uuidPiece
	pickPiece
)

// templateVariables are what a template may hold, for errors.
const templateVariables = "n, user, random:A..B, hex:N, uuid, pick:A|B"

const (
	maxHex       = 256
	longestInt   = 20 // digits of 2⁶⁴
	uuidLength   = 36
	maxTemplates = 1 << 16 // pieces
)

// Vars are what a template's variables stand for in one request.
type Vars struct {
	Seed   uint64 // of the load
	Number uint64 // of the request
	User   int
	Place  uint64 // which of the request's templates it is: they draw apart
}

// ParseTemplate reads a template.
func ParseTemplate(text string) (Template, error) {
	t, literal := Template{}, []byte(nil)
	flush := func() {
		if len(literal) > 0 {
			t.pieces = append(t.pieces, templatePiece{literal: string(literal)})
			t.most += len(literal)
			literal = literal[:0]
		}
	}
	for len(text) > 0 {
		switch {
		case strings.HasPrefix(text, "{{") || strings.HasPrefix(text, "}}"):
			literal, text = append(literal, text[0]), text[2:]
			continue
		case text[0] == '}':
			return Template{}, errors.New("a } closes nothing: write }} for one of its own")
		case text[0] != '{':
			literal, text = append(literal, text[0]), text[1:]
			continue
		}
		name, rest, closed := strings.Cut(text[1:], "}")
		if !closed {
			return Template{}, errors.New("a { is not closed: write {{ for one of its own")
		}
		p, most, err := parseVariable(name)
		if err != nil {
			return Template{}, err
		}
		flush()
		t.pieces, t.most, text = append(t.pieces, p), t.most+most, rest
		if len(t.pieces) > maxTemplates {
			return Template{}, fmt.Errorf("a template of more than %d variables", maxTemplates)
		}
	}
	flush()
	return t, nil
}

// parseVariable reads what stands between braces, and how long it may become.
func parseVariable(text string) (templatePiece, int, error) {
	name, argument, given := strings.Cut(text, ":")
	switch {
	case name == "n" && !given:
		return templatePiece{kind: numberPiece}, longestInt, nil
	case name == "user" && !given:
		return templatePiece{kind: userPiece}, longestInt, nil
	case name == "uuid" && !given:
		return templatePiece{kind: uuidPiece}, uuidLength, nil
	case name == "random" && given:
		return parseRandom(argument)
	case name == "hex" && given:
		n, err := strconv.ParseUint(argument, 10, 16)
		if err != nil || n < 1 || n > maxHex {
			return templatePiece{}, 0, fmt.Errorf("{%s}: write {hex:N} with N from 1 to %d", text, maxHex)
		}
		return templatePiece{kind: hexPiece, low: n}, int(n), nil
	case name == "pick" && given:
		choices := strings.Split(argument, "|")
		longest := slices.MaxFunc(choices, func(a, b string) int { return len(a) - len(b) })
		return templatePiece{kind: pickPiece, choices: choices}, len(longest), nil
	}
	return templatePiece{}, 0, fmt.Errorf("the variable {%s} is unknown (known: %s)", text, templateVariables)
}

func parseRandom(argument string) (templatePiece, int, error) {
	from, to, _ := strings.Cut(argument, "..")
	low, err := strconv.ParseUint(from, 10, 64)
	high, other := strconv.ParseUint(to, 10, 64)
	if err != nil || other != nil || low > high {
		return templatePiece{}, 0, fmt.Errorf("{random:%s}: write {random:A..B} with whole numbers, A no more than B", argument)
	}
	return templatePiece{kind: randomPiece, low: low, span: high - low + 1}, longestInt, nil
}

// Constant says whether it is the same for every request.
func (t *Template) Constant() bool {
	return !slices.ContainsFunc(t.pieces, func(p templatePiece) bool { return p.kind != literalPiece })
}

// Most is how many bytes it can render to.
func (t *Template) Most() int { return t.most }

// Append renders the template for one request behind what there is.
func (t *Template) Append(dst []byte, v Vars) []byte {
	key := uint64(0)
	if len(t.pieces) > 1 || len(t.pieces) == 1 && t.pieces[0].kind != literalPiece {
		key = at(streamKey(v.Seed, templateStream^mix(v.Place)), v.Number)
	}
	for i := range t.pieces {
		dst = t.pieces[i].render(dst, v, mix(key+uint64(i)*golden))
	}
	return dst
}

func (p *templatePiece) render(dst []byte, v Vars, key uint64) []byte {
	switch p.kind {
	case numberPiece:
		return strconv.AppendUint(dst, v.Number, 10)
	case userPiece:
		return strconv.AppendInt(dst, int64(v.User), 10)
	case randomPiece:
		x := at(key, 0)
		if p.span > 0 {
			x = p.low + below(x, p.span)
		}
		return strconv.AppendUint(dst, x, 10)
	case hexPiece:
		return appendHex(dst, key, int(p.low))
	case uuidPiece:
		return appendUUID(dst, at(key, 0), at(key, 1))
	case pickPiece:
		return append(dst, p.choices[below(at(key, 0), uint64(len(p.choices)))]...)
	}
	return append(dst, p.literal...)
}

const hexDigits = "0123456789abcdef"

func appendHex(dst []byte, key uint64, digits int) []byte {
	x := uint64(0)
	for i := range digits {
		if i%16 == 0 {
			x = at(key, uint64(i/16))
		}
		dst = append(dst, hexDigits[x&15])
		x >>= 4
	}
	return dst
}

// appendUUID follows RFC 9562 §5.4.
func appendUUID(dst []byte, high, low uint64) []byte {
	high = high&^0xf000 | 0x4000
	low = low&^(3<<62) | 2<<62
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			dst = append(dst, '-')
		}
		x := high
		if i >= 16 {
			x = low
		}
		dst = append(dst, hexDigits[x>>(60-4*(i%16))&15])
	}
	return dst
}

// Literal is the template of a text that is none.
func Literal(text string) Template {
	if text == "" {
		return Template{}
	}
	return Template{pieces: []templatePiece{{literal: text}}, most: len(text)}
}
