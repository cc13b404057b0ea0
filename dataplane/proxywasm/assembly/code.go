package assembly

// Join puts instructions one behind the other.
func Join(code ...[]byte) []byte {
	var all []byte
	for _, c := range code {
		all = append(all, c...)
	}
	return all
}

// Op is an instruction by its bytes.
func Op(b ...byte) []byte { return b }

// Instructions without operands.
var (
	Unreachable = Op(0x00)
	Return      = Op(0x0f)
	Drop        = Op(0x1a)
	Eqz         = Op(0x45)
	Eq          = Op(0x46)
	Ne          = Op(0x47)
	LtU         = Op(0x49)
	GtU         = Op(0x4b)
	Add         = Op(0x6a)
	Sub         = Op(0x6b)
	Mul         = Op(0x6c)
	MemoryGrow  = Op(0x40, 0)
	MemorySize  = Op(0x3f, 0)
	MemoryFill  = Op(0xfc, 11, 0)
	MemoryCopy  = Op(0xfc, 10, 0, 0)
	TableGrow   = Op(0xfc, 15, 0)
	RefNullFunc = Op(0xd0, 0x70)
)

// I32 is a constant.
func I32(v int32) []byte { return signed([]byte{0x41}, int64(v)) }

// I64 is a constant of 64 bits.
func I64(v int64) []byte { return signed([]byte{0x42}, v) }

// Get reads a local, Set writes one, Tee writes one and keeps the value.
func Get(local uint32) []byte { return Unsigned([]byte{0x20}, local) }

// Set writes a local.
func Set(local uint32) []byte { return Unsigned([]byte{0x21}, local) }

// Tee writes a local and keeps the value.
func Tee(local uint32) []byte { return Unsigned([]byte{0x22}, local) }

// GetGlobal reads a global.
func GetGlobal(g Global) []byte { return Unsigned([]byte{0x23}, uint32(g)) }

// SetGlobal writes a global.
func SetGlobal(g Global) []byte { return Unsigned([]byte{0x24}, uint32(g)) }

// Load reads 32 bits, at an offset from the address on the stack.
func Load(offset uint32) []byte { return Unsigned([]byte{0x28, 2}, offset) }

// Store writes 32 bits.
func Store(offset uint32) []byte { return Unsigned([]byte{0x36, 2}, offset) }

// Load64 reads 64 bits.
func Load64(offset uint32) []byte { return Unsigned([]byte{0x29, 3}, offset) }

// Call calls a function with arguments that code puts on the stack.
func Call(f Func, arguments ...[]byte) []byte {
	return Unsigned(append(Join(arguments...), 0x10), uint32(f))
}

// CallIndirect calls through the table.
func CallIndirect(typ uint32, arguments ...[]byte) []byte {
	return append(Unsigned(append(Join(arguments...), 0x11), typ), 0)
}

// Block, Loop and If hold code that leaves nothing on the stack.
func Block(code ...[]byte) []byte { return enclosed(0x02, code) }

// Loop is where Br(0) in it goes to.
func Loop(code ...[]byte) []byte { return enclosed(0x03, code) }

// If runs code when the value on the stack is not 0.
func If(code ...[]byte) []byte { return enclosed(0x04, code) }

func enclosed(op byte, code [][]byte) []byte {
	return append(append([]byte{op, 0x40}, Join(code...)...), 0x0b)
}

// Br leaves for the label that lies so many levels out.
func Br(label uint32) []byte { return Unsigned([]byte{0x0c}, label) }

// BrIf does so when the value on the stack is not 0.
func BrIf(label uint32) []byte { return Unsigned([]byte{0x0d}, label) }

func signed(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
