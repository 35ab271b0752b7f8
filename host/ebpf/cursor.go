package ebpf

import (
	"fmt"
	"strconv"
	"strings"
)

// cursor reads one line; the first failure sticks.
type cursor struct {
	s   string
	at  int
	err *SyntaxError
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = &SyntaxError{Col: c.at + 1, Msg: fmt.Sprintf(format, args...)}
	}
}

func (c *cursor) space() {
	for c.at < len(c.s) && (c.s[c.at] == ' ' || c.s[c.at] == '\t' || c.s[c.at] == '\r') {
		c.at++
	}
}

// is takes the token if it comes next.
func (c *cursor) is(tok string) bool {
	c.space()
	if c.err != nil || !strings.HasPrefix(c.s[c.at:], tok) {
		return false
	}
	if isWord(rune(tok[len(tok)-1])) && c.at+len(tok) < len(c.s) && isWord(rune(c.s[c.at+len(tok)])) {
		return false // a longer word
	}
	c.at += len(tok)
	return true
}

func (c *cursor) need(tok string) {
	if !c.is(tok) {
		c.fail("%q expected", tok)
	}
}

func (c *cursor) word() string {
	c.space()
	start := c.at
	for c.at < len(c.s) && isWord(rune(c.s[c.at])) {
		c.at++
	}
	return c.s[start:c.at]
}

// peek is the word that comes next.
func (c *cursor) peek() string {
	at := c.at
	w := c.word()
	c.at = at
	return w
}

// num reads a number of at most bits bits, signed or not, with an optional sign.
func (c *cursor) num(bits int) int64 {
	c.space()
	start := c.at
	neg := false
	if c.at < len(c.s) && (c.s[c.at] == '+' || c.s[c.at] == '-') {
		neg = c.s[c.at] == '-'
		c.at++
	}
	w := c.word()
	u, err := strconv.ParseUint(w, 0, 64)
	switch {
	case err != nil:
	case bits < 64 && !neg && u < 1<<bits, bits == 64 && !neg:
		return int64(u)
	case neg && u <= 1<<(bits-1):
		return -int64(u)
	}
	c.at = start
	c.fail("number of %d bits expected", bits)
	return 0
}

func (c *cursor) off() int16 { return int16(c.signed(16)) }

// dist reads a jump's distance: +3, or as the verifier prints it, pc+3.
func (c *cursor) dist() int64 {
	c.is("pc")
	return c.signed(16)
}

func (c *cursor) imm() int32 { return int32(c.num(32)) }

// signed is num for fields that are signed only.
func (c *cursor) signed(bits int) int64 {
	start := c.at
	v := c.num(bits)
	if v > 1<<(bits-1)-1 {
		c.at = start
		c.fail("signed number of %d bits expected", bits)
	}
	return v
}

// reg reads a register; wide says r, not w.
func (c *cursor) reg() (n uint8, wide bool) {
	c.space()
	start := c.at
	w := c.word()
	if len(w) >= 2 && (w[0] == 'r' || w[0] == 'w') {
		if v, err := strconv.ParseUint(w[1:], 10, 8); err == nil && v < 16 {
			return uint8(v), w[0] == 'r'
		}
	}
	c.at = start
	c.fail("register expected")
	return 0, false
}

func (c *cursor) isReg() bool {
	w := c.peek()
	return len(w) >= 2 && (w[0] == 'r' || w[0] == 'w') && w[1] >= '0' && w[1] <= '9'
}

// r64 reads a register that must be a 64-bit one.
func (c *cursor) r64() uint8 {
	start := c.at
	n, wide := c.reg()
	if !wide {
		c.at = start
		c.fail("64-bit register expected")
	}
	return n
}

var sizeBits = map[string]uint8{"8": SizeB, "16": SizeH, "32": SizeW, "64": SizeDW}

// mem reads *(u32 *)(r1 +4); the leading * may be read already.
func (c *cursor) mem() (size, base uint8, off int16, signed bool) {
	size, signed = c.memType()
	c.need("(")
	base = c.r64()
	off = c.off()
	c.need(")")
	return
}

func (c *cursor) memType() (size uint8, signed bool) {
	c.need("*")
	c.need("(")
	w := c.word()
	ok := false
	if len(w) > 1 && (w[0] == 'u' || w[0] == 's') {
		size, ok = sizeBits[w[1:]]
		signed = w[0] == 's'
	}
	if !ok {
		c.fail("u8, u16, u32 or u64 expected")
	}
	c.need("*")
	c.need(")")
	return
}
