package rules

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/pcaps/splitmix"
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
	// Registers one of the sides sets and nobody reads.
	var df uint16
	for i := range old {
		df |= old[i].Writes()
	}
	for i := range new {
		df |= new[i].Writes()
	}
	lv := l.live(idx[len(idx)-1])
	var dead []byte
	for reg := 0; reg < 10; reg++ {
		if df>>reg&1 != 0 && lv>>reg&1 == 0 {
			dead = append(dead, name[reg])
		}
	}
	ir.SortBy(dead, func(a, b byte) bool { return a < b })
	r.Dead = dead
	if !l.proves(r) {
		// What is known of registers before it may be what makes it right.
		f := l.facts(idx[0])
		for reg := 0; reg < 10; reg++ {
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
		for i := 0; i < len(r.If); {
			t := *r
			t.If = append(append([]condition(nil), r.If[:i]...), r.If[i+1:]...)
			if l.proves(&t) {
				r = &t
			} else {
				i++
			}
		}
	}
	for i := 0; i < len(r.Dead); {
		t := *r
		t.Dead = append(append([]byte(nil), r.Dead[:i]...), r.Dead[i+1:]...)
		if l.proves(&t) {
			r = &t
		} else {
			i++
		}
	}
	return r
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

// place is a constant of a rule.
type place struct {
	side, i int
	off     bool
}

func (r *Rule) clone() *Rule {
	t := *r
	t.Old = append([]pattern(nil), r.Old...)
	t.New = append([]pattern(nil), r.New...)
	t.If = append([]condition(nil), r.If...)
	t.Dead = append([]byte(nil), r.Dead...)
	return &t
}

func (r *Rule) at(p place) **expr {
	ps := r.Old
	if p.side == 1 {
		ps = r.New
	}
	if p.off {
		return &ps[p.i].off
	}
	return &ps[p.i].imm
}

func (r *Rule) places(side int) (out []place) {
	ps := r.Old
	if side == 1 {
		ps = r.New
	}
	for i := range ps {
		if ps[i].off != nil {
			out = append(out, place{side, i, true})
		}
		if ps[i].imm != nil && !(ps[i].op&0xf0 == ebpf.ALUEnd && (ps[i].op&7 == ebpf.ClassALU || ps[i].op&7 == ebpf.ClassALU64)) {
			out = append(out, place{side, i, false})
		}
	}
	return
}

// generalise makes constants letters.
func (l *learner) generalise(r *Rule) *Rule {
	env := &bindings{} // what the letters stand for in the find
	next := byte('I')
	r = l.offsets(r, env, &next)
	for _, p := range r.places(0) {
		e := *r.at(p)
		if e.op != 'k' || next > 'Z' {
			continue
		}
		v := e.k
		if t := l.letter(r, p, v, next, env); t != nil {
			r = t
			env.put(next, v)
			next++
			continue
		}
		// tied to another constant
		done := false
		for u := byte('I'); u < next && !done; u++ {
			w, _ := env.get(u)
			for _, c := range []*expr{letter(u), bi('-', num(64), letter(u)), bi('-', num(32), letter(u)), plus(letter(u), v-w)} {
				if x, _ := c.eval(env); x != v {
					continue
				}
				t := r.clone()
				*t.at(p) = c
				if t.check() == nil && t.coverage() >= minCoverage && l.proves(t) {
					r, done = t, true
					break
				}
			}
		}
	}
	return r
}

// offsets makes the accesses through one register relative to the first.
func (l *learner) offsets(r *Rule, env *bindings, next *byte) *Rule {
	base := func(p *pattern) byte {
		if p.op&7 == ebpf.ClassLDX {
			return p.src
		}
		return p.dst
	}
	done := map[byte]bool{}
	for i := range r.Old {
		b := base(&r.Old[i])
		if r.Old[i].off == nil || done[b] || *next > 'Z' {
			continue
		}
		done[b] = true
		t := r.clone()
		c := t.Old[i].off.k
		for _, side := range [2][]pattern{t.Old, t.New} {
			for k := range side {
				if p := &side[k]; p.off != nil && base(p) == b {
					p.off = plus(letter(*next), p.off.k-c)
				}
			}
		}
		if t.check() == nil && l.proves(t) {
			r = t
			env.put(*next, c)
			*next++
			r = l.apart(r, b, base, env, next)
		}
	}
	return r
}

// apart gives a second place that the register b leads to a letter of its own,
// the first being the letter before next: a copy from here to there may go
// any distance. Where the two must not overlap, a condition says how far.
func (l *learner) apart(r *Rule, b byte, base func(*pattern) byte, env *bindings, next *byte) *Rule {
	first := *next - 1
	c, _ := env.get(first)
	far := func(e *expr, d int64) bool { x, _ := e.eval(env); return x-d > -8 && x-d < 8 }
	for i := range r.Old {
		p := &r.Old[i]
		if p.off == nil || base(p) != b || far(p.off, c) || *next > 'Z' {
			continue
		}
		d, _ := p.off.eval(env)
		t := r.clone()
		for _, side := range [2][]pattern{t.Old, t.New} {
			for k := range side {
				if q := &side[k]; q.off != nil && base(q) == b && far(q.off, d) {
					x, _ := q.off.eval(env)
					q.off = plus(letter(*next), x-d)
				}
			}
		}
		if t.check() != nil {
			continue
		}
		x, y := letter(first), letter(*next)
		if d < c {
			x, y = y, x
		}
		for _, n := range []int64{0, 1, 2, 3, 4, 7, 8, 12, 16} {
			u := t.clone()
			if n > 0 {
				u.If = append(u.If, condition{l: plus(x, n), op: "<=", r: y})
			}
			if n <= max(c, d)-min(c, d) && l.proves(u) {
				env.put(*next, d)
				*next++
				return u
			}
		}
		return r
	}
	return r
}

// letter tries to make the constant v at p the letter n.
func (l *learner) letter(r *Rule, p place, v int64, n byte, env *bindings) *Rule {
	with := *env
	with.put(n, v)
	var numbers []int64 // the left side's other constants
	for _, q := range r.places(0) {
		if e := *r.at(q); q != p && e.op == 'k' {
			numbers = append(numbers, e.k)
		}
	}
	// The right side's constants may have to follow.
	rp := r.places(1)
	type set map[place]*expr
	sets := []set{{}}
	for _, q := range rp {
		if q.off {
			continue
		}
		for _, c := range computed(*r.at(q), n, &with, numbers) {
			sets = append(sets, set{q: c})
		}
	}
	// And so may one of the left side's.
	ties := []set{{}}
	for _, q := range r.places(0) {
		if e := *r.at(q); q != p && e.op == 'k' && !(q.i < p.i) {
			for _, c := range []*expr{letter(n), bi('-', num(64), letter(n)), bi('-', num(32), letter(n))} {
				if x, _ := c.eval(&with); x == e.k && (q.i > p.i || q.off == p.off) {
					ties = append(ties, set{q: c})
				}
			}
		}
	}
	bare := slices.DeleteFunc(slices.Clone(r.If), func(c condition) bool { return c.l != nil })
	type try struct {
		r     *Rule
		cover int
		text  string
	}
	var tries []try
	for _, tie := range ties {
		for _, cs := range conditionsOf(n, &with) {
			for _, s := range sets {
				for k, base := range [2][]condition{r.If, bare} {
					if k == 1 && len(bare) == len(r.If) {
						continue
					}
					t := r.clone()
					*t.at(p) = letter(n)
					for _, m := range [2]set{tie, s} {
						for q, c := range m {
							*t.at(q) = c
						}
					}
					t.If = append(slices.Clone(base), cs...)
					if t.check() != nil {
						continue
					}
					if c := t.coverage(); c >= minCoverage {
						tries = append(tries, try{t, c, t.Body()})
					}
				}
			}
		}
	}
	// The one that fires most often, of those the shortest.
	slices.SortStableFunc(tries, func(a, b try) int {
		return cmp.Or(b.cover-a.cover, len(a.text)-len(b.text), strings.Compare(a.text, b.text))
	})
	for k, t := range tries {
		if k == maxTries {
			break
		}
		if l.proves(t.r) {
			return t.r
		}
	}
	return nil
}

// maxTries is how many forms of a rule are put to the solver for each of its
// constants.
const maxTries = 300

// samples are constants that programs have, and the corners of the fields.
var samples = [...]int64{0, 1, 2, 3, 4, 7, 8, 14, 15, 16, 17, 24, 31, 32, 33, 40, 48, 56, 63, 64, 100, 127, 128, 255, 256, 1000, 0xfff, 0x7fff, 0x8000, 0xffff, 0x10000,
	0x12345, 0xffffff, 0x7fff0000, 0x7fffffff, -1, -2, -8, -16, -128, -256, -0x8000, -0x10000, -0x7fffffff, -0x80000000}

// minCoverage: a form that fires on fewer is one case in disguise.
const minCoverage = 80

// coverage is for how many in a thousand choices of constants that the left
// side can be written with the rule can fire.
func (r *Rule) coverage() int {
	var vars uint32
	for i := range r.Old {
		for _, e := range [2]*expr{r.Old[i].off, r.Old[i].imm} {
			if e != nil {
				e.vars(&vars)
			}
		}
	}
	n, all := 0, 0
	for k := 0; k < 2000 && all < 500; k++ {
		b := Binding{}
		for l := byte('A'); l <= 'Z'; l++ {
			if vars>>(l-'A')&1 != 0 {
				b.imm.put(l, samples[splitmix.Mix(uint64(k)*31+uint64(l))%uint64(len(samples))])
			}
		}
		if !canWrite(r.Old, &b) {
			continue
		}
		all++
		if canWrite(r.New, &b) && r.Holds(&b, nil) {
			n++
		}
	}
	if all == 0 {
		return 0
	}
	return 1000 * n / all
}

// canWrite: with these constants the instructions can be written.
func canWrite(ps []pattern, b *Binding) bool {
	for i := range ps {
		p := &ps[i]
		if p.off != nil {
			if v, ok := p.off.eval(&b.imm); !ok || v != int64(int16(v)) {
				return false
			}
		}
		if p.imm != nil {
			if v, ok := p.imm.eval(&b.imm); !ok || !p.encodes(v) {
				return false
			}
		}
	}
	return true
}

// computed lists what could stand in place of old, which the letter n, and the
// letters before it, give the same value.
func computed(old *expr, n byte, env *bindings, numbers []int64) (out []*expr) {
	want, ok := old.eval(env)
	if !ok {
		return nil
	}
	v, _ := env.get(n)
	N := letter(n)
	try := func(e *expr) {
		if x, ok := e.eval(env); ok && (x == want || int32(x) == int32(want) && uint64(x)>>32 == 0) {
			out = append(out, e)
		}
	}
	try(N)
	try(un('n', N))
	try(un('~', N))
	if old.op != 'k' { // what holds so far, with N for one of its numbers
		var sub func(e *expr) []*expr
		sub = func(e *expr) (r []*expr) {
			switch {
			case e == nil:
			case e.op == 'k':
				if e.k == v {
					r = append(r, N)
				}
				if e.k == -v && v != 0 {
					r = append(r, un('n', N))
				}
				if v >= 0 && v < 63 && e.k == 1<<v {
					r = append(r, bi('<', num(1), N))
				}
			case e.a != nil:
				for _, x := range sub(e.a) {
					r = append(r, &expr{op: e.op, a: x, b: e.b})
				}
				if e.b != nil {
					for _, x := range sub(e.b) {
						y := &expr{op: e.op, a: e.a, b: x}
						if x.op == 'n' && (e.op == '+' || e.op == '-') {
							y = &expr{op: '+' + '-' - e.op, a: e.a, b: x.a}
						}
						r = append(r, y)
					}
				}
			}
			return
		}
		for _, e := range sub(old) {
			try(e)
		}
		for _, op := range []byte("+-&|^*") {
			try(&expr{op: op, a: old, b: N})
		}
	}
	if want != v {
		try(plus(N, want-v))
	}
	if old.op == 'k' {
		for _, k := range numbers {
			for _, op := range []byte("&|^*<>-") {
				try(&expr{op: op, a: N, b: num(k)})
			}
			try(&expr{op: '-', a: num(k), b: N})
		}
	}
	if v >= 0 && v < 64 {
		try(bi('<', num(1), N))
		try(plus(bi('<', num(1), N), -1))
		try(bi('-', num(64), N))
		try(bi('-', num(32), N))
		try(plus(bi('<', num(1), bi('-', num(64), N)), -1))
		try(plus(bi('<', num(1), bi('-', num(32), N)), -1))
		try(bi('<', num(-1), N))
		try(bi('&', bi('<', num(-1), N), num(0xffffffff)))
	}
	if v > 0 && v&(v-1) == 0 {
		try(un('L', N))
		try(plus(N, -1))
	}
	for _, w := range []int64{8, 16, 32} { // neighbours in memory
		m := num(1<<w - 1)
		if old.op == 'k' {
			if want&^(1<<w-1) != 0 {
				try(&expr{op: '|', a: bi('&', N, m), b: num(want &^ (1<<w - 1))})
			}
			if want&(1<<w-1) != 0 {
				try(&expr{op: '|', a: bi('<', N, num(w)), b: num(want & (1<<w - 1))})
			}
			try(bi('&', N, m))
		}
	}
	for u := byte('I'); u < n; u++ {
		U := letter(u)
		for _, op := range []byte("+-&|^*<>") {
			try(bi(op, U, N))
			if op == '-' || op == '<' || op == '>' {
				try(bi(op, N, U))
			}
		}
		for _, w := range []int64{8, 16, 32} {
			m := num(1<<w - 1)
			try(bi('|', bi('&', U, m), bi('<', N, num(w))))
			try(bi('|', bi('&', N, m), bi('<', U, num(w))))
		}
	}
	return out
}

// conditionsOf lists what may be asked of the letter n, weakest first; all hold
// for the value it has in the find.
func conditionsOf(n byte, env *bindings) (out [][]condition) {
	N := letter(n)
	c := func(l *expr, op string, r *expr) condition { return condition{l: l, op: op, r: r} }
	zero := num(0)
	holds := func(cs ...condition) {
		for _, x := range cs {
			a, ok1 := x.l.eval(env)
			b, ok2 := x.r.eval(env)
			if !ok1 || !ok2 || !(x.op == "==" && a == b || x.op == "!=" && a != b || x.op == "<" && a < b || x.op == "<=" && a <= b) {
				return
			}
		}
		out = append(out, cs)
	}
	out = append(out, nil)
	holds(c(N, "!=", zero))
	holds(c(zero, "<=", N))
	holds(c(zero, "<", N))
	holds(c(N, "<", zero))
	for u := byte('I'); u < n; u++ {
		U := letter(u)
		for _, w := range []int64{64, 32} {
			holds(c(bi('+', U, N), "<", num(w)))
			holds(c(bi('+', U, N), "<=", num(w)))
			holds(c(num(w), "<=", bi('+', U, N)))
		}
		holds(c(U, "<=", N))
		holds(c(U, "<", N))
		holds(c(N, "<=", U))
		holds(c(N, "<", U))
		holds(c(bi('&', U, N), "==", zero))
		holds(c(bi('&', U, N), "==", N))
		holds(c(bi('&', U, N), "==", U))
	}
	for u := byte('I'); u < n; u++ { // a mask that covers what a shift leaves
		U := letter(u)
		for _, x := range [2][2]*expr{{U, N}, {N, U}} {
			if v, _ := x[1].eval(env); v >= 0 && v < 64 {
				holds(c(bi('&', un('~', x[0]), bi('<', num(-1), x[1])), "==", zero))
				holds(c(bi('>', x[0], x[1]), "==", zero))
				holds(c(bi('&', x[0], bi('<', num(-1), x[1])), "==", zero))
			}
		}
	}
	holds(c(zero, "<", N), c(bi('&', N, plus(N, -1)), "==", zero))
	holds(c(bi('&', N, plus(N, 1)), "==", zero))
	holds(c(zero, "<=", N), c(bi('&', N, plus(N, 1)), "==", zero))
	for _, w := range []int64{1, 8, 16, 24, 31, 32, 48, 56} {
		holds(c(zero, "<=", N), c(N, "<=", num(w)))
		holds(c(num(w), "<=", N))
		holds(c(zero, "<=", N), c(N, "<", num(1<<w)))
		holds(c(num(-1<<w), "<=", N), c(N, "<", zero))
		holds(c(bi('&', N, num(1<<w-1)), "==", zero))
		holds(c(bi('&', N, num(1<<w-1)), "==", num(1<<w-1)))
	}
	return out
}

// split is the rule with two registers where one is read and then set to
// something else: what the code's own allocation made one. nil where there is
// no such register.
func (r *Rule) split() *Rule {
	var used uint32
	for i := range r.Old {
		used |= r.Old[i].letters()
	}
	fresh := byte('a' + bits.OnesCount32(used))
	for i := range r.Old {
		d := r.Old[i].writes()
		if d == 0 || fresh > 'j' || !r.Old[i].sets() {
			continue
		}
		before := r.Old[i].src == d
		for k := 0; k < i; k++ {
			before = before || r.Old[k].letters()>>(d-'a')&1 != 0
		}
		if !before {
			continue
		}
		t := r.clone()
		for _, side := range [2][]pattern{t.Old, t.New} {
			at := -1
			for k := range side { // the last plain definition: what the register is in the end
				if side[k].writes() == d && side[k].sets() {
					at = k
				}
			}
			if at < 0 {
				return nil
			}
			side[at].dst = fresh
			for k := at + 1; k < len(side); k++ {
				if side[k].dst == d {
					side[k].dst = fresh
				}
				if side[k].src == d {
					side[k].src = fresh
				}
				if side[k].cond == d {
					side[k].cond = fresh
				}
			}
		}
		if t.check() == nil {
			return t
		}
	}
	return nil
}

// sets: the register written does not depend on what it was.
func (p *pattern) sets() bool {
	switch p.op & 7 {
	case ebpf.ClassLDX, ebpf.ClassLD:
		return true
	case ebpf.ClassALU, ebpf.ClassALU64:
		return p.op&0xf0 == ebpf.ALUMov
	}
	return false
}

// twin is the rule of the other width, where all its operations are of one.
func (r *Rule) twin() *Rule {
	t := r.clone()
	for _, side := range [2][]pattern{t.Old, t.New} {
		for i := range side {
			c := side[i].op & 7
			if side[i].op == ebpf.OpSelect || c != ebpf.ClassALU && c != ebpf.ClassALU64 || side[i].op&0xf0 == ebpf.ALUEnd || c != r.Old[0].op&7 || side[i].sub == 32 {
				return nil
			}
			side[i].op ^= ebpf.ClassALU ^ ebpf.ClassALU64
		}
	}
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
