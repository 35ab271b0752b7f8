package superopt

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/superopt/z3"
)

// A Rule is a rewrite kept as text, a line each:
//
//	shift-pair: lsh64 a, 32; rsh64 a, 32 => mov32 a, a
//
// Registers are letters, a to j; constants are capital letters or numbers.
// After "if" stands what the constants must fulfil (I+J == 64, I < 32), after
// "dead" the registers whose values are not wanted after it. An instruction of
// the right side may compute constants: I+J, I-J, I&J, I|J, -I.
type Rule struct {
	Name string
	Old  []pattern
	New  []pattern
	If   []condition
	Dead []byte
	Line string
}

type pattern struct {
	op  uint8
	x   bool // second operand is a register
	dst byte
	src byte
	imm string
}

type condition struct{ l, op, r string }

//go:embed rules.txt
var builtinText string

// Builtin are the rules that ship. They are proved by a test, and each firing
// is proved again where it fires.
var Builtin = func() []*Rule {
	r, err := ParseRules(builtinText)
	if err != nil {
		panic(err) // the embedded file is part of the program; a test parses it
	}
	return r
}()

var ruleOps = map[string]uint8{"add": ebpf.ALUAdd, "sub": ebpf.ALUSub, "mul": ebpf.ALUMul, "or": ebpf.ALUOr, "and": ebpf.ALUAnd, "lsh": ebpf.ALULsh,
	"rsh": ebpf.ALURsh, "xor": ebpf.ALUXor, "mov": ebpf.ALUMov, "arsh": ebpf.ALUArsh, "div": ebpf.ALUDiv, "mod": ebpf.ALUMod}

// ParseRules reads rules; # begins a comment.
func ParseRules(text string) ([]*Rule, error) {
	var out []*Rule
	for n, l := range strings.Split(text, "\n") {
		if i := strings.IndexByte(l, '#'); i >= 0 {
			l = l[:i]
		}
		l = strings.TrimSpace(l)
		if l == "" {
			continue
		}
		r, err := parseRule(l)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
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
	if b, d, ok := strings.Cut(body, " dead "); ok {
		body = b
		for _, x := range strings.Fields(strings.ReplaceAll(d, ",", " ")) {
			r.Dead = append(r.Dead, x[0])
		}
	}
	if b, c, ok := strings.Cut(body, " if "); ok {
		body = b
		for _, x := range strings.Split(c, ",") {
			f := strings.Fields(x)
			if len(f) != 3 {
				return nil, fmt.Errorf("%s: condition %q: want left operator right", r.Name, x)
			}
			switch f[1] {
			case "==", "!=", "<", "<=":
			default:
				return nil, fmt.Errorf("%s: condition %q: operator %q", r.Name, x, f[1])
			}
			r.If = append(r.If, condition{f[0], f[1], f[2]})
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
	if len(r.Old) == 0 || len(r.New) > len(r.Old) {
		return nil, fmt.Errorf("%s: the right side is longer than the left", r.Name)
	}
	return r, nil
}

func parseSide(s string) ([]pattern, error) {
	var out []pattern
	for _, x := range strings.Split(s, ";") {
		x = strings.TrimSpace(x)
		if x == "" || x == "nothing" {
			continue
		}
		op, rest, _ := strings.Cut(x, " ")
		w := strings.TrimLeft(op, "abcdefghijklmnopqrstuvwxyz")
		code, ok := ruleOps[strings.TrimSuffix(op, w)]
		if !ok || w != "32" && w != "64" {
			return nil, fmt.Errorf("%q: no such operation", op)
		}
		if w == "64" {
			code |= ebpf.ClassALU64
		} else {
			code |= ebpf.ClassALU
		}
		a, b, ok := strings.Cut(rest, ",")
		a, b = strings.TrimSpace(a), strings.TrimSpace(b)
		if !ok || len(a) != 1 || a[0] < 'a' || a[0] > 'j' || b == "" {
			return nil, fmt.Errorf("%q: want register, operand", rest)
		}
		p := pattern{op: code, dst: a[0]}
		if len(b) == 1 && b[0] >= 'a' && b[0] <= 'j' {
			p.x, p.src = true, b[0]
			p.op |= ebpf.SrcX
		} else {
			p.imm = b
		}
		out = append(out, p)
	}
	return out, nil
}

// binding is what letters stand for in one match.
type binding struct {
	reg map[byte]uint8
	imm map[string]int64
}

// eval computes a constant of a rule.
func (b *binding) eval(s string) (int64, bool) {
	if v, err := strconv.ParseInt(s, 0, 64); err == nil {
		return v, true
	}
	if v, ok := b.imm[s]; ok {
		return v, true
	}
	if len(s) > 1 && s[0] == '-' {
		v, ok := b.eval(s[1:])
		return -v, ok
	}
	for i := 1; i < len(s)-1; i++ {
		switch s[i] {
		case '+', '-', '&', '|', '^':
			x, ok1 := b.eval(s[:i])
			y, ok2 := b.eval(s[i+1:])
			switch s[i] {
			case '+':
				x += y
			case '-':
				x -= y
			case '&':
				x &= y
			case '|':
				x |= y
			case '^':
				x ^= y
			}
			return x, ok1 && ok2
		}
	}
	return 0, false
}

func isVar(s string) bool { return len(s) == 1 && s[0] >= 'A' && s[0] <= 'Z' }

func (r *Rule) match(code []Inst) (*binding, bool) {
	b := &binding{map[byte]uint8{}, map[string]int64{}}
	bind := func(l byte, reg uint8) bool {
		if v, ok := b.reg[l]; ok {
			return v == reg
		}
		for _, v := range b.reg {
			if v == reg { // different letters, different registers
				return false
			}
		}
		b.reg[l] = reg
		return true
	}
	for i, p := range r.Old {
		in := &code[i]
		if in.Op != p.op || in.Off != 0 || in.Fixed || !bind(p.dst, in.Dst) {
			return nil, false
		}
		if p.x {
			if !bind(p.src, in.Src) {
				return nil, false
			}
			continue
		}
		if isVar(p.imm) {
			if v, ok := b.imm[p.imm]; ok && v != int64(in.Imm) {
				return nil, false
			}
			b.imm[p.imm] = int64(in.Imm)
		} else if v, ok := b.eval(p.imm); !ok || v != int64(in.Imm) {
			return nil, false
		}
	}
	for _, c := range r.If {
		x, ok1 := b.eval(c.l)
		y, ok2 := b.eval(c.r)
		if !ok1 || !ok2 || !(c.op == "==" && x == y || c.op == "!=" && x != y || c.op == "<" && x < y || c.op == "<=" && x <= y) {
			return nil, false
		}
	}
	return b, true
}

// build makes the right side.
func (r *Rule) build(b *binding) ([]Inst, bool) {
	var out []Inst
	for _, p := range r.New {
		d, ok := b.reg[p.dst]
		in := Inst{Insn: ebpf.Insn{Op: p.op, Dst: d}, To: -1, Slot: -1}
		if !ok {
			return nil, false
		}
		if p.x {
			if in.Src, ok = b.reg[p.src]; !ok {
				return nil, false
			}
		} else {
			v, ok := b.eval(p.imm)
			if !ok || v != int64(int32(v)) {
				return nil, false
			}
			in.Imm = int32(v)
			c := in
			clampShift(&c)
			if c.Imm != in.Imm {
				return nil, false
			}
		}
		out = append(out, in)
	}
	return out, true
}

// passRules fires rules, shipped and given.
func passRules(o *optimizer) bool {
	for _, w := range o.blocks() {
		for i := w[0]; i < w[1]; i++ {
			for _, set := range [2][]*Rule{Builtin, o.opt.Rules} {
				for _, r := range set {
					n := len(r.Old)
					if i+n > w[1] {
						continue
					}
					b, ok := r.match(o.p.Insts[i : i+n])
					if !ok {
						continue
					}
					code, ok := r.build(b)
					if !ok {
						continue
					}
					if o.try("rule-"+r.Name, i, i+n, false, func(q *Prog) {
						for k := 0; k < n; k++ {
							if k < len(code) {
								code[k].Slot = q.Insts[i+k].Slot
								q.Insts[i+k] = code[k]
							} else {
								q.Insts[i+k] = nop()
							}
						}
					}) {
						return true
					}
				}
			}
		}
	}
	return false
}

// Prove checks a rule for sample constants that fulfil its conditions: every
// register starts unknown, the dead ones are not compared.
func (r *Rule) Prove(pr *Prover) z3.Verdict {
	var proved int
	for _, I := range []int64{0, 1, 5, 8, 16, 32, 48, 56, 255, -8, 20} {
		for _, J := range []int64{0, 1, 3, 8, 16, 31, 32, 48, 56, 255, -1, 40} {
			b := &binding{map[byte]uint8{}, map[string]int64{"I": I, "J": J}}
			p := &Prog{Name: r.Name, Entry: []int32{0}}
			bad := false
			for _, x := range r.Old {
				for _, l := range []byte{x.dst, x.src} {
					if _, ok := b.reg[l]; !ok && l != 0 {
						b.reg[l] = uint8(len(b.reg))
					}
				}
				in := Inst{Insn: ebpf.Insn{Op: x.op, Dst: b.reg[x.dst], Src: b.reg[x.src]}, To: -1, Slot: -1}
				if !x.x {
					v, ok := b.eval(x.imm)
					if !ok || v != int64(int32(v)) {
						bad = true
					}
					in.Src, in.Imm = 0, int32(v)
				}
				p.Insts = append(p.Insts, in)
			}
			if _, ok := r.match(p.Insts); bad || !ok {
				continue
			}
			code, ok := r.build(b)
			if !ok {
				continue
			}
			q := p.Clone()
			for k := range q.Insts {
				q.Insts[k] = nop()
				if k < len(code) {
					q.Insts[k] = code[k]
				}
			}
			f := &facts{ok: true}
			for k := range f.r {
				f.r[k] = top()
			}
			lv := &live{regs: 0x3ff}
			for _, d := range r.Dead {
				lv.regs &^= 1 << b.reg[d]
			}
			v := pr.Equivalent(&task{old: p, new: q, s: 0, e: len(p.Insts), pre: f, out: func(int) *live { return lv }, loopFree: true})
			if _, ok := v.(z3.Proved); !ok {
				return v
			}
			proved++
		}
	}
	if proved == 0 {
		return z3.Unknown{Reason: "no sample constants fulfil its conditions"}
	}
	return z3.Proved{By: "z3"}
}
