package ebpf

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Parser reads what [Printer] prints. Maps are named by # and their index, or
// by names that MapIndex knows.
type Parser struct {
	MapIndex func(name string) (int, bool)
}

// Program reads a program, an instruction a line. A line may begin with a slot
// number and colon and with an opcode in parentheses, as in the verifier's
// log; what follows a semicolon is a comment. Slot numbers are checked.
// Errors name the line, counted from 1.
func (p *Parser) Program(text string) ([]Insn, error) {
	var out []Insn
	for n, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, ";")
		line = strings.TrimSpace(line)
		if slot, rest, ok := strings.Cut(line, ":"); ok {
			k, err := strconv.Atoi(slot)
			if err != nil {
				return nil, fmt.Errorf("line %d: slot %q is no number", n+1, slot)
			}
			if k != len(out) {
				return nil, fmt.Errorf("line %d: slot %d where %d comes next", n+1, k, len(out))
			}
			line = strings.TrimSpace(rest)
		}
		if len(line) > 4 && line[0] == '(' && line[3] == ')' {
			line = strings.TrimSpace(line[4:])
		}
		if line == "" {
			continue
		}
		ins, err := p.Insn(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		out = append(out, ins...)
	}
	return out, nil
}

// form is one way to write an instruction: a pattern whose groups build makes
// an instruction of. Patterns are anchored; %r is a register (r0 or w0, its
// letter and number two groups), %i a number, %o a signed offset.
type form struct {
	pattern string
	build   func(p *Parser, g []string) ([]Insn, error)
	re      *regexp.Regexp
}

var forms = []*form{
	{pattern: `%r = (le|be|bswap)(16|32|64) %r`, build: func(p *Parser, g []string) ([]Insn, error) {
		if g[0] != "r" || g[4] != "r" || g[1] != g[5] {
			return nil, fmt.Errorf("byte order is changed in place, in a 64-bit register")
		}
		in := Insn{Op: ClassALU | ALUEnd, Dst: reg(g[1]), Imm: int32(num(g[3]))}
		switch g[2] {
		case "be":
			in.Op |= SrcX
		case "bswap":
			in.Op = ClassALU64 | ALUEnd
		}
		return []Insn{in}, nil
	}},
	{pattern: `%r = -%r`, build: func(p *Parser, g []string) ([]Insn, error) {
		if g[0] != g[2] || g[1] != g[3] {
			return nil, fmt.Errorf("negation is in place")
		}
		return []Insn{{Op: aluClass(g[0]) | ALUNeg, Dst: reg(g[1])}}, nil
	}},
	{pattern: `%r = \(s(8|16|32)\)%r`, build: func(p *Parser, g []string) ([]Insn, error) {
		if g[0] != g[3] {
			return nil, errMixed
		}
		return []Insn{{Op: aluClass(g[0]) | ALUMov | SrcX, Dst: reg(g[1]), Src: reg(g[4]), Off: int16(num(g[2]))}}, nil
	}},
	{pattern: `%r (s?[-+*/|&%^]|s?>>|<<|)= %r`, build: func(p *Parser, g []string) ([]Insn, error) {
		if g[0] != g[3] {
			return nil, errMixed
		}
		in, err := alu(g)
		in.Op |= SrcX
		in.Src = reg(g[4])
		return []Insn{in}, err
	}},
	{pattern: `r(\d+) = 0x([0-9a-f]+)`, build: func(p *Parser, g []string) ([]Insn, error) {
		v, err := strconv.ParseUint(g[1], 16, 64)
		return wide(reg(g[0]), PseudoNone, int32(uint32(v)), int32(v>>32)), err
	}},
	{pattern: `%r (s?[-+*/|&%^]|s?>>|<<|)= %i`, build: func(p *Parser, g []string) ([]Insn, error) {
		in, err := alu(g)
		if err != nil {
			return nil, err
		}
		in.Imm, err = imm32(g[3])
		return []Insn{in}, err
	}},
	{pattern: `r(\d+) = \*\(([us])(8|16|32|64) \*\)\(r(\d+) %o\)`, build: func(p *Parser, g []string) ([]Insn, error) {
		in := Insn{Op: ClassLDX | ModeMEM | sizeBits(g[2]), Dst: reg(g[0]), Src: reg(g[3])}
		if g[1] == "s" {
			in.Op = ClassLDX | ModeMEMSX | sizeBits(g[2])
		}
		var err error
		in.Off, err = off16(g[4])
		return []Insn{in}, err
	}},
	{pattern: `\*\(u(8|16|32|64) \*\)\(r(\d+) %o\) = r(\d+)`, build: func(p *Parser, g []string) ([]Insn, error) {
		return store(ClassSTX|ModeMEM, g[0], g[1], g[2], g[3], 0)
	}},
	{pattern: `\*\(u(8|16|32|64) \*\)\(r(\d+) %o\) = %i`, build: func(p *Parser, g []string) ([]Insn, error) {
		v, err := imm32(g[3])
		if err != nil {
			return nil, err
		}
		return store(ClassST|ModeMEM, g[0], g[1], g[2], "0", v)
	}},
	{pattern: `lock \*\(u(32|64) \*\)\(r(\d+) %o\) ([+&|^])= r(\d+)`, build: func(p *Parser, g []string) ([]Insn, error) {
		for op, text := range lockText {
			if text == g[3]+"=" {
				return store(ClassSTX|ModeATOMIC, g[0], g[1], g[2], g[4], op)
			}
		}
		return nil, fmt.Errorf("no atomic operation %q", g[3])
	}},
	{pattern: `r(\d+) = atomic(64|)_fetch_(add|and|or|xor)\(\(u(32|64) \*\)\(r(\d+) %o\), r(\d+)\)`, build: func(p *Parser, g []string) ([]Insn, error) {
		if g[0] != g[6] || (g[1] == "64") != (g[3] == "64") {
			return nil, errMixed
		}
		for op, text := range fetchText {
			if text == g[2] {
				return store(ClassSTX|ModeATOMIC, g[3], g[4], g[5], g[6], op|AtomicFetch)
			}
		}
		return nil, fmt.Errorf("no atomic operation %q", g[2])
	}},
	{pattern: `r(\d+) = atomic(64|)_xchg\(\(u(32|64) \*\)\(r(\d+) %o\), r(\d+)\)`, build: func(p *Parser, g []string) ([]Insn, error) {
		if g[0] != g[5] || (g[1] == "64") != (g[2] == "64") {
			return nil, errMixed
		}
		return store(ClassSTX|ModeATOMIC, g[2], g[3], g[4], g[5], AtomicXchg)
	}},
	{pattern: `r0 = atomic(64|)_cmpxchg\(\(u(32|64) \*\)\(r(\d+) %o\), r0, r(\d+)\)`, build: func(p *Parser, g []string) ([]Insn, error) {
		if (g[0] == "64") != (g[1] == "64") {
			return nil, errMixed
		}
		return store(ClassSTX|ModeATOMIC, g[1], g[2], g[3], g[4], AtomicCmpXchg)
	}},
	{pattern: `r(\d+) = load_acquire\(\(u(8|16|32|64) \*\)\(r(\d+) %o\)\)`, build: func(p *Parser, g []string) ([]Insn, error) {
		return store(ClassSTX|ModeATOMIC, g[1], g[0], g[3], g[2], AtomicLoadAcq)
	}},
	{pattern: `store_release\(\(u(8|16|32|64) \*\)\(r(\d+) %o\), r(\d+)\)`, build: func(p *Parser, g []string) ([]Insn, error) {
		return store(ClassSTX|ModeATOMIC, g[0], g[1], g[2], g[3], AtomicStRel)
	}},
	{pattern: `r0 = \*\(u(8|16|32) \*\)skb\[%i\]`, build: func(p *Parser, g []string) ([]Insn, error) {
		v, err := imm32(g[1])
		return []Insn{{Op: ClassLD | ModeABS | sizeBits(g[0]), Imm: v}}, err
	}},
	{pattern: `r0 = \*\(u(8|16|32) \*\)skb\[r(\d+) %o\]`, build: func(p *Parser, g []string) ([]Insn, error) {
		v, err := imm32(g[2])
		return []Insn{{Op: ClassLD | ModeIND | sizeBits(g[0]), Src: reg(g[1]), Imm: v}}, err
	}},
	{pattern: `r(\d+) = map\[([^]]+)\]`, build: func(p *Parser, g []string) ([]Insn, error) {
		m, err := p.mapIndex(g[1])
		return wide(reg(g[0]), PseudoMapFD, m, 0), err
	}},
	{pattern: `r(\d+) = map\[([^]]+)\]\[0\]%o`, build: func(p *Parser, g []string) ([]Insn, error) {
		m, err := p.mapIndex(g[1])
		if err != nil {
			return nil, err
		}
		off, err := imm32(g[2])
		return wide(reg(g[0]), PseudoMapValue, m, off), err
	}},
	{pattern: `r(\d+) = subprog\[%o\]`, build: func(p *Parser, g []string) ([]Insn, error) {
		off, err := imm32(g[1])
		return wide(reg(g[0]), PseudoFunc, off, 0), err
	}},
	{pattern: `r(\d+) = btf\[0x([0-9a-f]+)\]`, build: func(p *Parser, g []string) ([]Insn, error) {
		v, err := strconv.ParseUint(g[1], 16, 64)
		return wide(reg(g[0]), PseudoBTFID, int32(uint32(v)), int32(v>>32)), err
	}},
	{pattern: `call pc%o`, build: func(p *Parser, g []string) ([]Insn, error) {
		v, err := imm32(g[0])
		return []Insn{{Op: OpCall, Src: CallLocal, Imm: v}}, err
	}},
	{pattern: `call kfunc#%i(?:@(\d+))?`, build: func(p *Parser, g []string) ([]Insn, error) {
		v, err := imm32(g[0])
		in := Insn{Op: OpCall, Src: CallKfunc, Imm: v}
		if err == nil && g[1] != "" {
			in.Off, err = off16(g[1])
		}
		return []Insn{in}, err
	}},
	{pattern: `call (\w+)#%i`, build: func(p *Parser, g []string) ([]Insn, error) {
		v, err := imm32(g[1])
		if err != nil {
			return nil, err
		}
		if n, ok := HelperNumber(g[0]); g[0] != "unknown" && (!ok || n != v) {
			return nil, fmt.Errorf("helper %d is %q, not %q", v, HelperName(v), g[0])
		}
		return []Insn{{Op: OpCall, Imm: v}}, nil
	}},
	{pattern: `call (\w+)`, build: func(p *Parser, g []string) ([]Insn, error) {
		n, ok := HelperNumber(g[0])
		if !ok {
			return nil, fmt.Errorf("no helper %q", g[0])
		}
		return []Insn{{Op: OpCall, Imm: n}}, nil
	}},
	{pattern: `exit`, build: func(p *Parser, g []string) ([]Insn, error) { return []Insn{{Op: OpExit}}, nil }},
	{pattern: `(goto|may_goto|gotol) pc%o`, build: func(p *Parser, g []string) ([]Insn, error) {
		if g[0] == "gotol" {
			v, err := imm32(g[1])
			return []Insn{{Op: OpJA32, Imm: v}}, err
		}
		op := OpJA
		if g[0] == "may_goto" {
			op = OpMayGo
		}
		v, err := off16(g[1])
		return []Insn{{Op: op, Off: v}}, err
	}},
	{pattern: `if %r (==|!=|s?[<>]=?|&) (?:([rw])(\d+)|%i) goto pc%o`, build: func(p *Parser, g []string) ([]Insn, error) {
		in := Insn{Op: ClassJMP, Dst: reg(g[1])}
		if g[0] == "w" {
			in.Op = ClassJMP32
		}
		for op, text := range jmpText {
			if text == g[2] {
				in.Op |= uint8(op) << 4
			}
		}
		var err error
		if g[5] != "" {
			in.Imm, err = imm32(g[5])
		} else if in.Op, in.Src = in.Op|SrcX, reg(g[4]); g[3] != g[0] {
			err = errMixed
		}
		if err != nil {
			return nil, err
		}
		in.Off, err = off16(g[6])
		return []Insn{in}, err
	}},
	{pattern: `raw ([0-9a-f]{16})`, build: func(p *Parser, g []string) ([]Insn, error) {
		b, err := hex.DecodeString(g[0])
		if err != nil {
			return nil, err
		}
		return Decode(b)
	}},
}

var errMixed = fmt.Errorf("registers of different width or number")

func init() {
	for _, f := range forms {
		s := strings.NewReplacer(`%r`, `([rw])(\d+)`, `%i`, `(-?(?:0x)?[0-9a-f]+)`, `%o`, ` ?([-+] ?(?:0x)?[0-9a-f]+)`, ` `, `\s+`, ` ?`, `\s*`).Replace(f.pattern)
		f.re = regexp.MustCompile(`^` + s + `$`)
	}
}

// Insn reads one instruction: one slot, or two of a wide one.
func (p *Parser) Insn(text string) ([]Insn, error) {
	text = strings.TrimSpace(text)
	for _, f := range forms {
		g := f.re.FindStringSubmatch(text)
		if g == nil {
			continue
		}
		out, err := f.build(p, g[1:])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		if f.pattern[:3] == "raw" {
			return out, nil
		}
		var hi *Insn
		if len(out) == 2 {
			hi = &out[1]
		}
		if msg := out[0].check(hi); msg != "" && !strings.Contains(msg, "frame pointer") && msg != "div by zero" {
			return nil, fmt.Errorf("%q: %s", text, msg)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%q: not an instruction", text)
}

func (p *Parser) mapIndex(name string) (int32, error) {
	if n, ok := strings.CutPrefix(name, "#"); ok {
		return imm32(n)
	}
	if p.MapIndex != nil {
		if i, ok := p.MapIndex(name); ok {
			return int32(i), nil
		}
	}
	return 0, fmt.Errorf("no map %q", name)
}

// reg gives 15, which no check passes, for a number past all registers.
func reg(s string) uint8 {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n > 15 {
		return 15
	}
	return uint8(n)
}

func num(s string) int { n, _ := strconv.Atoi(s); return n } // of digits that a pattern matched

func clean(s string) string {
	return strings.TrimPrefix(strings.ReplaceAll(s, " ", ""), "+")
}

// imm32 reads a number of 32 bits, signed or not.
func imm32(s string) (int32, error) {
	n, err := strconv.ParseInt(clean(s), 0, 64)
	if err != nil || n < -1<<31 || n > 1<<32-1 {
		return 0, fmt.Errorf("%q is no number of 32 bits", s)
	}
	return int32(uint32(n)), nil
}

func off16(s string) (int16, error) {
	n, err := strconv.ParseInt(clean(s), 0, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no offset of 16 bits", s)
	}
	return int16(n), nil
}

func wide(dst, src uint8, lo, hi int32) []Insn {
	return []Insn{{Op: OpLDDW, Dst: dst, Src: src, Imm: lo}, {Imm: hi}}
}

func aluClass(letter string) uint8 {
	if letter == "w" {
		return ClassALU
	}
	return ClassALU64
}

// alu builds the operation of groups letter, number, operator.
func alu(g []string) (Insn, error) {
	in := Insn{Op: aluClass(g[0]), Dst: reg(g[1])}
	text := g[2] + "="
	for op, t := range aluText {
		if t == text {
			in.Op |= uint8(op) << 4
			return in, nil
		}
	}
	for _, op := range []uint8{ALUDiv, ALUMod} {
		if "s"+aluText[op>>4] == text {
			in.Op |= op
			in.Off = 1
			return in, nil
		}
	}
	return in, fmt.Errorf("no operation %q", text)
}

func sizeBits(s string) uint8 {
	return map[string]uint8{"8": SizeB, "16": SizeH, "32": SizeW, "64": SizeDW}[s]
}

func store(op uint8, size, dst, off, src string, imm int32) ([]Insn, error) {
	o, err := off16(off)
	return []Insn{{Op: op | sizeBits(size), Dst: reg(dst), Src: reg(src), Off: o, Imm: imm}}, err
}
