package tree

import (
	"encoding/binary"
	"math/bits"

	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// Matching evaluates no term twice and walks no term at all: each node of the
// tree carries the few instructions that compute what its predicate needs and
// none of the nodes above it has computed. Values stand in slots numbered along
// the path from the root, so siblings share them and all of them stay in cache.

// Op is an operation of a node's code.
type Op uint8

const (
	OpConst  Op = iota // dst = k
	OpField            // dst = (load8(addr k) >> sh) & mask, at a constant address
	OpLoad             // dst = load8(slot a) & mask
	OpInput            // dst = input k & mask
	OpLen              // dst = packet length
	OpBin              // dst = fold(sub, width, a, b)
	OpAddK             // dst = (a + k) & mask
	OpAdd              // dst = (a + b) & mask
	OpSub              // dst = (a - b) & mask
	OpAndK             // dst = a & k
	OpAnd              // dst = a & b
	OpOr               // dst = a | b
	OpXor              // dst = a ^ b
	OpMulK             // dst = (a * k) & mask
	OpShlK             // dst = a << k & mask
	OpShift            // dst = (a >> sh) & mask: extracts
	OpNot              // dst = ^a & mask
	OpBSwap            // dst = bytes of a reversed, >> sh
	OpConcat           // dst = a << sh | b
	OpSExt             // dst = sign extension of a, from sh bits
	OpIte              // dst = a ? b : c
	OpEq               // dst = a == b
	OpEqK              // dst = a == k
	OpLT               // dst = a < b
	OpLookup           // dst = address of the value of a key in a map; k: index into calls
	OpCall             // dst = any other function; k: index into calls
)

// Insn is one instruction: 32 bytes.
type Insn struct {
	Op      Op
	Sub     bv.Op
	Width   uint8
	Sh      uint8
	Dst     uint16
	A, B, C uint16
	K       uint64
	Mask    uint64
}

// Call is a function call of a node's code.
type Call struct {
	Fun  uint64
	Args []uint16
	Map  maps.Map // of a look-up
	Size int      // bytes of its key
}

// Test says how a node decides once its code has run.
type Test uint8

const (
	TestSlot   Test = iota // slot a is not 0
	TestEqK                // slot a == k
	TestLTK                // slot a < k
	TestGTK                // slot a > k
	TestEq                 // slot a == slot b
	TestLT                 // slot a < slot b
	TestField              // as TestEqK of (load8(addr) >> sh) & mask, at a constant address
	TestLenLTK             // packet length < k
	TestLenGTK             // packet length > k
)

// lower makes a node's code and test from its predicate. above gives the slots
// of terms that ancestors computed; next is the first free slot.
func (t *Tree) lower(n *node, o *origin, above map[bv.Term]uint16, next uint16) {
	l := &lowering{t: t, b: t.b, slots: above, next: next}
	b := t.b
	p := o.term
	args := b.Args(p)
	switch b.Op(p) {
	case bv.OpEq, bv.OpULt:
		eq := b.Op(p) == bv.OpEq
		if k, ok := b.IsConst(args[1]); ok {
			if eq {
				if f, ok := l.field(args[0]); ok {
					n.test, n.addr, n.sh, n.mask, n.k = TestField, f.K, f.Sh, f.Mask, k
					break
				}
			} else if t.isLen(args[0]) {
				n.test, n.k = TestLenLTK, k
				break
			}
			n.test, n.a, n.k = TestLTK, l.slot(args[0]), k
			if eq {
				n.test = TestEqK
			}
		} else if k, ok := b.IsConst(args[0]); ok {
			if t.isLen(args[1]) {
				n.test, n.k = TestLenGTK, k
				break
			}
			n.test, n.a, n.k = TestGTK, l.slot(args[1]), k
		} else {
			n.test, n.a, n.b = TestLT, l.slot(args[0]), l.slot(args[1])
			if eq {
				n.test = TestEq
			}
		}
	default:
		n.test, n.a = TestSlot, l.slot(p)
	}
	n.code = int32(len(t.code))
	t.code = append(t.code, l.code...)
	n.end = int32(len(t.code))
	o.next, o.made = l.next, l.made
	if need := int(l.next) + 1; len(t.val) < need {
		t.val = append(t.val, make([]uint64, need+64-len(t.val))...)
	}
}

func (t *Tree) isLen(x bv.Term) bool {
	return t.b.Op(x) == bv.OpInput && t.b.K(x) == pathcond.InLen || t.b.Op(x) == bv.OpZExt && t.isLen(t.b.Args(x)[0])
}

type lowering struct {
	t     *Tree
	b     *bv.Builder
	slots map[bv.Term]uint16
	next  uint16
	code  []Insn
	made  []bv.Term // by slot, from the node's first on
}

// field sees x as bits of a load at a constant address.
func (l *lowering) field(x bv.Term) (Insn, bool) {
	b := l.b
	in := Insn{Op: OpField, Mask: bv.Mask(b.Width(x))}
	shifted := false
	for {
		switch b.Op(x) {
		case bv.OpZExt:
			x = b.Args(x)[0]
			in.Mask &= bv.Mask(b.Width(x))
			continue
		case bv.OpExtract:
			if shifted {
				return in, false
			}
			shifted = true
			in.Sh = uint8(b.K(x))
			x = b.Args(x)[0]
			continue
		case bv.OpAnd:
			if k, ok := b.IsConst(b.Args(x)[1]); ok {
				in.Mask &= k >> in.Sh
				x = b.Args(x)[0]
				continue
			}
		case bv.OpFun:
			id, _ := pathcond.FunParts(b.K(x))
			if id != pathcond.FunLoad {
				return in, false
			}
			addr, ok := b.IsConst(b.Args(x)[0])
			if !ok || addr+8 > uint64(len(l.t.env.S.Mem.B)) {
				return in, false
			}
			in.K = addr
			in.Mask &= bv.Mask(b.Width(x)) >> in.Sh
			return in, true
		}
		return in, false
	}
}

func (l *lowering) emit(x bv.Term, in Insn) uint16 {
	in.Dst = l.next
	l.next++
	l.code = append(l.code, in)
	l.slots[x] = in.Dst
	l.made = append(l.made, x)
	return in.Dst
}

// slot is where the value of x stands when the node's code has run.
func (l *lowering) slot(x bv.Term) uint16 {
	if s, ok := l.slots[x]; ok {
		return s
	}
	b := l.b
	w := b.Width(x)
	args := b.Args(x)
	in := Insn{Width: uint8(w), Mask: bv.Mask(w)}
	switch op := b.Op(x); op {
	case bv.OpConst:
		in.Op, in.K = OpConst, b.K(x)
	case bv.OpInput:
		in.Op, in.K = OpInput, b.K(x)
		if in.K == pathcond.InLen {
			in.Op = OpLen
		}
	case bv.OpFun:
		if f, ok := l.field(x); ok {
			return l.emit(x, f)
		}
		id, arg := pathcond.FunParts(b.K(x))
		if id == pathcond.FunLoad {
			in.Op, in.A = OpLoad, l.slot(args[0])
			break
		}
		c := Call{Fun: b.K(x)}
		for _, a := range args {
			c.Args = append(c.Args, l.slot(a))
		}
		in.Op = OpCall
		if id == pathcond.FunLookup {
			m := l.t.env.S.Maps[arg]
			_, inner := m.(maps.OfMaps)
			_, prog := m.(interface{ Program(i uint32) int })
			if !inner && !prog {
				in.Op, c.Map, c.Size = OpLookup, m, int(m.Spec().KeySize)
			}
		}
		in.K = uint64(len(l.t.calls))
		l.t.calls = append(l.t.calls, c)
	case bv.OpZExt:
		s := l.slot(args[0]) // the value is the same
		l.slots[x] = s
		return s
	case bv.OpExtract:
		if f, ok := l.field(x); ok {
			return l.emit(x, f)
		}
		in.Op, in.A, in.Sh = OpShift, l.slot(args[0]), uint8(b.K(x))
	case bv.OpNot:
		in.Op, in.A = OpNot, l.slot(args[0])
	case bv.OpBSwap:
		in.Op, in.A, in.Sh = OpBSwap, l.slot(args[0]), uint8(64-w)
	case bv.OpConcat:
		in.Op, in.A, in.B, in.Sh = OpConcat, l.slot(args[0]), l.slot(args[1]), uint8(b.Width(args[1]))
	case bv.OpSExt:
		in.Op, in.A, in.Sh = OpSExt, l.slot(args[0]), uint8(64-b.Width(args[0]))
	case bv.OpIte:
		in.Op, in.A, in.B, in.C = OpIte, l.slot(args[0]), l.slot(args[1]), l.slot(args[2])
	default:
		if k, ok := b.IsConst(args[1]); ok {
			switch op {
			case bv.OpAdd:
				in.Op, in.K = OpAddK, k
			case bv.OpAnd:
				if f, ok := l.field(x); ok {
					return l.emit(x, f)
				}
				in.Op, in.K = OpAndK, k
			case bv.OpEq:
				in.Op, in.K = OpEqK, k
			case bv.OpShl:
				in.Op, in.K = OpShlK, k
			case bv.OpMul:
				in.Op, in.K = OpMulK, k
			}
			if in.Op != OpConst {
				in.A = l.slot(args[0])
				break
			}
		}
		in.A, in.B = l.slot(args[0]), l.slot(args[1])
		in.Op, in.Sub, in.Width = OpBin, op, uint8(b.Width(args[0]))
		switch op {
		case bv.OpAdd:
			in.Op = OpAdd
		case bv.OpSub:
			in.Op = OpSub
		case bv.OpAnd:
			in.Op = OpAnd
		case bv.OpOr:
			in.Op = OpOr
		case bv.OpXor:
			in.Op = OpXor
		case bv.OpEq:
			in.Op = OpEq
		case bv.OpULt:
			in.Op = OpLT
		}
	}
	return l.emit(x, in)
}

// compute runs a node's code.
func (t *Tree) compute(code []Insn) {
	val := t.val
	m := t.env.S.Mem.B
	for i := range code {
		in := &code[i]
		var v uint64
		switch in.Op {
		case OpConst:
			v = in.K
		case OpField:
			v = binary.LittleEndian.Uint64(m[in.K:]) >> in.Sh & in.Mask
		case OpLoad:
			a := val[in.A]
			if a+8 <= uint64(len(m)) && a+8 > a {
				v = binary.LittleEndian.Uint64(m[a:]) & in.Mask
			}
		case OpInput:
			v = t.env.Input(in.K) & in.Mask
		case OpLen:
			v = t.env.S.DataEnd - t.env.S.Data
		case OpAddK:
			v = (val[in.A] + in.K) & in.Mask
		case OpAdd:
			v = (val[in.A] + val[in.B]) & in.Mask
		case OpSub:
			v = (val[in.A] - val[in.B]) & in.Mask
		case OpAndK:
			v = val[in.A] & in.K
		case OpAnd:
			v = val[in.A] & val[in.B]
		case OpOr:
			v = val[in.A] | val[in.B]
		case OpXor:
			v = val[in.A] ^ val[in.B]
		case OpMulK:
			v = val[in.A] * in.K & in.Mask
		case OpShlK:
			v = val[in.A] << in.K & in.Mask
		case OpShift:
			v = val[in.A] >> in.Sh & in.Mask
		case OpNot:
			v = ^val[in.A] & in.Mask
		case OpBSwap:
			v = bits.ReverseBytes64(val[in.A]) >> in.Sh
		case OpConcat:
			v = val[in.A]<<in.Sh | val[in.B]
		case OpSExt:
			v = uint64(int64(val[in.A]<<in.Sh)>>in.Sh) & in.Mask
		case OpIte:
			v = val[in.C]
			if val[in.A] != 0 {
				v = val[in.B]
			}
		case OpEq:
			v = bv.Bit(val[in.A] == val[in.B])
		case OpEqK:
			v = bv.Bit(val[in.A] == in.K)
		case OpLT:
			v = bv.Bit(val[in.A] < val[in.B])
		case OpBin:
			v = bv.Fold(in.Sub, int(in.Width), val[in.A], val[in.B])
		case OpLookup:
			c := &t.calls[in.K]
			for j, a := range c.Args {
				binary.LittleEndian.PutUint64(t.key[8*j:], val[a])
			}
			v = c.Map.Peek(t.key[:c.Size], t.env.S.CPU)
		case OpCall:
			c := &t.calls[in.K]
			t.args = t.args[:0]
			for _, a := range c.Args {
				t.args = append(t.args, val[a])
			}
			v = t.env.Apply(c.Fun, t.args) & in.Mask
		}
		val[in.Dst] = v
	}
}

// Match walks the tree for the packet that has begun on the environment's
// State: the path whose condition holds, or -1. It allocates nothing.
func (t *Tree) Match() int32 {
	s := t.env.S
	m := s.Mem.B
	length := s.DataEnd - s.Data
	if length > vm.MaxLinear {
		return -1
	}
	r := t.root
	for r >= 0 {
		n := &t.nodes[r]
		if n.end > n.code {
			t.compute(t.code[n.code:n.end])
		}
		var v bool
		switch n.test {
		case TestSlot:
			v = t.val[n.a] != 0
		case TestField:
			x := binary.LittleEndian.Uint64(m[n.addr:]) >> n.sh & n.mask
			if n.table >= 0 {
				r = t.jump(n, x)
				continue
			}
			v = x == n.k
		case TestEqK:
			if n.table >= 0 {
				r = t.jump(n, t.val[n.a])
				continue
			}
			v = t.val[n.a] == n.k
		case TestLTK:
			v = t.val[n.a] < n.k
		case TestGTK:
			v = t.val[n.a] > n.k
		case TestEq:
			v = t.val[n.a] == t.val[n.b]
		case TestLT:
			v = t.val[n.a] < t.val[n.b]
		case TestLenLTK:
			v = length < n.k
		case TestLenGTK:
			v = length > n.k
		}
		if v {
			r = n.yes
		} else {
			r = n.no
		}
	}
	if r == none {
		return -1
	}
	return r.path()
}

// jump answers a whole chain of equalities at once.
func (t *Tree) jump(n *node, x uint64) ref {
	c := &t.chains[n.table]
	if m, ok := c.table[x]; ok {
		return t.nodes[m].yes
	}
	return t.nodes[c.last].no
}
