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

// mop is an operation of a node's code.
type mop uint8

const (
	mConst  mop = iota // dst = k
	mField             // dst = (load8(addr k) >> sh) & mask, at a constant address
	mLoad              // dst = load8(slot a) & mask
	mInput             // dst = input k & mask
	mLen               // dst = packet length
	mBin               // dst = fold(sub, width, a, b)
	mAddK              // dst = (a + k) & mask
	mAdd               // dst = (a + b) & mask
	mSub               // dst = (a - b) & mask
	mAndK              // dst = a & k
	mAnd               // dst = a & b
	mOr                // dst = a | b
	mXor               // dst = a ^ b
	mMulK              // dst = (a * k) & mask
	mShlK              // dst = a << k & mask
	mShift             // dst = (a >> sh) & mask: extracts
	mNot               // dst = ^a & mask
	mBSwap             // dst = bytes of a reversed, >> sh
	mConcat            // dst = a << sh | b
	mSExt              // dst = sign extension of a, from sh bits
	mIte               // dst = a ? b : c
	mEq                // dst = a == b
	mEqK               // dst = a == k
	mLT                // dst = a < b
	mLookup            // dst = address of the value of a key in a map; k: index into calls
	mCall              // dst = any other function; k: index into calls
)

// minsn is one instruction: 32 bytes.
type minsn struct {
	op      mop
	sub     bv.Op
	width   uint8
	sh      uint8
	dst     uint16
	a, b, c uint16
	k       uint64
	mask    uint64
}

// mcall is a function call of a node's code.
type mcall struct {
	fun  uint64
	args []uint16
	m    maps.Map // of a look-up
	size int      // bytes of its key
}

// test says how a node decides once its code has run.
type test uint8

const (
	testSlot   test = iota // slot a is not 0
	testEqK                // slot a == k
	testLTK                // slot a < k
	testGTK                // slot a > k
	testEq                 // slot a == slot b
	testLT                 // slot a < slot b
	testField              // as testEqK of (load8(addr) >> sh) & mask, at a constant address
	testLenLTK             // packet length < k
	testLenGTK             // packet length > k
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
					n.test, n.addr, n.sh, n.mask, n.k = testField, f.k, f.sh, f.mask, k
					break
				}
			} else if t.isLen(args[0]) {
				n.test, n.k = testLenLTK, k
				break
			}
			n.test, n.a, n.k = testLTK, l.slot(args[0]), k
			if eq {
				n.test = testEqK
			}
		} else if k, ok := b.IsConst(args[0]); ok {
			if t.isLen(args[1]) {
				n.test, n.k = testLenGTK, k
				break
			}
			n.test, n.a, n.k = testGTK, l.slot(args[1]), k
		} else {
			n.test, n.a, n.b = testLT, l.slot(args[0]), l.slot(args[1])
			if eq {
				n.test = testEq
			}
		}
	default:
		n.test, n.a = testSlot, l.slot(p)
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
	code  []minsn
	made  []bv.Term // by slot, from the node's first on
}

// field sees x as bits of a load at a constant address.
func (l *lowering) field(x bv.Term) (minsn, bool) {
	b := l.b
	in := minsn{op: mField, mask: bv.Mask(b.Width(x))}
	shifted := false
	for {
		switch b.Op(x) {
		case bv.OpZExt:
			x = b.Args(x)[0]
			in.mask &= bv.Mask(b.Width(x))
			continue
		case bv.OpExtract:
			if shifted {
				return in, false
			}
			shifted = true
			in.sh = uint8(b.K(x))
			x = b.Args(x)[0]
			continue
		case bv.OpAnd:
			if k, ok := b.IsConst(b.Args(x)[1]); ok {
				in.mask &= k >> in.sh
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
			in.k = addr
			in.mask &= bv.Mask(b.Width(x)) >> in.sh
			return in, true
		}
		return in, false
	}
}

func (l *lowering) emit(x bv.Term, in minsn) uint16 {
	in.dst = l.next
	l.next++
	l.code = append(l.code, in)
	l.slots[x] = in.dst
	l.made = append(l.made, x)
	return in.dst
}

// slot is where the value of x stands when the node's code has run.
func (l *lowering) slot(x bv.Term) uint16 {
	if s, ok := l.slots[x]; ok {
		return s
	}
	b := l.b
	w := b.Width(x)
	args := b.Args(x)
	in := minsn{width: uint8(w), mask: bv.Mask(w)}
	switch op := b.Op(x); op {
	case bv.OpConst:
		in.op, in.k = mConst, b.K(x)
	case bv.OpInput:
		in.op, in.k = mInput, b.K(x)
		if in.k == pathcond.InLen {
			in.op = mLen
		}
	case bv.OpFun:
		if f, ok := l.field(x); ok {
			return l.emit(x, f)
		}
		id, arg := pathcond.FunParts(b.K(x))
		if id == pathcond.FunLoad {
			in.op, in.a = mLoad, l.slot(args[0])
			break
		}
		c := mcall{fun: b.K(x)}
		for _, a := range args {
			c.args = append(c.args, l.slot(a))
		}
		in.op = mCall
		if id == pathcond.FunLookup {
			m := l.t.env.S.Maps[arg]
			_, inner := m.(maps.OfMaps)
			_, prog := m.(interface{ Program(i uint32) int })
			if !inner && !prog {
				in.op, c.m, c.size = mLookup, m, int(m.Spec().KeySize)
			}
		}
		in.k = uint64(len(l.t.calls))
		l.t.calls = append(l.t.calls, c)
	case bv.OpZExt:
		s := l.slot(args[0]) // the value is the same
		l.slots[x] = s
		return s
	case bv.OpExtract:
		if f, ok := l.field(x); ok {
			return l.emit(x, f)
		}
		in.op, in.a, in.sh = mShift, l.slot(args[0]), uint8(b.K(x))
	case bv.OpNot:
		in.op, in.a = mNot, l.slot(args[0])
	case bv.OpBSwap:
		in.op, in.a, in.sh = mBSwap, l.slot(args[0]), uint8(64-w)
	case bv.OpConcat:
		in.op, in.a, in.b, in.sh = mConcat, l.slot(args[0]), l.slot(args[1]), uint8(b.Width(args[1]))
	case bv.OpSExt:
		in.op, in.a, in.sh = mSExt, l.slot(args[0]), uint8(64-b.Width(args[0]))
	case bv.OpIte:
		in.op, in.a, in.b, in.c = mIte, l.slot(args[0]), l.slot(args[1]), l.slot(args[2])
	default:
		if k, ok := b.IsConst(args[1]); ok {
			switch op {
			case bv.OpAdd:
				in.op, in.k = mAddK, k
			case bv.OpAnd:
				if f, ok := l.field(x); ok {
					return l.emit(x, f)
				}
				in.op, in.k = mAndK, k
			case bv.OpEq:
				in.op, in.k = mEqK, k
			case bv.OpShl:
				in.op, in.k = mShlK, k
			case bv.OpMul:
				in.op, in.k = mMulK, k
			}
			if in.op != mConst {
				in.a = l.slot(args[0])
				break
			}
		}
		in.a, in.b = l.slot(args[0]), l.slot(args[1])
		in.op, in.sub, in.width = mBin, op, uint8(b.Width(args[0]))
		switch op {
		case bv.OpAdd:
			in.op = mAdd
		case bv.OpSub:
			in.op = mSub
		case bv.OpAnd:
			in.op = mAnd
		case bv.OpOr:
			in.op = mOr
		case bv.OpXor:
			in.op = mXor
		case bv.OpEq:
			in.op = mEq
		case bv.OpULt:
			in.op = mLT
		}
	}
	return l.emit(x, in)
}

// compute runs a node's code.
func (t *Tree) compute(code []minsn) {
	val := t.val
	m := t.env.S.Mem.B
	for i := range code {
		in := &code[i]
		var v uint64
		switch in.op {
		case mConst:
			v = in.k
		case mField:
			v = binary.LittleEndian.Uint64(m[in.k:]) >> in.sh & in.mask
		case mLoad:
			a := val[in.a]
			if a+8 <= uint64(len(m)) && a+8 > a {
				v = binary.LittleEndian.Uint64(m[a:]) & in.mask
			}
		case mInput:
			v = t.env.Input(in.k) & in.mask
		case mLen:
			v = t.env.S.DataEnd - t.env.S.Data
		case mAddK:
			v = (val[in.a] + in.k) & in.mask
		case mAdd:
			v = (val[in.a] + val[in.b]) & in.mask
		case mSub:
			v = (val[in.a] - val[in.b]) & in.mask
		case mAndK:
			v = val[in.a] & in.k
		case mAnd:
			v = val[in.a] & val[in.b]
		case mOr:
			v = val[in.a] | val[in.b]
		case mXor:
			v = val[in.a] ^ val[in.b]
		case mMulK:
			v = val[in.a] * in.k & in.mask
		case mShlK:
			v = val[in.a] << in.k & in.mask
		case mShift:
			v = val[in.a] >> in.sh & in.mask
		case mNot:
			v = ^val[in.a] & in.mask
		case mBSwap:
			v = bits.ReverseBytes64(val[in.a]) >> in.sh
		case mConcat:
			v = val[in.a]<<in.sh | val[in.b]
		case mSExt:
			v = uint64(int64(val[in.a]<<in.sh)>>in.sh) & in.mask
		case mIte:
			v = val[in.c]
			if val[in.a] != 0 {
				v = val[in.b]
			}
		case mEq:
			v = bv.Bit(val[in.a] == val[in.b])
		case mEqK:
			v = bv.Bit(val[in.a] == in.k)
		case mLT:
			v = bv.Bit(val[in.a] < val[in.b])
		case mBin:
			v = bv.Fold(in.sub, int(in.width), val[in.a], val[in.b])
		case mLookup:
			c := &t.calls[in.k]
			for j, a := range c.args {
				binary.LittleEndian.PutUint64(t.key[8*j:], val[a])
			}
			v = c.m.Peek(t.key[:c.size], t.env.S.CPU)
		case mCall:
			c := &t.calls[in.k]
			t.args = t.args[:0]
			for _, a := range c.args {
				t.args = append(t.args, val[a])
			}
			v = t.env.Apply(c.fun, t.args) & in.mask
		}
		val[in.dst] = v
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
		case testSlot:
			v = t.val[n.a] != 0
		case testField:
			x := binary.LittleEndian.Uint64(m[n.addr:]) >> n.sh & n.mask
			if n.table >= 0 {
				r = t.jump(n, x)
				continue
			}
			v = x == n.k
		case testEqK:
			if n.table >= 0 {
				r = t.jump(n, t.val[n.a])
				continue
			}
			v = t.val[n.a] == n.k
		case testLTK:
			v = t.val[n.a] < n.k
		case testGTK:
			v = t.val[n.a] > n.k
		case testEq:
			v = t.val[n.a] == t.val[n.b]
		case testLT:
			v = t.val[n.a] < t.val[n.b]
		case testLenLTK:
			v = length < n.k
		case testLenGTK:
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
