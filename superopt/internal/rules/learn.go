package rules

import (
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
)

// How a find becomes a rule: what both sides share is cut away, registers
// become letters, then one constant after another becomes a letter wherever the
// rule stays proved, with the weakest condition that makes it so. Every step is
// kept only if the solver proves the rule it gives.

// maxLearned is the longest left side of a found rule.
const maxLearned = 6

// Learn makes rules of a proved rewrite of [s, s+len(new)): new in place of
// what stands there. It must be called before the program changes.
func Learn(st *Store, p *ir.Prog, a *dataflow.Analysis, s int, new []ir.Inst) {
	if st == nil {
		return
	}
	e := s + len(new)
	var old []ir.Inst
	var at []int // where the instructions of old stand
	for i := s; i < e; i++ {
		if in := p.Insts[i]; in.Op != ir.Nop {
			old, at = append(old, in), append(at, i)
		}
	}
	var nw []ir.Inst
	for _, in := range new {
		if in.Op != ir.Nop {
			nw = append(nw, in)
		}
	}
	l := &learner{st: st, facts: func(i int) *points.Facts { return a.In[at[i]] }, live: func(i int) uint16 { return a.Live[at[i]].Regs }}
	l.cut(old, nw)
}

type learner struct {
	st    *Store
	hard  int                       // questions the solver gave up on
	facts func(i int) *points.Facts // before instruction i of the old side
	live  func(i int) uint16        // registers after it
}

// maxHard is how many such questions one find is worth: products of unknowns
// are beyond the solver, and there are many forms to ask about.
const maxHard = 6

func (l *learner) proves(r *Rule) bool {
	if l.hard >= maxHard {
		return false
	}
	v := l.st.verdict(r)
	if _, ok := v.(proof.Unknown); ok {
		l.hard++
	}
	return IsProved(v)
}

func same(a, b *ir.Inst) bool { return a.Insn == b.Insn && a.Hi == b.Hi }

// cut looks for the shortest part of the rewrite that is a rule by itself.
func (l *learner) cut(old, new []ir.Inst) {
	idx := make([]int, len(old))
	for i := range idx {
		idx[i] = i
	}
	// Beginning and end, where both sides agree; where what follows hides a
	// difference, the pairs below find out one by one.
	i, j := 0, len(old)
	for i < len(new) && i < j && same(&old[i], &new[i]) {
		i++
	}
	for d := len(old) - len(new); j > i && j-d > i && same(&old[j-1], &new[j-d-1]); {
		j--
	}
	if !l.shrink(old[i:j], new[i:j-len(old)+len(new)], idx[i:j]) {
		l.shrink(old, new, idx)
	}
}

// shrink leaves out what stands on both sides, and what only the old side has
// and nobody needs, as long as a rule is left, and keeps that rule.
func (l *learner) shrink(old, new []ir.Inst, idx []int) bool {
	drop := func(in []ir.Inst, i int) []ir.Inst { return append(append([]ir.Inst(nil), in[:i]...), in[i+1:]...) }
	for again := true; again && len(old) > 1; {
		again = false
	pairs:
		for i := range old {
			ri := append(append([]int(nil), idx[:i]...), idx[i+1:]...)
			for j := range new {
				if same(&old[i], &new[j]) {
					if a, b := drop(old, i), drop(new, j); l.rule(a, b, ri) != nil {
						old, new, idx, again = a, b, ri, true
						break pairs
					}
				}
			}
			if a := drop(old, i); slots(a) > slots(new) && l.rule(a, new, ri) != nil {
				old, idx, again = a, ri, true
				break pairs
			}
		}
	}
	if len(old) > maxLearned || len(old) == 0 || slots(new) >= slots(old) {
		return false
	}
	for i := 0; i < len(new); { // what the search left lying about
		if b := drop(new, i); l.rule(old, b, idx) != nil {
			new = b
		} else {
			i++
		}
	}
	r := l.rule(old, new, idx)
	if r == nil {
		return false
	}
	r = l.generalise(r)
	l.st.add(r)
	if t := r.split(); t != nil && l.proves(t) {
		l.st.add(t)
	}
	if t := r.twin(); t != nil {
		for i := len(t.If) - 1; i >= 0; i-- { // the other width may need less
			if c := t.without(i); l.proves(c) {
				t = c
			}
		}
		if l.proves(t) {
			l.st.add(t)
		}
	}
	return true
}

func slots(code []ir.Inst) int {
	n := 0
	for i := range code {
		n += ir.SlotsOf(&code[i])
	}
	return n
}

// rule makes a proved rule of concrete code, with letters for registers; nil
// where there is none that holds wherever the code stands.
func (l *learner) rule(old, new []ir.Inst, idx []int) *Rule {
	if len(old) == 0 || len(old) > MaxRuleLen || len(new) > len(old) {
		return nil
	}
	r := &Rule{}
	var name [11]byte
	n := byte(0)
	give := func(reg uint8) byte {
		if name[reg] == 0 {
			name[reg] = 'a' + n
			n++
		}
		return name[reg]
	}
	for side, code := range [2][]ir.Inst{old, new} {
		for i := range code {
			in := &code[i]
			if side == 1 {
				for m := in.Reads() | in.Writes(); m != 0; m &= m - 1 {
					if name[bits.TrailingZeros16(m)] == 0 {
						return nil // a register of its own: the left side says nothing of it
					}
				}
			}
			p, ok := patternOf(in, give)
			if !ok || n > 10 {
				return nil
			}
			if side == 0 {
				r.Old = append(r.Old, p)
			} else {
				r.New = append(r.New, p)
			}
		}
	}
	r.Dead = l.unread(slices.Concat(old, new), idx[len(idx)-1], &name)
	if !l.proves(r) {
		if r = l.bounded(r, idx[0], &name); r == nil {
			return nil
		}
	}
	return l.barest(r, len(r.Dead), (*Rule).withoutDead)
}

// barest leaves out of r, one after the other, those of n parts that it is proved
// without.
func (l *learner) barest(r *Rule, n int, without func(r *Rule, i int) *Rule) *Rule {
	for i := 0; i < n; {
		if t := without(r, i); l.proves(t) {
			r = t
			n--
		} else {
			i++
		}
	}
	return r
}

// unread are the registers that code sets and nobody reads after slot at, by name.
func (l *learner) unread(code []ir.Inst, at int, name *[11]byte) (dead []byte) {
	var sets uint16
	for i := range code {
		sets |= code[i].Writes()
	}
	lv := l.live(at)
	for reg := range 10 {
		if sets>>reg&1 != 0 && lv>>reg&1 == 0 {
			dead = append(dead, name[reg])
		}
	}
	slices.Sort(dead)
	return dead
}

// bounded is a rule that what is known of registers before slot at makes right, with
// the fewest and weakest bounds that do; nil: it isn't.
func (l *learner) bounded(r *Rule, at int, name *[11]byte) *Rule {
	f := l.facts(at)
	for reg := range 10 {
		v := &f.R[reg]
		if name[reg] == 0 || v.Kind != points.Scalar || v.Max == ^uint64(0) {
			continue
		}
		for _, m := range [...]uint64{1, 0xff, 0xffff, 0xffffffff} {
			if v.Max <= m {
				r.If = append(r.If, condition{reg: name[reg], op: "<=", r: num(int64(m))})
				break
			}
		}
	}
	if len(r.If) == 0 || !l.proves(r) {
		return nil
	}
	for i := range r.If { // the weakest bound that does
		for _, m := range [...]int64{0xffffffff, 0xffff, 0xff} {
			t := r.clone()
			if t.If[i].r = num(m); m > r.If[i].r.k && l.proves(t) {
				r = t
				break
			}
		}
	}
	return l.barest(r, len(r.If), (*Rule).without)
}

// patternOf is an instruction with letters for registers and its constants as
// they are.
func patternOf(in *ir.Inst, letter func(uint8) byte) (pattern, bool) {
	p := pattern{op: in.Op}
	if in.Fixed {
		return p, false
	}
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		p.sub = in.Off
		p.dst = letter(in.Dst)
		switch {
		case in.IsSelect():
			p.src, p.cond = letter(in.Src), letter(in.Cond())
		case in.ALUOp() == ebpf.ALUNeg:
		case in.ALUOp() == ebpf.ALUEnd:
			p.imm = num(int64(in.Imm))
		case in.Op&ebpf.SrcX != 0:
			p.src = letter(in.Src)
		default:
			p.imm = num(int64(in.Imm))
		}
		return p, true
	case ebpf.ClassLDX:
		p.src, p.dst, p.off = letter(in.Src), letter(in.Dst), num(int64(in.Off))
		return p, true
	case ebpf.ClassST:
		p.dst, p.off, p.imm = letter(in.Dst), num(int64(in.Off)), num(int64(in.Imm))
		return p, true
	case ebpf.ClassSTX:
		p.dst, p.src, p.off = letter(in.Dst), letter(in.Src), num(int64(in.Off))
		return p, !in.IsAtomic()
	case ebpf.ClassLD:
		if in.Op == ebpf.OpLDDW && in.Src == 0 {
			p.dst, p.imm = letter(in.Dst), num(int64(in.Const64()))
			return p, true
		}
	}
	return p, false
}

// without leaves out a condition.
func (r *Rule) without(i int) *Rule {
	t := r.clone()
	t.If = slices.Delete(t.If, i, i+1)
	return t
}

// withoutDead asks for one register less to be unread.
func (r *Rule) withoutDead(i int) *Rule {
	t := r.clone()
	t.Dead = slices.Delete(t.Dead, i, i+1)
	return t
}

// named gives a found rule a name that tells what it does: its operations, and
// a number its text gives.
func (r *Rule) named() {
	var b strings.Builder
	side := func(ps []pattern) {
		for i := range ps {
			op, _, _ := strings.Cut(ps[i].String(), " ")
			if b.Len() > 0 {
				b.WriteByte('-')
			}
			b.WriteString(op)
		}
	}
	side(r.Old)
	sum := sha256.Sum256([]byte(r.Body()))
	r.Name = fmt.Sprintf("%s-%x", b.String(), sum[:3])
	r.Line = r.Name + ": " + r.Body()
}
