package ebpf

import (
	"fmt"
	"strconv"
	"strings"
)

// Parser reads what [Printer] writes.
type Parser struct {
	// MapIndex finds a map by its name; nil knows none. Maps can always be
	// named by index, as in map[#2].
	MapIndex func(name string) (int, bool)
}

// SyntaxError says where a line can't be read.
type SyntaxError struct {
	Line, Col int // from 1; Line 0: of a line by itself
	Msg       string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("column %d: %s", e.Col, e.Msg)
	}
	return fmt.Sprintf("line %d: column %d: %s", e.Line, e.Col, e.Msg)
}

// Code reads instructions, one a line. Empty lines and what follows a # that
// begins a line, or stands behind a space, are comments. The error is a
// *SyntaxError.
func (p Parser) Code(text string) ([]Insn, error) {
	var out []Insn
	for n, line := range strings.Split(text, "\n") {
		line = StripComment(line)
		if strings.TrimSpace(line) == "" {
			continue
		}
		ins, err := p.Insn(line)
		if err != nil {
			err.(*SyntaxError).Line = n + 1
			return nil, err
		}
		out = append(out, ins...)
	}
	return out, nil
}

// StripComment cuts a comment off a line: a # at its start or behind a space.
func StripComment(line string) string {
	for i := 0; i < len(line); i++ {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return line[:i]
		}
	}
	return line
}

// Insn reads one instruction: one slot, or the two of a wide one. The error is
// a *SyntaxError without line.
func (p Parser) Insn(line string) ([]Insn, error) {
	var out []Insn
	off := 0
	for _, part := range strings.Split(line, ";") {
		ins, err := p.insn(part)
		if err != nil {
			err.(*SyntaxError).Col += off
			return nil, err
		}
		out = append(out, ins...)
		off += len(part) + 1
	}
	return out, nil
}

// insn reads the slots of one instruction.
func (p Parser) insn(line string) ([]Insn, error) {
	c := &cursor{s: line}
	out := p.read(c)
	c.space()
	if c.err == nil && c.at < len(c.s) {
		c.fail("end of line expected")
	}
	if c.err != nil {
		return nil, c.err
	}
	return out, nil
}

func (p Parser) read(c *cursor) []Insn {
	one := func(in Insn) []Insn { return []Insn{in} }
	switch {
	case c.is("exit"):
		return one(Insn{Op: OpExit})
	case c.is("goto"):
		return one(Insn{Op: OpJA, Off: int16(c.dist())})
	case c.is("gotol"):
		return one(Insn{Op: OpJA32, Imm: int32(c.signed(32))})
	case c.is("may_goto"):
		return one(Insn{Op: OpMayGo, Off: int16(c.dist())})
	case c.is("insn"):
		var in Insn
		in.Op = uint8(c.num(8))
		in.Dst, in.Src = uint8(c.num(4)), uint8(c.num(4))
		in.Dst, in.Src = in.Dst&15, in.Src&15
		in.Off, in.Imm = c.off(), c.imm()
		return one(in)
	case c.is("callx"):
		return one(Insn{Op: OpCallX, Dst: c.r64()})
	case c.is("call"):
		return one(c.call())
	case c.is("if"):
		return one(c.branch())
	case c.is("lock"):
		in := Insn{Op: ClassSTX | ModeATOMIC}
		size, base, off, _ := c.mem()
		in.Op, in.Dst, in.Off = in.Op|size, base, off
		c.space()
		for imm, sym := range atomicSymbols {
			if c.is(sym) {
				in.Imm = imm
				in.Src = c.r64()
				return one(in)
			}
		}
		c.fail("+=, |=, &= or ^= expected")
		return one(in)
	case c.is("store_release"):
		c.need("(")
		size, base, off, _ := c.mem()
		c.need(",")
		src := c.r64()
		c.need(")")
		return one(Insn{Op: ClassSTX | ModeATOMIC | size, Dst: base, Src: src, Off: off, Imm: AtomicStRel})
	}
	c.space()
	if c.at < len(c.s) && c.s[c.at] == '*' {
		size, base, off, _ := c.mem()
		c.need("=")
		if c.isReg() {
			return one(Insn{Op: ClassSTX | ModeMEM | size, Dst: base, Src: c.r64(), Off: off})
		}
		return one(Insn{Op: ClassST | ModeMEM | size, Dst: base, Off: off, Imm: c.imm()})
	}
	if !c.isReg() {
		c.fail("instruction expected")
		return nil
	}
	return p.assign(c)
}

func (c *cursor) call() Insn {
	in := Insn{Op: OpCall}
	if c.is("pc") {
		in.Src, in.Imm = CallLocal, int32(c.signed(32))
		return in
	}
	w := c.word()
	if c.is("#") {
		in.Imm = c.imm()
		if w == "kfunc" {
			in.Src = CallKfunc
		}
		return in
	}
	if n, err := strconv.ParseInt(w, 0, 32); err == nil {
		in.Imm = int32(n)
		return in
	}
	n, ok := helperByName[strings.TrimPrefix(w, "bpf_")]
	if !ok {
		c.fail("helper %q: not known", w)
	}
	in.Imm = n
	return in
}

// longest first, so that s>= isn't read as s>
var jumpOrder = []uint8{JmpEQ, JmpNE, JmpSGE, JmpSLE, JmpGE, JmpLE, JmpSGT, JmpSLT, JmpGT, JmpLT, JmpSET}

func (c *cursor) branch() Insn {
	dst, wide := c.reg()
	in := Insn{Op: ClassJMP, Dst: dst}
	if !wide {
		in.Op = ClassJMP32
	}
	found := false
	for _, op := range jumpOrder {
		if c.is(jumpSymbols[op]) {
			in.Op |= op
			found = true
			break
		}
	}
	if !found {
		c.fail("comparison expected")
	}
	c.operand(&in, wide)
	c.need("goto")
	in.Off = int16(c.dist())
	return in
}

// operand reads a register of the same width, or a constant.
func (c *cursor) operand(in *Insn, wide bool) {
	if c.isReg() {
		start := c.at
		src, w := c.reg()
		if w != wide {
			c.at = start
			c.fail("operands of different widths")
		}
		in.Op |= SrcX
		in.Src = src
		return
	}
	in.Imm = c.imm()
}

var aluOrder = []uint8{ALUArsh, ALULsh, ALURsh, ALUAdd, ALUSub, ALUMul, ALUDiv, ALUOr, ALUAnd, ALUMod, ALUXor}

// assign reads what begins with a register.
func (p Parser) assign(c *cursor) []Insn {
	start := c.at
	dst, wide := c.reg()
	in := Insn{Op: ClassALU64, Dst: dst}
	if !wide {
		in.Op = ClassALU
	}
	for _, sd := range []uint8{ALUDiv, ALUMod} {
		if c.is("s" + aluSymbols[sd]) {
			in.Op |= sd
			in.Off = 1
			c.operand(&in, wide)
			return []Insn{in}
		}
	}
	for _, op := range aluOrder {
		if c.is(aluSymbols[op]) {
			in.Op |= op
			c.operand(&in, wide)
			return []Insn{in}
		}
	}
	c.need("=")
	if c.err != nil {
		return nil
	}
	c.space()
	rest := c.s[c.at:]
	need64 := func() {
		if !wide {
			c.at = start
			c.fail("64-bit register expected")
		}
	}
	switch {
	case strings.HasPrefix(rest, "*"):
		need64()
		return []Insn{c.load(dst)}
	case strings.HasPrefix(rest, "("):
		c.need("(")
		w := c.word()
		n := map[string]int16{"s8": 8, "s16": 16, "s32": 32}[w]
		if n == 0 {
			c.fail("s8, s16 or s32 expected")
		}
		c.need(")")
		in.Op |= ALUMov
		in.Off = n
		c.operand(&in, wide)
		return []Insn{in}
	case strings.HasPrefix(rest, "-r"), strings.HasPrefix(rest, "-w"):
		c.need("-")
		at := c.at
		src, w := c.reg()
		if src != dst || w != wide {
			c.at = at
			c.fail("a negation has one register")
		}
		in.Op |= ALUNeg
		return []Insn{in}
	}
	switch w := c.peek(); {
	case w == "map":
		need64()
		return p.mapLoad(c, dst)
	case w == "btf":
		need64()
		c.word()
		c.need("#")
		return []Insn{{Op: OpLDDW, Dst: dst, Src: PseudoBTFID, Imm: c.imm()}, {}}
	case w == "func":
		need64()
		c.word()
		c.need("pc")
		return []Insn{{Op: OpLDDW, Dst: dst, Src: PseudoFunc, Imm: int32(c.signed(32))}, {}}
	case w == "load_acquire":
		need64()
		c.word()
		c.need("(")
		size, base, off, _ := c.mem()
		c.need(")")
		return []Insn{{Op: ClassSTX | ModeATOMIC | size, Dst: dst, Src: base, Off: off, Imm: AtomicLoadAcq}}
	case strings.HasPrefix(w, "atomic"):
		need64()
		return []Insn{c.fetch(dst, w)}
	case strings.HasPrefix(w, "le"), strings.HasPrefix(w, "be"), strings.HasPrefix(w, "bswap"):
		need64()
		c.word()
		name := strings.TrimRight(w, "0123456789")
		n, err := strconv.ParseUint(w[len(name):], 10, 7)
		at := c.at
		if src := c.r64(); err != nil || src != dst {
			c.at = at
			c.fail("a byte swap has one register")
		}
		in = Insn{Dst: dst, Imm: int32(n)}
		switch name {
		case "le":
			in.Op = ClassALU | ALUEnd
		case "be":
			in.Op = ClassALU | ALUEnd | SrcX
		case "bswap":
			in.Op = ClassALU64 | ALUEnd
		default:
			c.fail("le, be or bswap expected")
		}
		return []Insn{in}
	case c.isReg():
		in.Op |= ALUMov
		c.operand(&in, wide)
		if wide && c.is("if") {
			return []Insn{Select(dst, in.Src, c.r64())}
		}
		return []Insn{in}
	}
	// A constant: with "ll" of 64 bits.
	if at := c.at; wide {
		v := uint64(c.num(64))
		if c.is("ll") {
			return []Insn{{Op: OpLDDW, Dst: dst, Imm: int32(v)}, {Imm: int32(v >> 32)}}
		}
		c.at = at
	}
	in.Op |= ALUMov
	in.Imm = c.imm()
	return []Insn{in}
}

// load reads what follows "rN =" when it begins with a star.
func (c *cursor) load(dst uint8) Insn {
	size, signed := c.memType()
	if c.is("skb") {
		if dst != 0 || signed {
			c.fail("a packet load goes to r0 unsigned")
		}
		c.need("[")
		in := Insn{Op: ClassLD | ModeABS | size}
		if c.isReg() {
			in.Op = ClassLD | ModeIND | size
			in.Src = c.r64()
		}
		in.Imm = c.imm()
		c.need("]")
		return in
	}
	in := Insn{Op: ClassLDX | ModeMEM | size, Dst: dst}
	if signed {
		in.Op = ClassLDX | ModeMEMSX | size
	}
	c.need("(")
	in.Src = c.r64()
	in.Off = c.off()
	c.need(")")
	return in
}

// fetch reads atomic64_fetch_add(*(u64 *)(r1 +0), r2) and its siblings.
func (c *cursor) fetch(dst uint8, w string) Insn {
	start := c.at
	c.word()
	c.need("(")
	size, base, off, _ := c.mem()
	c.need(",")
	in := Insn{Op: ClassSTX | ModeATOMIC | size, Dst: base, Off: off}
	bits := strconv.Itoa(8 * in.Size())
	src := c.r64()
	if w == "atomic"+bits+"_cmpxchg" {
		if dst != 0 || src != 0 {
			c.fail("cmpxchg compares with r0 and gives r0")
		}
		c.need(",")
		in.Src, in.Imm = c.r64(), AtomicCmpXchg
		c.need(")")
		return in
	}
	c.need(")")
	for imm, name := range atomicNames {
		if w == "atomic"+bits+"_"+name && imm != AtomicCmpXchg {
			in.Src, in.Imm = src, imm
			if src != dst {
				c.fail("the old value goes to the operand's register")
			}
			return in
		}
	}
	c.at = start
	c.fail("%q: no such atomic", w)
	return in
}

func (p Parser) mapLoad(c *cursor, dst uint8) []Insn {
	c.word()
	c.need("[")
	i := p.mapIndex(c)
	c.need("]")
	in := Insn{Op: OpLDDW, Dst: dst, Src: PseudoMapFD, Imm: i}
	c.space()
	if c.at < len(c.s) && (c.s[c.at] == '+' || c.s[c.at] == '-') {
		in.Src = PseudoMapValue
		return []Insn{in, {Imm: c.imm()}}
	}
	return []Insn{in, {}}
}

func (p Parser) mapIndex(c *cursor) int32 {
	if c.is("#") {
		n := c.imm()
		if n < 0 {
			c.fail("map index below 0")
		}
		return n
	}
	c.space()
	at := c.at
	var name string
	if at < len(c.s) && c.s[at] == '"' {
		q, err := strconv.QuotedPrefix(c.s[at:])
		if err != nil {
			c.fail("quoted name doesn't end")
			return 0
		}
		name, _ = strconv.Unquote(q)
		c.at += len(q)
	} else {
		name = c.word()
	}
	if p.MapIndex != nil {
		if i, ok := p.MapIndex(name); ok {
			return int32(i)
		}
	}
	c.at = at
	c.fail("map %q: not known", name)
	return 0
}
