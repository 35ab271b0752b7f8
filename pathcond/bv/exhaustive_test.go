package bv_test

import (
	"math/rand/v2"
	"testing"

	"jitnic/pathcond/bv"
)

// tiny makes random terms of up to 4 bits over inputs of 8 bits together, and
// beside each the values it must have for all 256 inputs, computed without the
// builder.
type tiny struct {
	b      *bv.Builder
	r      *rand.Rand
	widths []int
	valid  [256]bool // inputs that keep to the facts the builder was told
	pool   [5][]sample
	nodes  []table // by term: its values, computed from its node
}

type table [256]uint8

type sample struct {
	t bv.Term
	v table
}

// bits of input i at point p of the 256.
func (m *tiny) input(i, p int) uint64 {
	for _, w := range m.widths[:i] {
		p >>= w
	}
	return uint64(p) & bv.Mask(m.widths[i])
}

func newTiny(seed uint64) *tiny {
	m := &tiny{b: bv.NewBuilder(), r: rand.New(rand.NewPCG(seed, 4)), nodes: make([]table, 1)}
	for left := 8; left > 0; {
		w := 1 + m.r.IntN(min(4, left))
		m.widths = append(m.widths, w)
		left -= w
	}
	for p := range m.valid {
		m.valid[p] = true
	}
	for i, w := range m.widths {
		f := bv.Fact{Max: bv.Mask(w)}
		switch m.r.IntN(4) {
		case 0:
			f.Min = m.r.Uint64N(f.Max + 1)
			f.Max = max(1, f.Min+m.r.Uint64N(f.Max-f.Min+1))
		case 1:
			f.Zeros = m.r.Uint64N(f.Max + 1)
		}
		var s sample
		for p := range s.v {
			v := m.input(i, p)
			s.v[p] = uint8(v)
			m.valid[p] = m.valid[p] && v >= f.Min && v <= f.Max && v&f.Zeros == 0
		}
		s.t = m.b.Input(uint64(i), w, f)
		m.pool[w] = append(m.pool[w], s)
	}
	return m
}

func (m *tiny) any(w int) sample {
	if l := m.pool[w]; len(l) > 0 && m.r.IntN(4) > 0 {
		return l[m.r.IntN(len(l))]
	}
	k := m.r.Uint64N(bv.Mask(w) + 1)
	s := sample{t: m.b.Const(k, w)}
	for p := range s.v {
		s.v[p] = uint8(k)
	}
	return s
}

// values computes a term's values from those of its arguments.
func values(w int, f func(p int) uint64) (v table) {
	for p := range v {
		v[p] = uint8(f(p) & bv.Mask(w))
	}
	return v
}

// sext is the low w bits of the value v of n bits, widened by its sign.
func sext(v uint8, n int) uint64 { return uint64(int64(uint64(v)<<(64-n)) >> (64 - n)) }

// next makes one random term.
func (m *tiny) next() (s sample, w int) {
	b, r := m.b, m.r
	w = 1 + r.IntN(4)
	switch r.IntN(10) {
	case 0:
		x := m.any(w)
		return sample{b.Not(x.t), values(w, func(p int) uint64 { return ^uint64(x.v[p]) })}, w
	case 1:
		w = max(w, 2)
		lw := 1 + r.IntN(w-1)
		x, y := m.any(w-lw), m.any(lw)
		return sample{b.Concat(x.t, y.t), values(w, func(p int) uint64 { return uint64(x.v[p])<<lw | uint64(y.v[p]) })}, w
	case 2:
		from := w + r.IntN(5-w)
		lo := r.IntN(from - w + 1)
		x := m.any(from)
		return sample{b.Extract(x.t, lo, w), values(w, func(p int) uint64 { return uint64(x.v[p]) >> lo })}, w
	case 3:
		x, n := m.any(1+r.IntN(w)), 0
		n = b.Width(x.t)
		if r.IntN(2) == 0 {
			return sample{b.ZExt(x.t, w), x.v}, w
		}
		return sample{b.SExt(x.t, w), values(w, func(p int) uint64 { return sext(x.v[p], n) })}, w
	case 4:
		c, x, y := m.any(1), m.any(w), m.any(w)
		return sample{b.Ite(c.t, x.t, y.t), values(w, func(p int) uint64 {
			if c.v[p] == 1 {
				return uint64(x.v[p])
			}
			return uint64(y.v[p])
		})}, w
	}
	ops := []bv.Op{bv.OpAdd, bv.OpSub, bv.OpMul, bv.OpUDiv, bv.OpURem, bv.OpSDiv, bv.OpSRem, bv.OpAnd, bv.OpOr, bv.OpXor,
		bv.OpShl, bv.OpLShr, bv.OpAShr, bv.OpEq, bv.OpULt, bv.OpULe, bv.OpSLt, bv.OpSLe}
	op := ops[r.IntN(len(ops))]
	x, y := m.any(w), m.any(w)
	v := values(w, func(p int) uint64 { return bv.Fold(op, w, uint64(x.v[p]), uint64(y.v[p])) })
	t := b.Bin(op, x.t, y.t)
	return sample{t, v}, b.Width(t)
}

// node computes the values of a node of the builder from those of its
// arguments. Nodes within a term of 4 bits may be wider, but never than 8.
func (m *tiny) node(t bv.Term) table {
	b := m.b
	w, k := b.Width(t), b.K(t)
	var a []*table
	for _, x := range b.Args(t) {
		a = append(a, &m.nodes[x])
	}
	return values(w, func(p int) uint64 {
		switch b.Op(t) {
		case bv.OpConst:
			return k
		case bv.OpInput:
			return m.input(int(k), p)
		case bv.OpNot:
			return ^uint64(a[0][p])
		case bv.OpConcat:
			return uint64(a[0][p])<<b.Width(b.Args(t)[1]) | uint64(a[1][p])
		case bv.OpExtract:
			return uint64(a[0][p]) >> k
		case bv.OpZExt:
			return uint64(a[0][p])
		case bv.OpSExt:
			return sext(a[0][p], b.Width(b.Args(t)[0]))
		case bv.OpIte:
			if a[0][p] == 1 {
				return uint64(a[1][p])
			}
			return uint64(a[2][p])
		}
		return bv.Fold(b.Op(t), b.Width(b.Args(t)[0]), uint64(a[0][p]), uint64(a[1][p]))
	})
}

// 100,000 random terms of up to 4 bits have, for all inputs, the values of what
// was asked for, and each of their nodes keeps to what is known of it.
func TestSimplifyAllInputs(t *testing.T) {
	const builders, terms = 500, 200
	for seed := uint64(0); seed < builders; seed++ {
		m := newTiny(seed)
		for range terms {
			s, w := m.next()
			for len(m.nodes) < m.b.Len() {
				x := bv.Term(len(m.nodes))
				m.nodes = append(m.nodes, m.node(x))
				m.checkFacts(t, seed, x)
			}
			got := &m.nodes[s.t]
			for p, ok := range m.valid {
				if ok && got[p] != s.v[p] {
					t.Fatalf("seed %d: %s is %#x at inputs %#x of widths %v, want %#x", seed, m.b.String(s.t), got[p], p, m.widths, s.v[p])
				}
			}
			if len(m.pool[w]) < 12 {
				m.pool[w] = append(m.pool[w], s)
			} else {
				m.pool[w][m.r.IntN(12)] = s
			}
		}
	}
}

func (m *tiny) checkFacts(t *testing.T, seed uint64, x bv.Term) {
	lo, hi := m.b.Bounds(x)
	zeros := m.b.Zeros(x)
	for p, ok := range m.valid {
		if v := uint64(m.nodes[x][p]); ok && (v < lo || v > hi || v&zeros != 0) {
			t.Fatalf("seed %d: %s is %#x at inputs %#x of widths %v: outside its facts [%#x, %#x], zeros %#x",
				seed, m.b.String(x), v, p, m.widths, lo, hi, zeros)
		}
	}
}
