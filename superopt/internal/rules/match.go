package rules

import (
	_ "embed"
	"sort"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
)

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
