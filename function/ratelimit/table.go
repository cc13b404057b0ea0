package ratelimit

import "math/bits"

// maxTree holds numbers, adds to the first n of them and knows the greatest of
// the first n, each in logarithmic time: every node holds what is pending for all below it
// and the greatest below it, pending included.
type maxTree struct {
	leaves        int
	most, pending []int64
}

func newMaxTree(n int, value func(int) int64) *maxTree {
	leaves := 1
	for leaves < n {
		leaves *= 2
	}
	t := &maxTree{leaves: leaves, most: make([]int64, 2*leaves), pending: make([]int64, 2*leaves)}
	for i := range leaves {
		t.most[leaves+i] = untouched
		if i < n {
			t.most[leaves+i] = value(i)
		}
	}
	for node := leaves - 1; node > 0; node-- {
		t.most[node] = max(t.most[2*node], t.most[2*node+1])
	}
	return t
}

// add adds to the first n numbers.
func (t *maxTree) add(n int, by int64) { t.addBelow(1, t.leaves, n, by) }

// addBelow adds to the first n of the width numbers below the node.
func (t *maxTree) addBelow(node, width, n int, by int64) {
	if n <= 0 {
		return
	}
	if n >= width {
		t.most[node] += by
		t.pending[node] += by
		return
	}
	half := width / 2
	t.addBelow(2*node, half, n, by)
	t.addBelow(2*node+1, half, n-half, by)
	t.most[node] = max(t.most[2*node], t.most[2*node+1]) + t.pending[node]
}

// max is the greatest of the first n numbers; there must be one.
func (t *maxTree) max(n int) int64 { return t.maxBelow(1, t.leaves, n) }

func (t *maxTree) maxBelow(node, width, n int) int64 {
	if n <= 0 {
		return untouched
	}
	if n >= width {
		return t.most[node]
	}
	half := width / 2
	return max(t.maxBelow(2*node, half, n), t.maxBelow(2*node+1, half, n-half)) + t.pending[node]
}

// topTable knows the greatest of any range of numbers: a row per power of two,
// with the greatest of so many numbers from each place on.
type topTable struct{ rows [][]int64 }

func newTopTable(values []int64) *topTable {
	t := &topTable{rows: [][]int64{values}}
	for width := 2; width <= len(values); width *= 2 {
		below := t.rows[len(t.rows)-1]
		row := make([]int64, len(values)-width+1)
		for i := range row {
			row[i] = max(below[i], below[i+width/2])
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// max is the greatest of the numbers first to last−1; there must be one.
func (t *topTable) max(first, last int) int64 {
	r := bits.Len(uint(last-first)) - 1
	row := t.rows[r]
	return max(row[first], row[last-1<<r])
}
