package meter

import (
	"errors"
	"fmt"
)

var errTruncated = errors.New("the module is cut off: it ends in the middle")

// cursor reads bytes. After its first error it reads nothing but zeros.
type cursor struct {
	b   []byte
	at  int
	err error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func (c *cursor) more() bool { return c.err == nil && c.at < len(c.b) }

func (c *cursor) byte() byte {
	if c.err != nil {
		return 0
	}
	if c.at >= len(c.b) {
		c.err = errTruncated
		return 0
	}
	c.at++
	return c.b[c.at-1]
}

func (c *cursor) take(n uint32) []byte {
	if c.err != nil {
		return nil
	}
	if uint64(n) > uint64(len(c.b)-c.at) {
		c.err = errTruncated
		return nil
	}
	c.at += int(n)
	return c.b[c.at-int(n) : c.at]
}

// valueType reads a type of one byte, which all are but typed references: an
// engine that knows them reads more, and all that follows would be taken apart.
func (c *cursor) valueType() byte {
	t := c.byte()
	if c.err == nil && (t == nullable || t == notNull) {
		c.fail("it has a typed reference (later WebAssembly)")
	}
	return t
}

const nullable, notNull = 0x63, 0x64

// valueTypes reads so many of them.
func (c *cursor) valueTypes(n uint32) {
	for ; n > 0 && c.err == nil; n-- {
		c.valueType()
	}
}

// u32 reads unsigned LEB128.
func (c *cursor) u32() uint32 {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := c.byte()
		if shift == 28 && b > 0x0f {
			break
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	c.fail("a number is too long")
	return 0
}

// signed skips signed LEB128 of at most so many bytes.
func (c *cursor) signed(most int) {
	for range most {
		if c.byte() < 0x80 {
			return
		}
	}
	c.fail("a number is too long")
}

// count reads the length of a vector whose elements have at least one byte, so
// that what is claimed cannot be more than what is there.
func (c *cursor) count() uint32 {
	n := c.u32()
	if c.err == nil && uint64(n) > uint64(len(c.b)-c.at) {
		c.err = errTruncated
		return 0
	}
	return n
}

// copied is what was read since a position.
func (c *cursor) copied(since int) []byte { return c.b[since:c.at] }
