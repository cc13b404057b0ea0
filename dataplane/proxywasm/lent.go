package proxywasm

import "fmt"

// lender is what a module may export to lend memory to its host: a function of
// no parameters that answers with the area's address and, in the upper half of
// an i64, its size.
const lender = "tare_lend"

// lent is memory of the guest's in which the host puts the values that it hands
// over during a stream, one behind the other, instead of calling the guest's
// allocator for each: a call of the guest costs more than most values do. The
// guest's side is that its allocator takes such blocks back without effect, and
// that it keeps none of them beyond the stream.
type lent struct{ start, size, used uint32 }

// borrow asks the guest for what it lends, if it does.
func (in *instance) borrow() error {
	f := in.module.ExportedFunction(lender)
	if f == nil || len(f.Definition().ParamTypes()) > 0 || len(f.Definition().ResultTypes()) != 1 {
		return nil
	}
	in.enter(lender, rootContext)
	if err := f.CallWithStack(in, in.stack[:]); err != nil {
		return in.fail(err)
	}
	l := lent{start: uint32(in.stack[0]), size: uint32(in.stack[0] >> 32)}
	if uint64(l.start)+uint64(l.size) > uint64(in.memory.Size()) {
		return fmt.Errorf("it lends %d bytes at %d, which its memory does not have", l.size, l.start)
	}
	in.lent = l
	return nil
}

// take is room for a value; false: there is none left.
func (l *lent) take(size int) (address uint32, ok bool) {
	need := (uint64(size) + 7) &^ 7
	if need > uint64(l.size-l.used) {
		return 0, false
	}
	address = l.start + l.used
	l.used += uint32(need)
	return address, true
}
