package rules

import (
	_ "embed"
	"fmt"
	"strings"

	"jitnic/host/ebpf"
)

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
