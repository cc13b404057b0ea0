// Package assembly puts small WebAssembly modules together, for tests.
//
// A Module takes what belongs to it in any order, but imports before functions;
// instructions are byte strings that functions of this package make. Nothing is
// checked: a test may want a module that is wrong.
//
// It reads no text format and knows only the instructions that tests have needed;
// Op makes the others from their bytes.
package assembly

import "encoding/binary"

// Func is the index of a function.
type Func uint32

// Global is the index of a global.
type Global uint32

type importing struct {
	module, name string
	typ          uint32
}

type function struct {
	typ    uint32
	locals uint32
	code   []byte
}

type exporting struct {
	name  string
	kind  byte
	index uint32
}

type segment struct {
	offset int32
	bytes  string
}

// Module is a module in the making. The zero value is an empty one.
type Module struct {
	types   [][2]string
	imports []importing
	funcs   []function
	exports []exporting
	data    []segment
	globals []int32
	memory  []uint32 // least and most pages
	table   []Func
	tables  []uint32 // least and most elements
	start   *Func
}

// typ finds a type or adds it. Letters: i is i32, l i64, f f32, d f64.
func (m *Module) typ(params, results string) uint32 {
	for i, t := range m.types {
		if t == [2]string{params, results} {
			return uint32(i)
		}
	}
	m.types = append(m.types, [2]string{params, results})
	return uint32(len(m.types) - 1)
}

// Type is the index of a type.
func (m *Module) Type(params, results string) uint32 { return m.typ(params, results) }

// Import imports a function.
func (m *Module) Import(module, name, params, results string) Func {
	m.imports = append(m.imports, importing{module, name, m.typ(params, results)})
	return Func(len(m.imports) - 1)
}

// Func adds a function with some i32 locals behind its parameters, and exports
// it under a name that is not empty.
func (m *Module) Func(export, params, results string, locals int, code ...[]byte) Func {
	f := Func(len(m.imports) + len(m.funcs))
	m.funcs = append(m.funcs, function{m.typ(params, results), uint32(locals), Join(code...)})
	if export != "" {
		m.Export(export, f)
	}
	return f
}

// Export exports a function under one more name.
func (m *Module) Export(name string, f Func) {
	m.exports = append(m.exports, exporting{name, 0, uint32(f)})
}

// Start names the start function.
func (m *Module) Start(f Func) { m.start = &f }

// Memory gives the module a memory of so many pages, exported as "memory".
func (m *Module) Memory(least, most uint32) {
	m.memory = []uint32{least, most}
	m.exports = append(m.exports, exporting{"memory", 2, 0})
}

// Data puts bytes into memory.
func (m *Module) Data(offset int32, bytes string) { m.data = append(m.data, segment{offset, bytes}) }

// Global adds a mutable i32.
func (m *Module) Global(value int32) Global {
	m.globals = append(m.globals, value)
	return Global(len(m.globals) - 1)
}

// Table gives the module a table that begins with some functions.
func (m *Module) Table(least, most uint32, funcs ...Func) {
	m.tables, m.table = []uint32{least, most}, funcs
}

// Bytes is the binary.
func (m *Module) Bytes() []byte {
	b := []byte("\x00asm\x01\x00\x00\x00")
	b = section(b, 1, len(m.types), func(b []byte, i int) []byte {
		b = append(b, 0x60)
		return letters(letters(b, m.types[i][0]), m.types[i][1])
	})
	b = section(b, 2, len(m.imports), func(b []byte, i int) []byte {
		x := m.imports[i]
		return Unsigned(append(text(text(b, x.module), x.name), 0), x.typ)
	})
	b = section(b, 3, len(m.funcs), func(b []byte, i int) []byte { return Unsigned(b, m.funcs[i].typ) })
	b = section(b, 4, min(len(m.tables), 1), func(b []byte, _ int) []byte {
		return Unsigned(Unsigned(append(b, 0x70, 1), m.tables[0]), m.tables[1])
	})
	b = section(b, 5, min(len(m.memory), 1), func(b []byte, _ int) []byte {
		return Unsigned(Unsigned(append(b, 1), m.memory[0]), m.memory[1])
	})
	b = section(b, 6, len(m.globals), func(b []byte, i int) []byte {
		return append(append(append(b, 0x7f, 1), I32(m.globals[i])...), 0x0b)
	})
	b = section(b, 7, len(m.exports), func(b []byte, i int) []byte {
		return Unsigned(append(text(b, m.exports[i].name), m.exports[i].kind), m.exports[i].index)
	})
	if m.start != nil {
		b = Section(b, 8, Unsigned(nil, uint32(*m.start)))
	}
	b = section(b, 9, min(len(m.table), 1), func(b []byte, _ int) []byte {
		b = Unsigned(append(b, 0, 0x41, 0, 0x0b), uint32(len(m.table)))
		for _, f := range m.table {
			b = Unsigned(b, uint32(f))
		}
		return b
	})
	b = section(b, 10, len(m.funcs), func(b []byte, i int) []byte {
		f := m.funcs[i]
		body := []byte{0}
		if f.locals > 0 {
			body = append(Unsigned([]byte{1}, f.locals), 0x7f)
		}
		body = append(append(body, f.code...), 0x0b)
		return append(Unsigned(b, uint32(len(body))), body...)
	})
	return section(b, 11, len(m.data), func(b []byte, i int) []byte {
		b = append(append(append(b, 0), I32(m.data[i].offset)...), 0x0b)
		return text(b, m.data[i].bytes)
	})
}

// section appends a section that is a vector; nothing when it is empty.
func section(b []byte, id byte, n int, each func([]byte, int) []byte) []byte {
	if n == 0 {
		return b
	}
	body := Unsigned(nil, uint32(n))
	for i := range n {
		body = each(body, i)
	}
	return Section(b, id, body)
}

// Section appends a section.
func Section(b []byte, id byte, body []byte) []byte {
	return append(Unsigned(append(b, id), uint32(len(body))), body...)
}

func text(b []byte, s string) []byte { return append(Unsigned(b, uint32(len(s))), s...) }

func letters(b []byte, s string) []byte {
	b = Unsigned(b, uint32(len(s)))
	for _, l := range s {
		b = append(b, map[rune]byte{'i': 0x7f, 'l': 0x7e, 'f': 0x7d, 'd': 0x7c}[l])
	}
	return b
}

// Unsigned appends a number as unsigned LEB128.
func Unsigned(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }
