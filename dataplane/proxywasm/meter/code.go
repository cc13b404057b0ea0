package meter

import "encoding/binary"

const (
	// mostLocals is how many locals a function may have; engines for browsers
	// have the same limit.
	mostLocals = 50_000
	// light is what a function may cost, all that it calls included, without
	// being counted itself. Each call is counted as if it led to such a one.
	light = 64
	// rounds is how often loops of a function go round until it is counted: a
	// power of two. Between, a local counts them, which costs a loop of few
	// instructions much less than a global, whose value has to go through memory.
	rounds = 16
	// heavy is what an instruction counts whose work depends on a size that is
	// bounded otherwise: by the module, by the limit of tables, by the limit of
	// memory.
	heavy = 1000
	// mostCost keeps a count from running over.
	mostCost = 1 << 28
)

// counter is where the added parts of a module are.
type counter struct {
	imports uint32 // the index that the added import has; functions from here on move by one
	global  uint32
	memory  bool   // whether there is one
	fill    uint32 // the added functions that fill, copy and grow it
	copy    uint32
	grow    uint32
}

// moved is where a function's index has moved to.
func (k *counter) moved(f uint32) uint32 {
	if f >= k.imports {
		return f + 1
	}
	return f
}

// frame is a block that is open.
type frame struct {
	loop  bool
	since uint64 // what had been counted when it began
}

// function rewrites one function's code.
type function struct {
	*counter
	in     cursor
	locals []byte // their declarations
	out    []byte
	local  uint32 // the first of two added locals: a copy of the count, and the rounds
	cost   uint64 // with calls counted as light ones
	round  uint64 // the cost of the longest round of a loop
	loops  []int  // where what a loop costs is written
	frames []frame

	own   uint64   // the cost without that of calls
	calls []uint32 // the functions that it calls, by their index before
	plain bool     // no loops, no calls through a table, nothing that counts itself
}

// rewrite makes the new body of a function with so many parameters.
func (k *counter) rewrite(body []byte, params uint32) (*function, error) {
	f := &function{counter: k, in: cursor{b: body}, plain: true}
	f.declare(params)
	f.frames = append(f.frames, frame{})
	for len(f.frames) > 0 && f.in.err == nil {
		f.instruction()
	}
	if f.in.err == nil && f.in.more() {
		f.in.fail("there is code behind its end")
	}
	if f.in.err != nil {
		return nil, f.in.err
	}
	for _, at := range f.loops {
		patch(f.out[at:], rounds*f.round)
	}
	return f, nil
}

// append appends the new body, with or without the count at its beginning.
func (f *function) append(to []byte, weight uint64) []byte {
	var head []byte
	if weight > light {
		head = f.charge(nil)
		patch(head[f.costAt(0):], f.cost+rounds*f.round) // the rounds before the first that is counted
	}
	to = binary.AppendUvarint(to, uint64(len(f.locals)+len(head)+len(f.out)))
	return append(append(append(to, f.locals...), head...), f.out...)
}

// passes is how often weights are looked at again: how deep calls of light
// functions may go.
const passes = 6

// weigh finds what functions cost with all that they call; more than light where
// it is not known. A function that may come back to itself is never light, as
// each one begins as heavy.
func (k *counter) weigh(all []*function) []uint64 {
	weights := make([]uint64, len(all))
	for i := range weights {
		weights[i] = light + 1
	}
	for range passes {
		for i, f := range all {
			weights[i] = f.weight(weights)
		}
	}
	return weights
}

func (f *function) weight(weights []uint64) uint64 {
	if !f.plain {
		return light + 1
	}
	sum := f.own
	for _, c := range f.calls {
		switch {
		case c < f.imports: // the host counts its own work
		case uint64(c-f.imports) >= uint64(len(weights)):
			return light + 1
		default:
			sum += weights[c-f.imports]
		}
	}
	return min(sum, light+1)
}

// declare copies the declarations of locals and adds two.
func (f *function) declare(params uint32) {
	n := f.in.count()
	start := f.in.at
	total := uint64(params)
	for i := uint32(0); i < n && f.in.err == nil; i++ {
		total += uint64(f.in.u32())
		f.in.valueType()
		if total > mostLocals {
			f.in.fail("it has more than %d locals", mostLocals)
		}
	}
	f.local = uint32(total)
	f.locals = binary.AppendUvarint(nil, uint64(n)+1)
	f.locals = append(f.locals, f.in.copied(start)...)
	f.locals = append(f.locals, 2, 0x7f)
}

// charge appends what takes a cost off the count. The cost is written later.
func (f *function) charge(to []byte) []byte {
	to = binary.AppendUvarint(append(to, 0x23), uint64(f.global))
	to = append(to, 0x41, 0x80, 0x80, 0x80, 0x80, 0x00, 0x6b) // i32.const, sub
	to = binary.AppendUvarint(append(to, 0x22), uint64(f.local))
	to = binary.AppendUvarint(append(to, 0x24), uint64(f.global))
	to = binary.AppendUvarint(append(to, 0x20), uint64(f.local))
	to = append(to, 0x41, 0x00, 0x48, opIf, 0x40) // 0, lt_s, if
	return f.renew(to)
}

// renew appends the call of the import and the end of the if that it stands in.
func (k *counter) renew(to []byte) []byte {
	to = binary.AppendUvarint(append(to, opCall), uint64(k.imports))
	to = binary.AppendUvarint(append(to, 0x24), uint64(k.global))
	return append(to, opEnd)
}

// loop appends what counts a round of a loop.
func (f *function) loop() {
	local := uint64(f.local) + 1
	f.out = binary.AppendUvarint(append(f.out, 0x20), local)
	f.out = append(f.out, 0x41, 1, 0x6a)
	f.out = binary.AppendUvarint(append(f.out, 0x22), local)
	f.out = append(f.out, 0x41, rounds-1, 0x71, 0x45, opIf, 0x40) // and, eqz, if
	f.loops = append(f.loops, f.costAt(len(f.out)))
	f.out = append(f.charge(f.out), opEnd)
}

// costAt is where the cost lies in a charge that begins at a place.
func (f *function) costAt(place int) int {
	return place + 1 + len(binary.AppendUvarint(nil, uint64(f.global))) + 1
}

// patch writes a cost as signed LEB128 of five bytes.
func patch(at []byte, cost uint64) {
	v := min(cost, mostCost)
	for i := range 4 {
		at[i] = byte(v>>(7*i))&0x7f | 0x80
	}
	at[4] = byte(v >> 28)
}

// instruction rewrites one instruction.
func (f *function) instruction() {
	start := f.in.at
	op := f.in.byte()
	f.cost++
	f.own++
	o := table[op]
	switch {
	case f.in.err != nil:
	case o == unknown:
		f.in.fail("it has %s, which this host does not take", named(op))
	case o == functionIndex:
		f.refer(op)
	case o == extended:
		f.extended(op, start)
	case op == opMemGrow && f.memory:
		f.in.skip(o)
		f.call(f.grow)
	default:
		f.in.skip(o)
		f.out = append(f.out, f.in.copied(start)...)
		f.enclose(op)
	}
}

// enclose follows what opens and closes blocks, and counts what weighs more.
func (f *function) enclose(op byte) {
	switch op {
	case opBlock, opIf:
		f.frames = append(f.frames, frame{})
	case opLoop:
		f.plain = false
		f.frames = append(f.frames, frame{true, f.cost})
		f.loop()
	case opEnd:
		last := f.frames[len(f.frames)-1]
		f.frames = f.frames[:len(f.frames)-1]
		if last.loop {
			f.round = max(f.round, f.cost-last.since+1)
		}
	case opIndirect:
		f.plain = false
		f.cost += light
	}
}

// refer rewrites what names a function.
func (f *function) refer(op byte) {
	was := f.in.u32()
	f.out = binary.AppendUvarint(append(f.out, op), uint64(f.moved(was)))
	if op == opCall {
		f.calls = append(f.calls, was)
		f.cost += light
	}
}

// extended rewrites an instruction whose opcode has a second part.
func (f *function) extended(op byte, start int) {
	second := f.in.u32()
	spans := miscSpans
	if op == opVector {
		spans = vectorSpans
	}
	o := find(spans, second)
	if o == unknown {
		f.in.fail("it has the unknown instruction 0x%02x %d, which this host does not take", op, second)
		return
	}
	f.in.skip(o)
	if op == opMisc && f.bulk(second) {
		return
	}
	f.out = append(f.out, f.in.copied(start)...)
}

// bulk puts a call of an added function in the place of what fills and copies
// memory; of other instructions it counts what weighs more, and says false.
func (f *function) bulk(second uint32) bool {
	if !f.memory {
		return false // the engine refuses it
	}
	var call uint32
	switch second {
	case miscMemoryFill:
		call = f.fill
	case miscMemoryCopy:
		call = f.copy
	case miscMemoryInit, miscTableInit, miscTableCopy, miscTableGrow, miscTableFill:
		f.plain = false
		f.cost += heavy
		return false
	default:
		return false
	}
	f.call(call)
	return true
}

// call appends a call of an added function.
func (f *function) call(index uint32) {
	f.plain = false
	f.cost += light
	f.out = binary.AppendUvarint(append(f.out, opCall), uint64(index))
}

// growth is what growing memory counts: all of it may have to be copied.
const growth = 20_000

// added is the code of the functions that fill, copy and grow memory: they count
// before they do it, filling and copying one for 16 bytes. Their parameters are
// those of the instruction; the last of them is the size.
func (k *counter) added() (fill, copying, grow []byte) {
	bytes := []byte{0x20, 2, 0x41, 4, 0x76} // the size shifted right by 4
	fill = k.counted(3, bytes, opMisc, miscMemoryFill, 0)
	copying = k.counted(3, bytes, opMisc, miscMemoryCopy, 0, 0)
	return fill, copying, k.counted(1, signed([]byte{0x41}, growth), opMemGrow, 0)
}

// counted is the code of a function that takes a cost off the count and then
// does one instruction with its parameters.
func (k *counter) counted(params byte, cost []byte, instruction ...byte) []byte {
	body := []byte{1, 1, 0x7f} // one i32 local behind the parameters
	body = binary.AppendUvarint(append(body, 0x23), uint64(k.global))
	body = append(append(body, cost...), 0x6b, 0x22, params)
	body = binary.AppendUvarint(append(body, 0x24), uint64(k.global))
	body = append(body, 0x20, params, 0x41, 0, 0x48, opIf, 0x40)
	body = k.renew(body)
	for p := range params {
		body = append(body, 0x20, p)
	}
	body = append(append(body, instruction...), opEnd)
	return append(binary.AppendUvarint(nil, uint64(len(body))), body...)
}
