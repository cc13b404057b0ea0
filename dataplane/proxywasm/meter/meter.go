package meter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Options say what a module is rewritten to.
type Options struct {
	// Module and Name are the import that is called when the count has run out;
	// it takes nothing and returns the next count, an i32.
	Module, Name string
	// Count is the first count.
	Count int32
	// TableElements is the most elements that a table may have or grow to.
	TableElements uint32
}

// The sections of a module.
const (
	sectionCustom   = 0
	sectionType     = 1
	sectionImport   = 2
	sectionFunction = 3
	sectionTable    = 4
	sectionMemory   = 5
	sectionGlobal   = 6
	sectionExport   = 7
	sectionStart    = 8
	sectionElement  = 9
	sectionCode     = 10
	sectionData     = 11
	sectionCount    = 12
	sections        = 13
)

// order is how sections follow one another.
var order = []int{
	sectionType, sectionImport, sectionFunction, sectionTable, sectionMemory, sectionGlobal, sectionExport,
	sectionStart, sectionElement, sectionCount, sectionCode, sectionData,
}

var sectionNames = [sections]string{
	"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "data count",
}

// ErrForeign: the bytes are no WebAssembly module.
var ErrForeign = errors.New("it is no WebAssembly module")

var header = []byte("\x00asm\x01\x00\x00\x00")

// Rewrite makes a module that asks. It refuses what is no module, what is cut
// off, and what it does not know.
func Rewrite(module []byte, o Options) ([]byte, error) {
	m := &rewriting{options: o}
	if err := m.split(module); err != nil {
		return nil, err
	}
	out := append([]byte(nil), header...)
	made := [sections][]byte{}
	for _, step := range m.steps() {
		b, err := step.make()
		if err != nil {
			return nil, fmt.Errorf("section %s: %w", sectionNames[step.section], err)
		}
		made[step.section] = b
	}
	for _, id := range order {
		if len(made[id]) > 0 {
			out = binary.AppendUvarint(append(out, byte(id)), uint64(len(made[id])))
			out = append(out, made[id]...)
		}
	}
	return out, nil
}

// rewriting is a module on its way.
type rewriting struct {
	counter
	options Options
	was     [sections][]byte
	params  []uint32 // how many parameters each type has
	funcs   []uint32 // the type of each function that is not imported
	globals uint32
}

// split finds the sections.
func (m *rewriting) split(module []byte) error {
	if !bytes.HasPrefix(module, header[:4]) {
		return fmt.Errorf("%w: it begins with %q", ErrForeign, module[:min(len(module), 8)])
	}
	if !bytes.HasPrefix(module, header) {
		if len(module) < len(header) {
			return errTruncated
		}
		return fmt.Errorf("it has the binary version %x, not 1 (a component is no module)", module[4:8])
	}
	c := cursor{b: module, at: len(header)}
	last := -1
	for c.more() {
		id := c.byte()
		body := c.take(c.u32())
		switch {
		case c.err != nil:
			return fmt.Errorf("byte %d: %w", c.at, c.err)
		case id == sectionCustom:
			continue
		case int(id) >= sections:
			return fmt.Errorf("it has the unknown section %d (later WebAssembly)", id)
		}
		place := slices.Index(order, int(id))
		if place <= last {
			return fmt.Errorf("section %s stands at a wrong place or twice", sectionNames[id])
		}
		last = place
		m.was[id] = body
	}
	m.memory = len(m.was[sectionMemory]) > 0 && m.was[sectionMemory][0] > 0
	return c.err
}

// step makes one section; later ones know what earlier ones have found.
type step struct {
	section int
	make    func() ([]byte, error)
}

func (m *rewriting) steps() []step {
	same := func(id int) step { return step{id, func() ([]byte, error) { return m.was[id], nil }} }
	return []step{
		{sectionType, m.types},
		{sectionImport, m.imported},
		{sectionGlobal, m.globalsAndOne},
		{sectionFunction, m.declared},
		{sectionTable, m.tables},
		{sectionExport, m.exports},
		{sectionStart, m.start},
		{sectionElement, m.elements},
		{sectionCode, m.code},
		same(sectionMemory), same(sectionData), same(sectionCount),
	}
}

// vector reads a section that is a vector, each element by a function that
// appends what becomes of it; some elements may be added at the end.
func (m *rewriting) vector(id int, each func(*cursor, []byte) []byte, added ...[]byte) ([]byte, error) {
	c := cursor{b: m.was[id]}
	n := uint32(0)
	if len(c.b) > 0 {
		n = c.count()
	}
	if c.err == nil && n == 0 && len(added) == 0 {
		return nil, nil
	}
	out := binary.AppendUvarint(nil, uint64(n)+uint64(len(added)))
	for i := uint32(0); i < n && c.err == nil; i++ {
		out = each(&c, out)
	}
	if c.err == nil && c.more() {
		c.fail("there is something behind its end")
	}
	for _, a := range added {
		out = append(out, a...)
	}
	return out, c.err
}

// types adds () → i32, (i32, i32, i32) → () and i32 → i32.
func (m *rewriting) types() ([]byte, error) {
	return m.vector(sectionType, func(c *cursor, out []byte) []byte {
		start := c.at
		if form := c.byte(); c.err == nil && form != 0x60 {
			c.fail("it has a type of the form 0x%02x, not of a function (later WebAssembly)", form)
		}
		params := c.count()
		c.valueTypes(params)
		c.valueTypes(c.count())
		m.params = append(m.params, params)
		return append(out, c.copied(start)...)
	}, []byte{0x60, 0, 1, 0x7f}, []byte{0x60, 3, 0x7f, 0x7f, 0x7f, 0}, []byte{0x60, 1, 0x7f, 1, 0x7f})
}

func (m *rewriting) askType() uint32 { return uint32(len(m.params)) }

func (m *rewriting) bulkType() uint32 { return uint32(len(m.params)) + 1 }

func (m *rewriting) growType() uint32 { return uint32(len(m.params)) + 2 }

// imported adds the import that is asked.
func (m *rewriting) imported() ([]byte, error) {
	ask := binary.AppendUvarint(nil, uint64(len(m.options.Module)))
	ask = binary.AppendUvarint(append(ask, m.options.Module...), uint64(len(m.options.Name)))
	ask = binary.AppendUvarint(append(append(ask, m.options.Name...), 0), uint64(m.askType()))
	return m.vector(sectionImport, func(c *cursor, out []byte) []byte {
		start := c.at
		c.take(c.u32())
		c.take(c.u32())
		switch kind := c.byte(); kind {
		case 0:
			c.u32()
			m.counter.imports++
		case 1:
			c.valueType()
			c.limits()
		case 2:
			c.limits()
			m.memory = true
		case 3:
			c.valueType()
			c.byte()
			m.globals++
		default:
			c.fail("it imports something of the unknown kind %d (later WebAssembly)", kind)
		}
		return append(out, c.copied(start)...)
	}, ask)
}

// limits reads a least and perhaps a most.
func (c *cursor) limits() (least, most uint32, bounded bool) {
	flags := c.byte()
	if c.err == nil && flags > 1 {
		c.fail("it has limits of the unknown form %d (threads or 64 bits)", flags)
	}
	least = c.u32()
	if flags == 1 {
		return least, c.u32(), true
	}
	return least, 0, false
}

// globalsAndOne adds the count.
func (m *rewriting) globalsAndOne() ([]byte, error) {
	count := append(signed([]byte{0x7f, 1, 0x41}, m.options.Count), opEnd)
	b, err := m.vector(sectionGlobal, func(c *cursor, out []byte) []byte {
		out = append(out, c.valueType(), c.byte())
		m.globals++
		return m.constant(c, out)
	}, count)
	m.counter.global = m.globals
	return b, err
}

// constant copies a constant expression, in which a function may be named.
func (m *rewriting) constant(c *cursor, out []byte) []byte {
	for c.err == nil {
		start := c.at
		op := c.byte()
		switch o := table[op]; {
		case op == opRefFunc:
			out = binary.AppendUvarint(append(out, op), uint64(m.moved(c.u32())))
			continue
		case op == opVector:
			c.skip(find(vectorSpans, c.u32()))
		case o == unknown || o == extended || o == functionIndex || op == opBlock || op == opLoop || op == opIf || op == opElse:
			c.fail("an initial value has %s", named(op))
		default:
			c.skip(o)
		}
		out = append(out, c.copied(start)...)
		if op == opEnd {
			break
		}
	}
	return out
}

// declared adds the functions that fill, copy and grow.
func (m *rewriting) declared() ([]byte, error) {
	var added [][]byte
	if m.memory {
		bulk := binary.AppendUvarint(nil, uint64(m.bulkType()))
		added = [][]byte{bulk, bulk, binary.AppendUvarint(nil, uint64(m.growType()))}
	}
	b, err := m.vector(sectionFunction, func(c *cursor, out []byte) []byte {
		t := c.u32()
		if c.err == nil && t >= uint32(len(m.params)) {
			c.fail("a function has the type %d, which there is not", t)
		}
		m.funcs = append(m.funcs, t)
		return binary.AppendUvarint(out, uint64(t))
	}, added...)
	m.counter.fill = m.counter.imports + 1 + uint32(len(m.funcs))
	m.counter.copy, m.counter.grow = m.counter.fill+1, m.counter.fill+2
	return b, err
}

// tables bounds what tables may grow to.
func (m *rewriting) tables() ([]byte, error) {
	number := uint32(0)
	return m.vector(sectionTable, func(c *cursor, out []byte) []byte {
		if number++; number > mostTables {
			c.fail("it has more than %d tables", mostTables)
		}
		out = append(out, c.valueType())
		least, most, bounded := c.limits()
		if least > m.options.TableElements {
			c.fail("it has a table of %d elements, more than %d", least, m.options.TableElements)
		}
		if !bounded || most > m.options.TableElements {
			most = m.options.TableElements
		}
		out = binary.AppendUvarint(append(out, 1), uint64(least))
		return binary.AppendUvarint(out, uint64(most))
	})
}

const mostTables = 8

func (m *rewriting) exports() ([]byte, error) {
	return m.vector(sectionExport, func(c *cursor, out []byte) []byte {
		start := c.at
		c.take(c.u32())
		kind := c.byte()
		out = append(out, c.copied(start)...)
		i := c.u32()
		if kind == 0 {
			i = m.moved(i)
		}
		return binary.AppendUvarint(out, uint64(i))
	})
}

func (m *rewriting) start() ([]byte, error) {
	if len(m.was[sectionStart]) == 0 {
		return nil, nil
	}
	c := cursor{b: m.was[sectionStart]}
	i := c.u32()
	if c.more() {
		c.fail("there is something behind its end")
	}
	return binary.AppendUvarint(nil, uint64(m.moved(i))), c.err
}

// elements moves the functions in the eight forms of element segments: bit 0
// is "not active", bit 1 "names its table" or "declared", bit 2 "expressions".
func (m *rewriting) elements() ([]byte, error) {
	return m.vector(sectionElement, func(c *cursor, out []byte) []byte {
		start := c.at
		form := c.u32()
		if form > 7 {
			c.fail("it has elements of the unknown form %d", form)
			return out
		}
		active, named, expressions := form&1 == 0, form&2 != 0, form&4 != 0
		if active && named {
			c.u32()
		}
		out = append(out, c.copied(start)...)
		if active {
			out = m.constant(c, out)
		}
		if !active || named {
			out = append(out, c.valueType()) // what kind they are
		}
		n := c.count()
		out = binary.AppendUvarint(out, uint64(n))
		for i := uint32(0); i < n && c.err == nil; i++ {
			if expressions {
				out = m.constant(c, out)
			} else {
				out = binary.AppendUvarint(out, uint64(m.moved(c.u32())))
			}
		}
		return out
	})
}

// code rewrites the functions and adds three.
func (m *rewriting) code() ([]byte, error) {
	var all []*function
	_, err := m.vector(sectionCode, func(c *cursor, out []byte) []byte {
		body := c.take(c.u32())
		if c.err == nil && len(all) >= len(m.funcs) {
			c.fail("it has more bodies than functions")
		}
		if c.err != nil {
			return out
		}
		f, err := m.rewrite(body, m.params[m.funcs[len(all)]])
		if err != nil {
			c.fail("function %d: %w", len(all), err)
		}
		all = append(all, f)
		return out
	})
	if err != nil {
		return nil, err
	}
	var added []byte
	n := len(all)
	if m.memory {
		fill, copying, grow := m.added()
		added = slices.Concat(fill, copying, grow)
		n += 3
	}
	if n == 0 {
		return nil, nil
	}
	out := binary.AppendUvarint(nil, uint64(n))
	for i, weight := range m.weigh(all) {
		out = all[i].append(out, weight)
	}
	return append(out, added...), nil
}

func signed(b []byte, v int32) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
