package fleet

import "github.com/taremesh/tare/load"

// stream is one worker's samples, in the order of their intended times.
type stream struct {
	parts <-chan []load.Sample
	head  []load.Sample // what is left of the part that came last
	taken int
}

// fill waits for the worker's next sample; false at its end.
func (s *stream) fill() bool {
	for len(s.head) == 0 {
		part, ok := <-s.parts
		if !ok {
			return false
		}
		s.head = part
	}
	return true
}

// mergedPart is how many merged samples are handed over at a time.
const mergedPart = 1 << 14

// merge hands all streams' samples to take, in the order of their intended
// times; where two have one time the first stream's comes first. After an error
// of take it only empties the streams.
func merge(streams []stream, take func([]load.Sample) error) error {
	open := make([]*stream, 0, len(streams))
	for k := range streams {
		if streams[k].fill() {
			open = append(open, &streams[k])
		}
	}
	var failed error
	out := make([]load.Sample, 0, mergedPart)
	flush := func() {
		if failed == nil && len(out) > 0 {
			failed = take(out)
		}
		out = out[:0]
	}
	for len(open) > 0 {
		first := 0
		for k := 1; k < len(open); k++ {
			if open[k].head[0].Intended < open[first].head[0].Intended {
				first = k
			}
		}
		s := open[first]
		out = append(out, s.head[0])
		s.head, s.taken = s.head[1:], s.taken+1
		if len(out) == cap(out) {
			flush()
		}
		if !s.fill() {
			open = append(open[:first], open[first+1:]...)
		}
	}
	flush()
	return failed
}
