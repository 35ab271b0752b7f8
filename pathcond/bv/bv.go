package bv

import (
	"fmt"
	"math/bits"
	"slices"
)

// Term names a node of a [Builder]: terms are hash-consed, so two terms of one
// builder are the same expression exactly when they are the same number.
// 0 is no term.
type Term uint32

// Op is what a node does with its arguments.
type Op uint8

// The operations. Widths are in bits, 1 to 64; a predicate has width 1.
// Shifts by the width or more give 0 (AShr: the sign), UDiv by 0 all ones,
// URem by 0 the dividend, as in SMT-LIB's FixedSizeBitVectors.
const (
	OpInvalid Op = iota
	OpConst      // K
	OpInput      // input number K
	OpFun        // function number K of the arguments; looked up in the environment
	OpAdd
	OpSub
	OpMul
	OpUDiv
	OpURem
	OpSDiv
	OpSRem
	OpAnd
	OpOr
	OpXor
	OpShl
	OpLShr
	OpAShr
	OpNot     // bitwise complement; of width 1: logical not
	OpBSwap   // bytes reversed
	OpConcat  // first argument is the high part
	OpExtract // bits K.. of the argument
	OpZExt
	OpSExt
	OpEq
	OpULt
	OpULe
	OpSLt
	OpSLe
	OpIte
	opCount
)

var opNames = [opCount]string{
	"invalid", "const", "input", "fun", "add", "sub", "mul", "udiv", "urem", "sdiv", "srem",
	"and", "or", "xor", "shl", "lshr", "ashr", "not", "bswap", "concat", "extract", "zext", "sext",
	"eq", "ult", "ule", "slt", "sle", "ite",
}

// String is the operation's name in the S-expression form.
func (o Op) String() string {
	if o < opCount {
		return opNames[o]
	}
	return fmt.Sprintf("op%d", uint8(o))
}

// node is one hash-consed expression. Args stand in Builder.args[lo:lo+n].
type node struct {
	op     Op
	width  uint8
	opaque bool // depends on an input that can't be evaluated
	n      uint16
	lo     uint32
	k      uint64 // constant, input or function number, low bit of an extract
	zeros  uint64 // bits known to be 0
	min    uint64 // unsigned bounds
	max    uint64
}

// Fact is what is known of an input or function result before it is seen:
// unsigned bounds and bits that are always 0.
type Fact struct {
	Min, Max uint64
	Zeros    uint64
	Opaque   bool // no environment can evaluate it
}

// Builder makes terms, simplifying as it goes. It isn't safe for concurrent use.
type Builder struct {
	nodes []node
	args  []Term
	table []slot // all nodes, by what they are
	shift int    // of a hash, to an index into table
	cuts  map[cut]Term
	alike map[[2]Term]Term // whether selects are constants, see equals

	// Join, where set, may know one term for two that are concatenated:
	// neighbouring loads, which a Builder knows nothing of.
	Join func(hi, lo Term) (Term, bool)
}

// cut names an extract of a term that is cut through.
type cut struct {
	x         Term
	lo, width uint16
}

// NewBuilder returns a builder without terms.
func NewBuilder() *Builder {
	return &Builder{nodes: make([]node, 1, 1024), cuts: map[cut]Term{}, alike: map[[2]Term]Term{}}
}

// Reset is a builder without terms again, which keeps its memory.
func (b *Builder) Reset() {
	if 8*len(b.nodes) > len(b.table) {
		clear(b.table)
	} else {
		b.sweep()
	}
	b.nodes, b.args, b.Join = b.nodes[:1], b.args[:0], nil
	clear(b.cuts)
	clear(b.alike)
}

// sweep empties the table, where few are in it: from each node's first place on to
// the next free one, behind which no other is that was pushed on from there.
func (b *Builder) sweep() {
	for t := 1; t < len(b.nodes); t++ {
		n := &b.nodes[t]
		i := hashOf(n.op, n.width, n.k, b.Args(Term(t))) >> b.shift
		for ; b.table[i].term != 0; i = (i + 1) & uint64(len(b.table)-1) {
			b.table[i] = slot{}
		}
	}
}

// Len is the number of terms made, one more than the largest.
func (b *Builder) Len() int { return len(b.nodes) }

// Op is what a term does; Width (in bits), K and Args are its other parts. The
// slice of Args must not be changed.
func (b *Builder) Op(t Term) Op { return b.nodes[t].op }

func (b *Builder) Width(t Term) int { return int(b.nodes[t].width) }
func (b *Builder) K(t Term) uint64  { return b.nodes[t].k }
func (b *Builder) Args(t Term) []Term {
	n := &b.nodes[t]
	return b.args[n.lo : n.lo+uint32(n.n) : n.lo+uint32(n.n)]
}

// Opaque says whether the term depends on something that can't be evaluated
// before the run.
func (b *Builder) Opaque(t Term) bool { return b.nodes[t].opaque }

// Bounds gives the term's unsigned bounds, whatever the inputs.
func (b *Builder) Bounds(t Term) (min, max uint64) { return b.nodes[t].min, b.nodes[t].max }

// Zeros gives the bits that are 0 whatever the inputs.
func (b *Builder) Zeros(t Term) uint64 { return b.nodes[t].zeros }

// IsConst says whether the term is a constant, and which.
func (b *Builder) IsConst(t Term) (uint64, bool) {
	n := &b.nodes[t]
	return n.k, n.op == OpConst
}

// Mask has the low width bits set.
func Mask(width int) uint64 { return ^uint64(0) >> (64 - uint(width)) }

func (b *Builder) arg(t Term, i int) Term { return b.args[b.nodes[t].lo+uint32(i)] }

// raw makes or finds the node, without simplifying.
func (b *Builder) raw(op Op, width int, k uint64, args ...Term) Term {
	if width < 1 || width > 64 {
		panic(fmt.Sprintf("bv: %v of width %d", op, width)) // a bug of the caller, never of its input
	}
	if 4*len(b.nodes) >= 3*len(b.table) {
		b.grow()
	}
	h := hashOf(op, uint8(width), k, args)
	i := h >> b.shift
	for ; b.table[i].term != 0; i = (i + 1) & uint64(len(b.table)-1) {
		if s := b.table[i]; s.tag == uint32(h) && b.same(s.term, op, uint8(width), k, args) {
			return s.term
		}
	}
	t := b.push(op, width, k, args)
	b.table[i] = slot{t, uint32(h)}
	return t
}

// slot is a place of the table of all nodes, which is open-addressed and a
// power of two long. A free one has term 0; tag is the low half of the hash.
type slot struct {
	term Term
	tag  uint32
}

// hashOf mixes what makes a node what it is; its high bits are the best.
func hashOf(op Op, width uint8, k uint64, args []Term) uint64 {
	const odd = 0x9e3779b97f4a7c15
	h := (k ^ uint64(op)<<56 ^ uint64(width)<<48) * odd
	for _, a := range args {
		h = (h ^ h>>29 ^ uint64(a)) * odd
	}
	return h ^ h>>32
}

// same says whether term t is this node.
func (b *Builder) same(t Term, op Op, width uint8, k uint64, args []Term) bool {
	n := &b.nodes[t]
	return n.op == op && n.width == width && n.k == k && slices.Equal(b.args[n.lo:n.lo+uint32(n.n)], args)
}

// grow doubles the table.
func (b *Builder) grow() {
	size := max(1024, 2*len(b.table))
	b.table = make([]slot, size)
	b.shift = 64 - bits.Len(uint(size-1))
	for t := 1; t < len(b.nodes); t++ {
		n := &b.nodes[t]
		h := hashOf(n.op, n.width, n.k, b.Args(Term(t)))
		i := h >> b.shift
		for b.table[i].term != 0 {
			i = (i + 1) & uint64(size-1)
		}
		b.table[i] = slot{Term(t), uint32(h)}
	}
}

func (b *Builder) push(op Op, width int, k uint64, args []Term) Term {
	n := node{op: op, width: uint8(width), k: k, n: uint16(len(args)), lo: uint32(len(b.args)), max: Mask(width)}
	b.args = append(b.args, args...)
	for _, a := range args {
		n.opaque = n.opaque || b.nodes[a].opaque
	}
	b.nodes = append(b.nodes, n)
	t := Term(len(b.nodes) - 1)
	b.analyse(t)
	return t
}

// analyse fills in known zero bits and bounds from those of the arguments.
func (b *Builder) analyse(t Term) {
	n := &b.nodes[t]
	m := Mask(int(n.width))
	var x, y *node
	if n.n > 0 {
		x = &b.nodes[b.args[n.lo]]
	}
	if n.n > 1 {
		y = &b.nodes[b.args[n.lo+1]]
	}
	switch n.op {
	case OpConst:
		n.min, n.max, n.zeros = n.k, n.k, ^n.k&m
	case OpAdd:
		if s, c := bits.Add64(x.max, y.max, 0); c == 0 && s <= m {
			n.min, n.max = x.min+y.min, s
			tz := min(bits.TrailingZeros64(^x.zeros), bits.TrailingZeros64(^y.zeros))
			n.zeros = Mask64(tz)
		}
	case OpSub:
		if x.min >= y.max {
			n.min, n.max = x.min-y.max, x.max-y.min
		}
	case OpMul:
		if hi, lo := bits.Mul64(x.max, y.max); hi == 0 && lo <= m {
			n.min, n.max = x.min*y.min, lo
		}
	case OpUDiv:
		if y.min > 0 {
			n.min, n.max = x.min/y.max, x.max/y.min
		}
	case OpURem:
		n.max = x.max
		if y.min > 0 {
			n.max = min(x.max, y.max-1)
		}
	case OpAnd:
		n.zeros = x.zeros | y.zeros
		n.max = min(x.max, y.max)
	case OpOr, OpXor:
		n.zeros = x.zeros & y.zeros
		if n.op == OpOr {
			n.min = max(x.min, y.min)
		}
	case OpShl:
		if y.op == OpConst && y.k < uint64(n.width) {
			n.zeros = (x.zeros<<y.k | (uint64(1)<<y.k - 1)) & m
			if bits.LeadingZeros64(x.max)-(64-int(n.width)) >= int(y.k) {
				n.min, n.max = x.min<<y.k, x.max<<y.k
			}
		}
	case OpLShr:
		n.max = x.max
		if y.op == OpConst && y.k < uint64(n.width) {
			n.min, n.max = x.min>>y.k, x.max>>y.k
			n.zeros = x.zeros>>y.k | m&^(m>>y.k)
		}
	case OpZExt:
		n.min, n.max = x.min, x.max
		n.zeros = x.zeros | m&^Mask(int(x.width))
	case OpSExt:
		if x.max < uint64(1)<<(x.width-1) {
			n.min, n.max = x.min, x.max
			n.zeros = x.zeros | m&^Mask(int(x.width))
		}
	case OpExtract:
		n.zeros = x.zeros >> n.k & m
		if n.k == 0 && x.max <= m {
			n.min, n.max = x.min, x.max
		}
	case OpConcat:
		n.zeros = x.zeros<<y.width | y.zeros
		n.min, n.max = x.min<<y.width|y.min, x.max<<y.width|y.max
	case OpBSwap:
		n.zeros = bits.ReverseBytes64(x.zeros) >> (64 - n.width)
	case OpIte:
		e := &b.nodes[b.args[n.lo+2]]
		n.min, n.max = min(y.min, e.min), max(y.max, e.max)
		n.zeros = y.zeros & e.zeros
	}
	if free := m &^ n.zeros; n.max > free {
		n.max = free
	}
	if n.min == n.max {
		n.zeros |= ^n.min & m
	}
	// A bound below a power of two also tells the high bits.
	if n.max < m {
		n.zeros |= m &^ Mask64(bits.Len64(n.max))
	}
}

// Mask64 has the low n bits set, n from 0 to 64.
func Mask64(n int) uint64 {
	if n >= 64 {
		return ^uint64(0)
	}
	return uint64(1)<<uint(n) - 1
}

// Const makes the constant k, cut to width bits.
func (b *Builder) Const(k uint64, width int) Term {
	return b.raw(OpConst, width, k&Mask(width))
}

// Bool makes the predicate that is always v.
func (b *Builder) Bool(v bool) Term {
	if v {
		return b.Const(1, 1)
	}
	return b.Const(0, 1)
}

// Input makes input number id. What is known of it is said once, when it is
// first made.
func (b *Builder) Input(id uint64, width int, f Fact) Term {
	before := len(b.nodes)
	t := b.raw(OpInput, width, id)
	if len(b.nodes) > before {
		b.setFact(t, f)
	}
	return t
}

// Fun makes the result of function number id of the arguments.
func (b *Builder) Fun(id uint64, width int, f Fact, args ...Term) Term {
	before := len(b.nodes)
	t := b.raw(OpFun, width, id, args...)
	if len(b.nodes) > before {
		b.setFact(t, f)
	}
	return t
}

func (b *Builder) setFact(t Term, f Fact) {
	n := &b.nodes[t]
	m := Mask(int(n.width))
	n.opaque = n.opaque || f.Opaque
	n.zeros |= f.Zeros & m
	n.min = f.Min
	if f.Max != 0 {
		n.max = min(n.max, f.Max)
	}
	n.max = min(n.max, m&^n.zeros)
	n.zeros |= m &^ Mask64(bits.Len64(n.max))
}
