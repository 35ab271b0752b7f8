package rules

import (
	_ "embed"
	"fmt"
	"sort"
	"strings"
	"sync"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
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

// maxRuleLine is the longest line of a store, in bytes.
const maxRuleLine = 2000

// MaxRuleLen is the longest side of a rule, in instructions.
const MaxRuleLen = 12

// ParseRules reads rules; # begins a comment.
func ParseRules(text string) ([]*Rule, error) {
	return parseRules(text, func(n int, err error) error { return fmt.Errorf("line %d: %w", n, err) })
}

func parseRules(text string, at func(line int, err error) error) ([]*Rule, error) {
	var out []*Rule
	for n, l := range strings.Split(text, "\n") {
		if i := strings.IndexByte(l, '#'); i >= 0 {
			l = l[:i]
		}
		l = strings.TrimSpace(l)
		if l == "" {
			continue
		}
		if len(l) > maxRuleLine {
			return nil, at(n+1, fmt.Errorf("a rule of %d bytes; %d are allowed", len(l), maxRuleLine))
		}
		r, err := parseRule(l)
		if err != nil {
			return nil, at(n+1, err)
		}
		r.At = n + 1
		out = append(out, r)
	}
	return out, nil
}

func parseRule(l string) (*Rule, error) {
	name, body, ok := strings.Cut(l, ":")
	if !ok {
		return nil, fmt.Errorf("%q: no name", l)
	}
	r := &Rule{Name: strings.TrimSpace(name), Line: l}
	if r.Name == "" || strings.ContainsAny(r.Name, " \t") {
		return nil, fmt.Errorf("%q: a name is one word", name)
	}
	if b, d, ok := strings.Cut(body, " dead "); ok {
		body = b
		for _, x := range strings.Fields(strings.ReplaceAll(d, ",", " ")) {
			if len(x) != 1 || x[0] < 'a' || x[0] > 'j' {
				return nil, fmt.Errorf("%s: dead %q: want a register, a to j", r.Name, x)
			}
			r.Dead = append(r.Dead, x[0])
		}
	}
	if b, c, ok := strings.Cut(body, " if "); ok {
		body = b
		for _, x := range strings.Split(c, ",") {
			q, err := parseCondition(x)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.Name, err)
			}
			r.If = append(r.If, q)
		}
	}
	o, nw, ok := strings.Cut(body, "=>")
	if !ok {
		return nil, fmt.Errorf("%s: no =>", r.Name)
	}
	var err error
	if r.Old, err = parseSide(o); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	if r.New, err = parseSide(nw); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	return r, nil
}

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

func parseCondition(x string) (condition, error) {
	f := strings.Fields(x)
	if len(f) != 3 {
		return condition{}, fmt.Errorf("condition %q: want left operator right", strings.TrimSpace(x))
	}
	c := condition{op: f[1]}
	switch c.op {
	case "==", "!=", "<", "<=":
	default:
		return c, fmt.Errorf("condition %q: operator %q", strings.TrimSpace(x), c.op)
	}
	var err error
	if c.r, err = parseExpr(f[2]); err != nil {
		return c, err
	}
	if len(f[0]) == 1 && f[0][0] >= 'a' && f[0][0] <= 'j' {
		if c.reg = f[0][0]; c.op != "<=" || c.r.op != 'k' {
			return c, fmt.Errorf("condition %q: of a register want <= and a number", strings.TrimSpace(x))
		}
		return c, nil
	}
	c.l, err = parseExpr(f[0])
	return c, err
}

func parseSide(s string) ([]pattern, error) {
	var out []pattern
	for _, x := range strings.Split(s, ";") {
		x = strings.TrimSpace(x)
		if x == "" || x == "nothing" {
			continue
		}
		p, err := parsePattern(x)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

var sizeBits = map[string]uint8{"8": ebpf.SizeB, "16": ebpf.SizeH, "32": ebpf.SizeW, "64": ebpf.SizeDW}

// reading is a pattern while its text is read; err is the first thing wrong with
// it.
type reading struct {
	pattern
	text string
	err  error
}

func (p *reading) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// reg reads a register.
func (p *reading) reg(s string) byte {
	if len(s) != 1 || s[0] < 'a' || s[0] > 'j' {
		p.fail("%q: %q is no register", p.text, s)
		return 'a'
	}
	return s[0]
}

// mem reads a place in memory, [a] or [a+o], and gives its register.
func (p *reading) mem(s string) byte {
	if len(s) < 3 || s[0] != '[' || s[len(s)-1] != ']' {
		p.fail("%q: %q is no place in memory", p.text, s)
		return 'a'
	}
	if s = s[1 : len(s)-1]; len(s) == 1 {
		p.off = num(0)
		return p.reg(s)
	}
	e := strings.TrimPrefix(s[1:], "+")
	if s[1] != '+' && s[1] != '-' {
		e = "?"
	}
	p.off = p.expr(e)
	return p.reg(s[:1])
}

func (p *reading) expr(s string) *expr {
	e, err := parseExpr(s)
	if err != nil && p.err == nil {
		p.err = err
	}
	return e
}

// parsePattern reads an instruction: a mnemonic with its width, and operands.
func parsePattern(x string) (pattern, error) {
	op, rest, _ := strings.Cut(x, " ")
	operands := strings.Split(rest, ",")
	for i := range operands {
		operands[i] = strings.TrimSpace(operands[i])
	}
	base := strings.TrimRight(op, "0123456789")
	p := &reading{text: x}
	n, ok := p.operation(base, op[len(base):])
	switch {
	case !ok:
		return p.pattern, fmt.Errorf("%q: no such operation", op)
	case len(operands) != n || operands[0] == "":
		return p.pattern, fmt.Errorf("%q: want %d operands", x, n)
	}
	p.operands(operands)
	return p.pattern, p.err
}

// operation reads a mnemonic and its width, and gives how many operands it has.
func (p *reading) operation(base, w string) (operands int, ok bool) {
	size, sized := sizeBits[w]
	switch base {
	case "lddw":
		p.op = ebpf.OpLDDW
		return 2, w == ""
	case "sel":
		p.op = ebpf.OpSelect
		return 3, w == ""
	case "ldx":
		p.op = ebpf.ClassLDX | ebpf.ModeMEM | size
		return 2, sized
	case "ldsx":
		p.op = ebpf.ClassLDX | ebpf.ModeMEMSX | size
		return 2, sized && w != "64"
	case "st":
		p.op = ebpf.ClassST | ebpf.ModeMEM | size
		return 2, sized
	case "stx":
		p.op = ebpf.ClassSTX | ebpf.ModeMEM | size
		return 2, sized
	case "be", "le", "bswap":
		p.op = map[string]uint8{"be": ebpf.ClassALU | ebpf.ALUEnd | ebpf.SrcX, "le": ebpf.ClassALU | ebpf.ALUEnd, "bswap": ebpf.ClassALU64 | ebpf.ALUEnd}[base]
		p.imm = p.expr(w)
		return 1, w == "16" || w == "32" || w == "64"
	case "mov64s", "mov32s": // with the sign of so many bits
		if p.op = ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX; base == "mov32s" {
			p.op = ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcX
		}
		p.sub = map[string]int16{"8": 8, "16": 16, "32": 32}[w]
		return 2, p.sub > 0 && (p.sub < 32 || base == "mov64s")
	case "sdiv", "smod":
		base, p.sub = base[1:], 1
	}
	code, ok := ebpf.ALUNamed(base)
	if p.op = code | ebpf.ClassALU; w == "64" {
		p.op = code | ebpf.ClassALU64
	}
	if operands = 2; code == ebpf.ALUNeg {
		operands = 1
	}
	return operands, ok && (w == "32" || w == "64")
}

// operands reads what the operation works on.
func (p *reading) operands(of []string) {
	in := ebpf.Insn{Op: p.op}
	switch in.Class() {
	case ebpf.ClassLD:
		p.dst, p.imm = p.reg(of[0]), p.expr(of[1])
		return
	case ebpf.ClassLDX:
		p.dst, p.src = p.reg(of[0]), p.mem(of[1])
		return
	case ebpf.ClassST:
		p.dst, p.imm = p.mem(of[0]), p.expr(of[1])
		return
	case ebpf.ClassSTX:
		p.dst, p.src = p.mem(of[0]), p.reg(of[1])
		return
	}
	p.dst = p.reg(of[0])
	switch {
	case p.op == ebpf.OpSelect:
		p.src, p.cond = p.reg(of[1]), p.reg(of[2])
	case len(of) == 1:
	case p.op&ebpf.SrcX != 0 || len(of[1]) == 1 && of[1][0] >= 'a' && of[1][0] <= 'z':
		p.src = p.reg(of[1])
		p.op |= ebpf.SrcX
	default:
		p.imm = p.expr(of[1])
	}
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

// Binding is what letters stand for in one match.
type Binding struct {
	Reg [10]uint8
	has uint16
	imm bindings
}

func (b *Binding) bind(l byte, reg uint8) bool {
	k := l - 'a'
	if b.has>>k&1 != 0 {
		return b.Reg[k] == reg
	}
	for o := uint8(0); o < 10; o++ {
		if b.has>>o&1 != 0 && b.Reg[o] == reg { // different letters, different registers
			return false
		}
	}
	b.has |= 1 << k
	b.Reg[k] = reg
	return true
}

func (b *Binding) constant(e *expr, v int64) bool {
	if e.op == 'v' {
		if x, ok := b.imm.get(e.v); ok {
			return x == v
		}
		b.imm.put(e.v, v)
		return true
	}
	x, ok := e.eval(&b.imm)
	return ok && x == v
}

// immOf is the constant of an instruction as rules see it.
func immOf(in *ir.Inst) int64 {
	if in.Op == ebpf.OpLDDW {
		return int64(in.Const64())
	}
	return int64(in.Imm)
}

func (p *pattern) memory() bool { return p.off != nil }

// writes is the letter of the register the pattern sets; 0 none.
func (p *pattern) writes() byte {
	if p.op&7 == ebpf.ClassST || p.op&7 == ebpf.ClassSTX {
		return 0
	}
	return p.dst
}

// Match extends b by one instruction.
func (p *pattern) Match(in *ir.Inst, b *Binding) bool {
	if in.Op != p.op || in.Fixed || in.Op == ebpf.OpLDDW && in.Src != 0 {
		return false
	}
	if p.off == nil {
		if in.Op != ebpf.OpLDDW && in.Off != p.sub {
			return false
		}
	} else if !b.constant(p.off, int64(in.Off)) {
		return false
	}
	if p.writes() != 0 && in.Dst == 10 {
		return false
	}
	return b.bind(p.dst, in.Dst) && (p.src == 0 || b.bind(p.src, in.Src)) && (p.imm == nil || b.constant(p.imm, immOf(in))) &&
		(p.cond == 0 || in.IsSelect() && b.bind(p.cond, in.Cond()))
}

// Holds says whether the conditions on constants do, and with f those on
// registers.
func (r *Rule) Holds(b *Binding, f *points.Facts) bool {
	for i := range r.If {
		c := &r.If[i]
		y, ok := c.r.eval(&b.imm)
		if !ok {
			return false
		}
		if c.l == nil {
			if f == nil {
				continue
			}
			if v := &f.R[b.Reg[c.reg-'a']]; v.Kind != points.Scalar || v.Max > uint64(y) {
				return false
			}
			continue
		}
		x, ok := c.l.eval(&b.imm)
		if !ok || !(c.op == "==" && x == y || c.op == "!=" && x != y || c.op == "<" && x < y || c.op == "<=" && x <= y) {
			return false
		}
	}
	return true
}

// matchAll matches the left side on code that stands together.
func (r *Rule) matchAll(code []ir.Inst, f *points.Facts) (*Binding, bool) {
	b := &Binding{}
	for i := range r.Old {
		if i >= len(code) || !r.Old[i].Match(&code[i], b) {
			return nil, false
		}
	}
	return b, r.Holds(b, f)
}

// Build makes the right side.
func (r *Rule) Build(b *Binding) ([]ir.Inst, bool) {
	var out []ir.Inst
	for i := range r.New {
		p := &r.New[i]
		in := ir.Inst{Insn: ebpf.Insn{Op: p.op, Off: p.sub}, To: -1, Slot: -1}
		in.Dst = b.Reg[p.dst-'a']
		if p.writes() != 0 && in.Dst == 10 {
			return nil, false
		}
		if p.src != 0 {
			in.Src = b.Reg[p.src-'a']
		}
		if p.cond != 0 {
			in.Imm = int32(b.Reg[p.cond-'a'])
		}
		if p.off != nil {
			v, ok := p.off.eval(&b.imm)
			if !ok || v != int64(int16(v)) {
				return nil, false
			}
			in.Off = int16(v)
		}
		if p.imm != nil {
			v, ok := p.imm.eval(&b.imm)
			if !ok || !p.encodes(v) {
				return nil, false
			}
			in.Imm = int32(v)
			if p.op == ebpf.OpLDDW {
				in.Hi = int32(v >> 32)
			}
		}
		out = append(out, in)
	}
	return out, true
}

// encodes says whether v can stand as the pattern's constant: it fits, shifts
// stay in the register, nothing is divided by 0.
func (p *pattern) encodes(v int64) bool {
	if p.op == ebpf.OpLDDW {
		return true
	}
	if v != int64(int32(v)) {
		return false
	}
	if p.op&7 != ebpf.ClassALU && p.op&7 != ebpf.ClassALU64 {
		return true
	}
	switch p.op & 0xf0 {
	case ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUArsh:
		return v >= 0 && v < p.bits()
	case ebpf.ALUDiv, ebpf.ALUMod:
		return v != 0
	}
	return true
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

// ruleIndex finds the rules that may begin with an instruction by its opcode:
// what no rule begins with costs one look.
type ruleIndex [256][]*Rule

func indexRules(sets ...[]*Rule) *ruleIndex {
	x := &ruleIndex{}
	for _, set := range sets {
		for _, r := range set {
			x[r.Old[0].op] = append(x[r.Old[0].op], r)
		}
	}
	for op := range x { // what saves most is tried first
		rs := x[op]
		sort.SliceStable(rs, func(i, j int) bool {
			return sideSlots(rs[i].Old)-sideSlots(rs[i].New) > sideSlots(rs[j].Old)-sideSlots(rs[j].New)
		})
	}
	return x
}

// Slots gives how long the two sides are.
func (r *Rule) Slots() (before, after int) { return sideSlots(r.Old), sideSlots(r.New) }
