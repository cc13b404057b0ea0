package study

import "fmt"

// maxNesting is how many brackets may be open, or dashes follow each other, in
// a YAML text.
const maxNesting = 1000

// CheckNesting refuses a YAML text before it is parsed: the parser calls
// itself for each bracket and dash, and three million of them take all the
// memory there is. It looks at the text only, so that brackets within strings
// count too.
func CheckNesting(text []byte) error {
	open, dashes := 0, 0
	for i, c := range text {
		switch {
		case c == '[' || c == '{':
			open, dashes = open+1, 0
		case (c == ']' || c == '}') && open > 0:
			open, dashes = open-1, 0
		case (c == '-' || c == '?') && i+1 < len(text) && text[i+1] == ' ':
			dashes++
		case c != ' ':
			dashes = 0
		}
		if open > maxNesting || dashes > maxNesting {
			return fmt.Errorf("nested more than %d deep, which no file of this format is", maxNesting)
		}
	}
	return nil
}
