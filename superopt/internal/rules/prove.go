package rules

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
)

// The proof of a rule is one for all registers and all constants. A capital
// letter is an unknown of the width of the field it stands in; a constant that
// is computed is held by a register of its own, which the instruction reads in
// its stead, so that the proof is the one of programs. Registers that addresses
// come from are packet pointers, each at an unknown distance: any two of them
// may lead to one place.

// inRule + letter is the input of a capital letter.
const inRule = proof.UserInput + 0x100

// ruleTask is a rule made into two fragments.
type ruleTask struct {
	r    *Rule
	fix  *bindings // letters with a value: one case of a proof by cases
	regs map[byte]uint8
	held map[string]uint8 // registers of constants, by the constant's text
	exps []*expr          // held, in order
	next uint8            // registers from here down are taken
	tmp  uint8            // for addresses; 0xff none
	kind map[byte]uint8   // field of a letter: 16, 32 or 64 bits
	need []encodable
	ptr  [10]bool
}

type encodable struct {
	p   *pattern
	e   *expr
	off bool
}

// Prove proves the rule for every choice of registers and constants that
// fulfils its conditions.
func (r *Rule) Prove(pr *proof.Prover) proof.Verdict {
	v := r.proveCase(pr, nil)
	u, ok := v.(proof.Unknown)
	if !ok {
		return v
	}
	// Letters of few possible values are taken value by value, all of them
	// together where that is not too many: then there is little left to solve.
	few := r.fewValues()
	cases := []*bindings{{}}
	for _, c := range few {
		if len(cases)*len(c.values) > maxCases {
			break
		}
		var next []*bindings
		for _, b := range cases {
			if _, ok := b.get(c.v); ok {
				next = append(next, b)
				continue
			}
			for _, x := range c.values {
				n := *b
				if n.put(c.v, x); r.possible(&n) {
					next = append(next, &n)
				}
			}
		}
		cases = next
	}
	if len(few) == 0 || len(cases) == 0 {
		return u
	}
	n := 0
	for _, b := range cases {
		if !canWriteFixed(r, b) { // nothing can match it
			continue
		}
		n++
		if v = r.proveCase(pr, b); !IsProved(v) {
			if IsRefuted(v) {
				return v
			}
			return u
		}
	}
	if n == 0 {
		return u
	}
	return v
}

// maxCases is how many cases a proof is split into at most.
const maxCases = 4096

// canWriteFixed: no constant that the letters with values give is one that
// can't stand where it does.
func canWriteFixed(r *Rule, b *bindings) bool {
	for _, side := range [2][]pattern{r.Old, r.New} {
		for i := range side {
			if p := &side[i]; p.imm != nil {
				if v, ok := p.imm.eval(b); ok && !p.encodes(v) {
					return false
				}
			}
		}
	}
	return true
}

// IsProved says whether a verdict is "proved".
func IsProved(v proof.Verdict) bool { _, ok := v.(proof.Proved); return ok }

// IsRefuted says whether a verdict is "refuted".
func IsRefuted(v proof.Verdict) bool { _, ok := v.(proof.Refuted); return ok }

type fewValues struct {
	v      byte
	values []int64
}

// fewValues lists the letters that are shift counts or powers of two, with all
// values they can have.
func (r *Rule) fewValues() (out []fewValues) {
	for i := range r.Old {
		p := &r.Old[i]
		if p.imm == nil || p.imm.op != 'v' {
			continue
		}
		v := p.imm.v
		switch p.op & 0xf7 {
		case ebpf.ALULsh | ebpf.ClassALU, ebpf.ALURsh | ebpf.ClassALU, ebpf.ALUArsh | ebpf.ClassALU,
			ebpf.ALULsh | ebpf.ClassALU64, ebpf.ALURsh | ebpf.ClassALU64, ebpf.ALUArsh | ebpf.ClassALU64:
			f := fewValues{v: v}
			for x := int64(0); x < p.bits(); x++ {
				f.values = append(f.values, x)
			}
			out = append(out, f)
			continue
		}
		for _, c := range r.If {
			if c.op == "==" && c.r.op == 'k' && c.r.k == 0 && c.l != nil && c.l.String() == fmt.Sprintf("%c&%c-1", v, v) && p.op != ebpf.OpLDDW {
				f := fewValues{v: v, values: []int64{0}}
				for k := 0; k < 31; k++ {
					f.values = append(f.values, 1<<k)
				}
				out = append(out, f)
			}
		}
	}
	return
}

// possible: no condition on letters that have a value fails.
func (r *Rule) possible(b *bindings) bool {
	for _, c := range r.If {
		if c.l == nil {
			continue
		}
		x, ok1 := c.l.eval(b)
		y, ok2 := c.r.eval(b)
		if ok1 && ok2 && !(c.op == "==" && x == y || c.op == "!=" && x != y || c.op == "<" && x < y || c.op == "<=" && x <= y) {
			return false
		}
	}
	return true
}

func (r *Rule) proveCase(pr *proof.Prover, fix *bindings) proof.Verdict {
	t := &ruleTask{r: r, fix: fix, regs: map[byte]uint8{}, held: map[string]uint8{}, next: 10, tmp: 0xff, kind: map[byte]uint8{}}
	for _, side := range [2][]pattern{r.Old, r.New} {
		for i := range side {
			for _, l := range [3]byte{side[i].dst, side[i].src, side[i].cond} {
				if _, ok := t.regs[l]; !ok && l != 0 {
					t.regs[l] = uint8(len(t.regs))
				}
			}
		}
	}
	if why := t.pointers(); why != "" {
		return proof.Unknown{Reason: why}
	}
	for i := range r.Old { // where a letter gets its value
		p := &r.Old[i]
		if p.off != nil && p.off.op == 'v' && t.kind[p.off.v] == 0 {
			t.kind[p.off.v] = 16
		}
		if p.imm != nil && p.imm.op == 'v' && t.kind[p.imm.v] == 0 {
			if t.kind[p.imm.v] = 32; p.op == ebpf.OpLDDW {
				t.kind[p.imm.v] = 64
			}
		}
	}
	old, err := t.side(r.Old)
	if err != nil {
		return proof.Unknown{Reason: err.Error()}
	}
	new, err := t.side(r.New)
	if err != nil {
		return proof.Unknown{Reason: err.Error()}
	}
	n := max(len(old), len(new))
	p := &ir.Prog{Name: r.Name, Entry: []int32{0}, Insts: old}
	q := &ir.Prog{Name: r.Name, Entry: []int32{0}, Insts: new}
	for _, x := range [2]*ir.Prog{p, q} {
		for len(x.Insts) < n {
			x.Insts = append(x.Insts, ir.Empty())
		}
	}
	f := &points.Facts{Reached: true}
	lv := &dataflow.Live{}
	for k := range f.R {
		f.R[k] = points.Top()
	}
	for _, k := range t.regs {
		lv.Regs |= 1 << k
		if t.ptr[k] {
			f.R[k] = points.Value{Kind: points.Packet, Base: int32(k) + 1, Range: 1 << 40}
		}
	}
	for _, d := range r.Dead {
		lv.Regs &^= 1 << t.regs[d]
	}
	for _, c := range r.If {
		if c.l == nil {
			f.R[t.regs[c.reg]] = points.AtMost(uint64(c.r.k))
		}
	}
	v := pr.Equivalent(&proof.Task{Old: p, New: q, S: 0, E: n, Pre: f, Out: func(int) *dataflow.Live { return lv }, LoopFree: true, Assume: t.assume})
	if ref, ok := v.(proof.Refuted); ok {
		return t.rename(ref)
	}
	return v
}

// pointers finds the registers that addresses come from.
func (t *ruleTask) pointers() string {
	var origin [10]int
	for k := range origin {
		origin[k] = k
	}
	for i := range t.r.Old {
		p := &t.r.Old[i]
		if p.memory() {
			base := p.dst
			if p.op&7 == ebpf.ClassLDX {
				base = p.src
			}
			o := origin[t.regs[base]]
			if o < 0 {
				return "an address that no register leads to"
			}
			t.ptr[o] = true
		}
		if p.writes() == 0 {
			continue
		}
		d := t.regs[p.dst]
		switch {
		case p.op == ebpf.ClassALU64|ebpf.ALUMov|ebpf.SrcX && p.sub == 0:
			origin[d] = origin[t.regs[p.src]]
		case p.op == ebpf.ClassALU64|ebpf.ALUAdd || p.op == ebpf.ClassALU64|ebpf.ALUSub:
		default:
			origin[d] = -1
		}
	}
	for _, c := range t.r.If {
		if c.l == nil && t.ptr[t.regs[c.reg]] {
			return "a condition on the value of an address"
		}
	}
	return ""
}

// hold gives the register that holds e.
func (t *ruleTask) hold(e *expr) (uint8, error) {
	s := e.String()
	if r, ok := t.held[s]; ok {
		return r, nil
	}
	if int(t.next)-1 < len(t.regs) {
		return 0, fmt.Errorf("more letters than there are registers to prove with")
	}
	t.next--
	t.held[s] = t.next
	t.exps = append(t.exps, e)
	return t.next, nil
}

// value is e where it is a number in this case.
func (t *ruleTask) value(e *expr) (int64, bool) { return e.eval(t.fix) }

func (t *ruleTask) side(ps []pattern) ([]ir.Inst, error) {
	var out []ir.Inst
	add := func(in ebpf.Insn, hi int32) { out = append(out, ir.Inst{Insn: in, Hi: hi, To: -1, Slot: -1}) }
	for i := range ps {
		p := &ps[i]
		in := ebpf.Insn{Op: p.op, Off: p.sub, Dst: t.regs[p.dst]}
		var hi int32
		if p.src != 0 {
			in.Src = t.regs[p.src]
		}
		if p.cond != 0 {
			in.Imm = int32(t.regs[p.cond])
		}
		if p.imm != nil {
			v, ok := t.value(p.imm)
			if ok && !p.encodes(v) {
				return nil, fmt.Errorf("%s: %d can't stand there", p, v)
			}
			switch {
			case ok:
				in.Imm, hi = int32(v), int32(v>>32)
				if p.op != ebpf.OpLDDW {
					hi = 0
				}
			default:
				t.need = append(t.need, encodable{p, p.imm, false})
				r, err := t.hold(p.imm)
				if err != nil {
					return nil, err
				}
				in.Src = r
				switch p.op & 7 {
				case ebpf.ClassLD:
					in.Op = ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX
				case ebpf.ClassST:
					in.Op = in.Op&^7 | ebpf.ClassSTX
				default:
					in.Op |= ebpf.SrcX
				}
			}
		}
		if p.off != nil {
			if v, ok := t.value(p.off); ok {
				if v != int64(int16(v)) {
					return nil, fmt.Errorf("%s: offset %d", p, v)
				}
				in.Off = int16(v)
			} else {
				t.need = append(t.need, encodable{p, p.off, true})
				e, c := p.off, int64(0)
				if (e.op == '+' || e.op == '-') && e.b.op == 'k' {
					if c = e.b.k; e.op == '-' {
						c = -c
					}
					e = e.a
				}
				if c != int64(int16(c)) {
					e, c = p.off, 0
				}
				r, err := t.hold(e)
				if err != nil {
					return nil, err
				}
				if t.tmp == 0xff {
					if int(t.next)-1 < len(t.regs) {
						return nil, fmt.Errorf("more letters than there are registers to prove with")
					}
					t.next--
					t.tmp = t.next
				}
				base := &in.Dst
				if p.op&7 == ebpf.ClassLDX {
					base = &in.Src
				}
				add(ir.MovReg(t.tmp, *base).Insn, 0)
				add(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcX, Dst: t.tmp, Src: r}, 0)
				*base, in.Off = t.tmp, int16(c)
			}
		}
		add(in, hi)
	}
	return out, nil
}

// assume gives the constants' registers their values, and what is assumed of
// them: the conditions, and that every constant can stand where it does.
func (t *ruleTask) assume(m *proof.Machine, st *proof.State) bv.Term {
	b := m.B
	var vars [26]bv.Term
	for l := byte('A'); l <= 'Z'; l++ {
		if v, ok := t.fix.get(l); ok {
			vars[l-'A'] = b.Const(uint64(v), 64)
		} else if w := int(t.kind[l]); w == 64 {
			vars[l-'A'] = b.Input(inRule+uint64(l), 64, bv.Fact{})
		} else if w != 0 {
			vars[l-'A'] = b.SExt(b.Input(inRule+uint64(l), w, bv.Fact{}), 64)
		}
	}
	all := m.One
	and := func(c bv.Term) { all = b.AndB(all, c) }
	for _, e := range t.exps {
		st.R[t.held[e.String()]] = e.term(b, &vars)
	}
	k := func(v int64) bv.Term { return b.Const(uint64(v), 64) }
	for _, n := range t.need {
		x := n.e.term(b, &vars)
		switch {
		case n.off:
			and(b.Bin(bv.OpEq, x, b.SExt(b.Extract(x, 0, 16), 64)))
			continue
		case n.p.op == ebpf.OpLDDW:
			continue
		}
		and(b.Bin(bv.OpEq, x, b.SExt(b.Extract(x, 0, 32), 64)))
		if n.p.op&7 != ebpf.ClassALU && n.p.op&7 != ebpf.ClassALU64 {
			continue
		}
		switch n.p.op & 0xf0 {
		case ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUArsh:
			and(b.Bin(bv.OpULt, x, k(n.p.bits())))
		case ebpf.ALUDiv, ebpf.ALUMod:
			and(b.Not(b.Bin(bv.OpEq, x, k(0))))
		}
	}
	for _, c := range t.r.If {
		if c.l == nil {
			continue
		}
		x, y := c.l.term(b, &vars), c.r.term(b, &vars)
		switch c.op {
		case "==":
			and(b.Bin(bv.OpEq, x, y))
		case "!=":
			and(b.Not(b.Bin(bv.OpEq, x, y)))
		case "<":
			and(b.Bin(bv.OpSLt, x, y))
		default:
			and(b.Bin(bv.OpSLe, x, y))
		}
	}
	return all
}

// rename gives a counterexample the rule's own letters.
func (t *ruleTask) rename(v proof.Refuted) proof.Verdict {
	names := map[string]string{}
	for l, r := range t.regs {
		names[fmt.Sprintf("r%d", r)] = string(l)
		names[fmt.Sprintf("in%x", proof.VarInput+uint64(r)+1)] = string(l)
	}
	for l := byte('A'); l <= 'Z'; l++ {
		names[fmt.Sprintf("in%x", inRule+uint64(l))] = string(l)
	}
	var out []proof.Assignment
	for _, a := range v.Counterexample {
		if n, ok := names[a.Name]; ok {
			a.Name = n
			out = append(out, a)
		}
	}
	for l := byte('A'); l <= 'Z'; l++ {
		if x, ok := t.fix.get(l); ok {
			out = append(out, proof.Assignment{Name: string(l), Value: uint64(x), Width: 64})
		}
	}
	ir.SortBy(out, func(a, b proof.Assignment) bool { return a.Name < b.Name })
	v.Counterexample = out
	return v
}
