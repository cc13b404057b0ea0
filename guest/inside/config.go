package inside

import "strings"

var unescape = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n")

// Read reads what guest.Config has written.
func Read(text string) (id string, lines [][]string) {
	id, rest, _ := strings.Cut(text, "\n")
	for rest != "" {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		words := strings.Split(line, "\t")
		for i, w := range words {
			words[i] = unescape.Replace(w)
		}
		lines = append(lines, words)
	}
	return id, lines
}
