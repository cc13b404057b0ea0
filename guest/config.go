package guest

import "strings"

// Config writes a configuration: a line for each list of words, the first of
// which is the function's id.
func Config(id string, lines ...[]string) []byte {
	b := append([]byte(id), '\n')
	for _, words := range lines {
		for i, w := range words {
			if i > 0 {
				b = append(b, '\t')
			}
			b = append(b, escape.Replace(w)...)
		}
		b = append(b, '\n')
	}
	return b
}

var escape = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`)
