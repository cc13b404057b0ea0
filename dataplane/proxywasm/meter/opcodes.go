package meter

import "fmt"

// operand is what follows an opcode.
type operand byte

const (
	unknown operand = iota
	nothing
	blockType
	index      // u32
	twoIndices // u32, u32
	memoryPlace
	brTable
	int32s
	int64s
	float32s
	float64s
	typesVector
	functionIndex
	oneByte
	sixteenBytes
	memoryPlaceLane
	extended // another opcode
)

// Opcodes that are more than copied.
const (
	opBlock    = 0x02
	opLoop     = 0x03
	opIf       = 0x04
	opElse     = 0x05
	opEnd      = 0x0b
	opCall     = 0x10
	opIndirect = 0x11
	opMemGrow  = 0x40
	opRefFunc  = 0xd2
	opMisc     = 0xfc
	opVector   = 0xfd

	miscMemoryInit = 8
	miscMemoryCopy = 10
	miscMemoryFill = 11
	miscTableInit  = 12
	miscTableCopy  = 14
	miscTableGrow  = 15
	miscTableFill  = 17
)

// span gives opcodes from first to last their operand.
type span struct {
	first, last uint32
	operand     operand
}

// The opcodes of WebAssembly 2.0, those after 0xfc, and those after 0xfd.
var (
	plainSpans = []span{
		{0x00, 0x01, nothing}, {0x02, 0x04, blockType}, {0x05, 0x05, nothing}, {0x0b, 0x0b, nothing},
		{0x0c, 0x0d, index}, {0x0e, 0x0e, brTable}, {0x0f, 0x0f, nothing}, {0x10, 0x10, functionIndex}, {0x11, 0x11, twoIndices},
		{0x1a, 0x1b, nothing}, {0x1c, 0x1c, typesVector},
		{0x20, 0x26, index}, {0x28, 0x3e, memoryPlace}, {0x3f, 0x40, oneByte},
		{0x41, 0x41, int32s}, {0x42, 0x42, int64s}, {0x43, 0x43, float32s}, {0x44, 0x44, float64s}, {0x45, 0xc4, nothing},
		{0xd0, 0xd0, oneByte}, {0xd1, 0xd1, nothing}, {0xd2, 0xd2, functionIndex}, {0xfc, 0xfd, extended},
	}
	miscSpans = []span{
		{0, 7, nothing}, {8, 8, twoIndices}, {9, 9, index}, {10, 10, twoIndices}, {11, 11, index},
		{12, 12, twoIndices}, {13, 13, index}, {14, 14, twoIndices}, {15, 17, index},
	}
	vectorSpans = []span{
		{0, 11, memoryPlace}, {12, 13, sixteenBytes}, {14, 20, nothing}, {21, 34, oneByte}, {35, 83, nothing},
		{84, 91, memoryPlaceLane}, {92, 93, memoryPlace}, {94, 255, nothing},
	}
)

func find(spans []span, op uint32) operand {
	for _, s := range spans {
		if s.first <= op && op <= s.last {
			return s.operand
		}
	}
	return unknown
}

// table is plainSpans by opcode.
var table = func() (t [256]operand) {
	for op := range t {
		t[op] = find(plainSpans, uint32(op))
	}
	return t
}()

// beyond names instructions of later WebAssembly.
var beyond = map[byte]string{
	0x06: "try (exceptions)", 0x07: "catch (exceptions)", 0x08: "throw (exceptions)", 0x09: "rethrow (exceptions)",
	0x0a: "throw_ref (exceptions)", 0x12: "return_call (tail calls)", 0x13: "return_call_indirect (tail calls)",
	0x14: "call_ref (typed references)", 0x15: "return_call_ref (tail calls)", 0x18: "delegate (exceptions)",
	0x19: "catch_all (exceptions)", 0x1f: "try_table (exceptions)", 0xfb: "an instruction of garbage collection",
	0xfe: "an atomic instruction (threads)",
}

func named(op byte) string {
	if name, ok := beyond[op]; ok {
		return name
	}
	return fmt.Sprintf("the unknown instruction 0x%02x", op)
}

// skip reads an operand.
func (c *cursor) skip(o operand) {
	switch o {
	case blockType:
		start := c.at
		c.valueType()
		if c.err == nil {
			c.at = start // or it is the number of a type
			c.signed(5)
		}
	case index, functionIndex:
		c.u32()
	case twoIndices:
		c.u32()
		c.u32()
	case memoryPlace:
		c.u32()
		c.u32()
	case memoryPlaceLane:
		c.u32()
		c.u32()
		c.byte()
	case brTable:
		for n := c.count(); n > 0 && c.err == nil; n-- {
			c.u32()
		}
		c.u32()
	case int32s:
		c.signed(5)
	case int64s:
		c.signed(10)
	case float32s:
		c.take(4)
	case float64s:
		c.take(8)
	case typesVector:
		c.take(c.count())
	case oneByte:
		c.byte()
	case sixteenBytes:
		c.take(16)
	}
}
