package report

import "strings"

// Labelled is a cell of a table with the head of its column, so that it can be
// shown in a card as well.
type Labelled struct {
	Label, Text string
	Number      bool
}

// labelled puts each cell under its head, the first row; a head that begins
// with > is that of numbers.
func labelled(rows [][]string) [][]Labelled {
	var out [][]Labelled
	for _, row := range rows[1:] {
		var line []Labelled
		for i, cell := range row {
			head, number := strings.CutPrefix(rows[0][i], ">")
			line = append(line, Labelled{head, cell, number})
		}
		out = append(out, line)
	}
	return out
}
