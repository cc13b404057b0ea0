// Package fullmatch compiles regular expressions that a text must match whole, as
// RE2's FullMatch does and the field's configurations mean. It does not find parts
// of texts: that is regexp.
package fullmatch

import "regexp"

// Compile compiles an expression of RE2's syntax. It is one by itself: what is put
// around it completes none, such as ")(", and spoils none, such as a quotation
// that lasts to its end (\Q without \E).
func Compile(expression string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(expression); err != nil {
		return nil, err
	}
	if whole, err := regexp.Compile(`\A(?:` + expression + `)\z`); err == nil {
		return whole, nil
	}
	return regexp.Compile(`\A(?:` + expression + `\E)\z`)
}

// MustCompile compiles an expression that Compile has taken before; it panics on
// another.
func MustCompile(expression string) *regexp.Regexp {
	whole, err := Compile(expression)
	if err != nil {
		panic(err)
	}
	return whole
}
