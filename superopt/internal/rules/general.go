package rules

import (
	"cmp"
	"slices"
	"strings"

	"jitnic/host/ebpf"
)

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

// computed lists what could stand in place of old, which the letter n, and the
// letters before it, give the same value.
func computed(old *expr, n byte, env *bindings, numbers []int64) (out []*expr) {
	want, ok := old.eval(env)
	if !ok {
		return nil
	}
	v, _ := env.get(n)
	for _, e := range slices.Concat(ofOld(old, n, v), ofNumbers(old, n, v, want, numbers), ofShifts(old, n, v, want), ofLetters(n)) {
		if x, ok := e.eval(env); ok && (x == want || int32(x) == int32(want) && uint64(x)>>32 == 0) {
			out = append(out, e)
		}
	}
	return out
}

// ofOld are the letter, and what holds so far with it for one of its numbers; v is
// what the letter stands for.
func ofOld(old *expr, n byte, v int64) []*expr {
	N := letter(n)
	out := []*expr{N, un('n', N), un('~', N)}
	if old.op == 'k' {
		return out
	}
	out = append(out, lettered(old, N, v)...)
	for _, op := range []byte("+-&|^*") {
		out = append(out, bi(op, old, N))
	}
	return out
}

// lettered are the expressions with N, which is v, for one number of e.
func lettered(e, N *expr, v int64) (out []*expr) {
	switch {
	case e == nil:
	case e.op == 'k':
		if e.k == v {
			out = append(out, N)
		}
		if e.k == -v && v != 0 {
			out = append(out, un('n', N))
		}
		if v >= 0 && v < 63 && e.k == 1<<v {
			out = append(out, bi('<', num(1), N))
		}
	case e.a != nil:
		for _, x := range lettered(e.a, N, v) {
			out = append(out, &expr{op: e.op, a: x, b: e.b})
		}
		for _, x := range lettered(e.b, N, v) {
			y := bi(e.op, e.a, x)
			if x.op == 'n' && (e.op == '+' || e.op == '-') {
				y = bi('+'+'-'-e.op, e.a, x.a)
			}
			out = append(out, y)
		}
	}
	return out
}

// ofNumbers are the letter with a number beside it.
func ofNumbers(old *expr, n byte, v, want int64, numbers []int64) (out []*expr) {
	N := letter(n)
	if want != v {
		out = append(out, plus(N, want-v))
	}
	if old.op != 'k' {
		return out
	}
	for _, k := range numbers {
		for _, op := range []byte("&|^*<>-") {
			out = append(out, bi(op, N, num(k)))
		}
		out = append(out, bi('-', num(k), N))
	}
	return out
}

// ofShifts are the letter as a number of bits, as a power of two, and as one of two
// neighbours in memory.
func ofShifts(old *expr, n byte, v, want int64) (out []*expr) {
	N := letter(n)
	if v >= 0 && v < 64 {
		out = append(out,
			bi('<', num(1), N),
			plus(bi('<', num(1), N), -1),
			bi('-', num(64), N),
			bi('-', num(32), N),
			plus(bi('<', num(1), bi('-', num(64), N)), -1),
			plus(bi('<', num(1), bi('-', num(32), N)), -1),
			bi('<', num(-1), N),
			bi('&', bi('<', num(-1), N), num(0xffffffff)))
	}
	if v > 0 && v&(v-1) == 0 {
		out = append(out, un('L', N), plus(N, -1))
	}
	if old.op != 'k' {
		return out
	}
	for _, w := range []int64{8, 16, 32} {
		m := num(1<<w - 1)
		if want&^(1<<w-1) != 0 {
			out = append(out, bi('|', bi('&', N, m), num(want&^(1<<w-1))))
		}
		if want&(1<<w-1) != 0 {
			out = append(out, bi('|', bi('<', N, num(w)), num(want&(1<<w-1))))
		}
		out = append(out, bi('&', N, m))
	}
	return out
}

// ofLetters are the letter with each one before it.
func ofLetters(n byte) (out []*expr) {
	N := letter(n)
	for u := byte('I'); u < n; u++ {
		U := letter(u)
		for _, op := range []byte("+-&|^*<>") {
			out = append(out, bi(op, U, N))
			if op == '-' || op == '<' || op == '>' {
				out = append(out, bi(op, N, U))
			}
		}
		for _, w := range []int64{8, 16, 32} {
			m := num(1<<w - 1)
			out = append(out, bi('|', bi('&', U, m), bi('<', N, num(w))), bi('|', bi('&', N, m), bi('<', U, num(w))))
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
