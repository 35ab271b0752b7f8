package rules

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"jitnic/host/ebpf"
)

// A Rule is a rewrite kept as text, a line each:
//
//	shift-pair: lsh64 a, 32; rsh64 a, 32 => mov32 a, a
//	bytes-half: ldx8 a, [b+I]; ldx8 c, [b+I+1]; lsh64 c, 8; or64 a, c => ldx16 a, [b+I] dead c
//
// Registers are letters, a to j, different letters different registers;
// constants are numbers, capital letters, and what is computed of them (expr).
// A capital letter gets its value where it first stands alone on the left side.
// After "if" stands what must hold, with commas between: of constants (I+J ==
// 64, I < 32; 64-bit, signed), or of a register before it (a <= 255, unsigned).
// After "dead" stand the registers whose values are not wanted after it.
//
// The operations: add sub mul div mod sdiv smod and or xor lsh rsh arsh neg mov,
// 32 or 64; mov64s8 and its like extend a sign; be16 le16 bswap16 …; ldx8 and
// ldsx8, stx8 (register) and st8 (constant), 8 to 64 bits; lddw, two slots; sel a, b,
// c: a trace's select, a = b if c isn't 0.
type Rule struct {
	Name string
	Old  []pattern
	New  []pattern
	If   []condition
	Dead []byte
	Line string // as written, without comment
	At   int    // number of its line, from 1; 0 for one made here
}

// pattern is an instruction with letters in place of registers and constants.
type pattern struct {
	op       uint8
	dst, src byte  // letters; 0 where there is none
	cond     byte  // of a select
	off      *expr // of memory
	imm      *expr // nil where a register stands
	sub      int16 // the offset field of an ALU instruction: sign bits of a mov, 1 for signed division
}

// condition is l op r over constants, or reg <= r over a register's value.
type condition struct {
	reg byte
	l   *expr
	op  string
	r   *expr
}

//go:embed rules.txt
var builtinText string

// Builtin are the rules that ship. A test proves each of them, and each firing
// is proved again where it fires.
func Builtin() []*Rule { return builtin() }

var builtin = sync.OnceValue(func() []*Rule {
	r, err := ParseRules(builtinText)
	if err != nil {
		panic(err) // the embedded file is part of the program; a test parses it
	}
	return r
})

// check says what makes a rule no rule: sides of the wrong length, letters
// without a value.
func (r *Rule) check() error {
	if len(r.Old) == 0 || len(r.Old) > MaxRuleLen || len(r.New) > len(r.Old) {
		return fmt.Errorf("the left side has %d instructions, the right one %d: want 1 to %d, and no more on the right", len(r.Old), len(r.New), MaxRuleLen)
	}
	var regs, vars uint32
	for i := range r.Old {
		p := &r.Old[i]
		for _, e := range [2]*expr{p.off, p.imm} {
			if e == nil {
				continue
			}
			var need uint32
			if e.vars(&need); e.op != 'v' && need&^vars != 0 {
				return fmt.Errorf("%s: a letter that has no value there: it must stand alone first", e)
			}
			vars |= need
		}
		regs |= p.letters()
	}
	for i := range r.New {
		p := &r.New[i]
		for _, e := range [2]*expr{p.off, p.imm} {
			var need uint32
			if e != nil {
				if e.vars(&need); need&^vars != 0 {
					return fmt.Errorf("%s: a letter the left side does not have", e)
				}
			}
		}
		if p.letters()&^regs != 0 {
			return fmt.Errorf("%s: a register the left side does not have", p)
		}
	}
	for _, c := range r.If {
		var need uint32
		c.r.vars(&need)
		if c.l != nil {
			c.l.vars(&need)
		} else if regs>>(c.reg-'a')&1 == 0 {
			return fmt.Errorf("%s: a register the left side does not have", c)
		}
		if need&^vars != 0 {
			return fmt.Errorf("%s: a letter the left side does not have", c)
		}
	}
	for _, d := range r.Dead {
		if regs>>(d-'a')&1 == 0 {
			return fmt.Errorf("dead %c: a register the left side does not have", d)
		}
	}
	return nil
}

func (p *pattern) letters() uint32 {
	var m uint32
	if p.dst != 0 {
		m |= 1 << (p.dst - 'a')
	}
	if p.src != 0 {
		m |= 1 << (p.src - 'a')
	}
	if p.cond != 0 {
		m |= 1 << (p.cond - 'a')
	}
	return m
}

// String writes the pattern as parsePattern reads it.
func (p *pattern) String() string {
	in := ebpf.Insn{Op: p.op}
	w := map[uint8]string{ebpf.SizeB: "8", ebpf.SizeH: "16", ebpf.SizeW: "32", ebpf.SizeDW: "64"}[p.op&0x18]
	mem := func(base byte) string {
		switch s := p.off.String(); {
		case s == "0":
			return fmt.Sprintf("[%c]", base)
		case s[0] == '-':
			return fmt.Sprintf("[%c%s]", base, s)
		default:
			return fmt.Sprintf("[%c+%s]", base, s)
		}
	}
	switch in.Class() {
	case ebpf.ClassLD:
		return fmt.Sprintf("lddw %c, %s", p.dst, p.imm)
	case ebpf.ClassLDX:
		name := "ldx"
		if in.Mode() == ebpf.ModeMEMSX {
			name = "ldsx"
		}
		return fmt.Sprintf("%s%s %c, %s", name, w, p.dst, mem(p.src))
	case ebpf.ClassSTX:
		return fmt.Sprintf("stx%s %s, %c", w, mem(p.dst), p.src)
	case ebpf.ClassST:
		return fmt.Sprintf("st%s %s, %s", w, mem(p.dst), p.imm)
	}
	w = "32"
	if in.Class() == ebpf.ClassALU64 {
		w = "64"
	}
	switch op := in.ALUOp(); {
	case p.op == ebpf.OpSelect:
		return fmt.Sprintf("sel %c, %c, %c", p.dst, p.src, p.cond)
	case op == ebpf.ALUEnd:
		name := "le"
		if in.Class() == ebpf.ClassALU64 {
			name = "bswap"
		} else if p.op&ebpf.SrcX != 0 {
			name = "be"
		}
		return fmt.Sprintf("%s%s %c", name, p.imm, p.dst)
	case op == ebpf.ALUNeg:
		return fmt.Sprintf("neg%s %c", w, p.dst)
	default:
		name := ebpf.ALUName(op) + w
		if op == ebpf.ALUMov && p.sub != 0 {
			name += fmt.Sprintf("s%d", p.sub)
		} else if p.sub != 0 {
			name = "s" + name
		}
		if p.src != 0 {
			return fmt.Sprintf("%s %c, %c", name, p.dst, p.src)
		}
		return fmt.Sprintf("%s %c, %s", name, p.dst, p.imm)
	}
}

func (c condition) String() string {
	if c.l == nil {
		return fmt.Sprintf("%c %s %s", c.reg, c.op, c.r)
	}
	return fmt.Sprintf("%s %s %s", c.l, c.op, c.r)
}

// Body is the rule without its name: two rules of one body are one.
func (r *Rule) Body() string {
	var b strings.Builder
	side := func(ps []pattern) {
		if len(ps) == 0 {
			b.WriteString("nothing")
		}
		for i := range ps {
			if i > 0 {
				b.WriteString("; ")
			}
			b.WriteString(ps[i].String())
		}
	}
	side(r.Old)
	b.WriteString(" => ")
	side(r.New)
	for i, c := range r.If {
		b.WriteString(map[bool]string{true: " if ", false: ", "}[i == 0])
		b.WriteString(c.String())
	}
	for i, d := range r.Dead {
		b.WriteString(map[bool]string{true: " dead ", false: ", "}[i == 0])
		b.WriteByte(d)
	}
	return b.String()
}

func (p *pattern) memory() bool { return p.off != nil }

// writes is the letter of the register the pattern sets; 0 none.
func (p *pattern) writes() byte {
	if p.op&7 == ebpf.ClassST || p.op&7 == ebpf.ClassSTX {
		return 0
	}
	return p.dst
}

func (p *pattern) bits() int64 {
	if p.op&7 == ebpf.ClassALU64 {
		return 64
	}
	return 32
}

func (p *pattern) slots() int {
	if p.op == ebpf.OpLDDW {
		return 2
	}
	return 1
}

func sideSlots(ps []pattern) int {
	n := 0
	for i := range ps {
		n += ps[i].slots()
	}
	return n
}

// Slots gives how long the two sides are.
func (r *Rule) Slots() (before, after int) { return sideSlots(r.Old), sideSlots(r.New) }
