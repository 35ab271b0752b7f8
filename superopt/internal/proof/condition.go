package proof

import (
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// Assumption adds to a state what holds before a fragment, and gives what holds
// as a term.
type Assumption func(m *Machine, st *State) bv.Term

// ConditionOf brings a path condition into a proof's terms: the packet's first
// bytes are those of the packet region, its length is data_end - data. What has
// no counterpart becomes an input of its own, which can only weaken it. Bytes
// the condition fixes are also put into memory, where terms fold over them.
func ConditionOf(p *pathcond.Path, c *pathcond.Compiler) Assumption {
	data := c.S.Buf + vm.Headroom
	return func(m *Machine, st *State) bv.Term {
		all := m.One
		memo := map[bv.Term]bv.Term{}
		var tr func(t bv.Term) bv.Term
		tr = func(t bv.Term) bv.Term {
			if x, ok := memo[t]; ok {
				return x
			}
			x := translate(m, c.B, t, data, tr)
			memo[t] = x
			return x
		}
		for _, q := range p.Cond {
			x := tr(q.Term)
			if q.Want {
				m.LearnBytes(st, x)
			} else {
				x = m.B.Not(x)
			}
			all = m.B.AndB(all, x)
		}
		st.NoteKnown()
		return all
	}
}

// translate makes in m's builder what t is in b.
func translate(m *Machine, b *bv.Builder, t bv.Term, data uint64, tr func(bv.Term) bv.Term) bv.Term {
	n := m.B
	w := b.Width(t)
	a := b.Args(t)
	switch op := b.Op(t); op {
	case bv.OpConst:
		return n.Const(b.K(t), w)
	case bv.OpInput:
		if b.K(t) == pathcond.InLen && w == 64 {
			return n.Bin(bv.OpSub, n.Input(inPktEnd, 64, addrFact), m.base(PacketRegion))
		}
		lo, hi := b.Bounds(t)
		return n.Input(1<<57|b.K(t), w, bv.Fact{Min: lo, Max: hi, Zeros: b.Zeros(t)})
	case bv.OpFun:
		if b.K(t) == pathcond.FunLoad && len(a) == 1 && w%8 == 0 {
			if k, ok := b.IsConst(a[0]); ok && k-data < 1<<16 {
				var x bv.Term
				for i := 0; i < w/8; i++ {
					byt := m.Initial(PacketRegion, n.Const(k-data+uint64(i), 64), n.Const(0, 64))
					if i == 0 {
						x = byt
					} else {
						x = n.Concat(byt, x)
					}
				}
				return x
			}
		}
		args := make([]bv.Term, len(a))
		for i := range a {
			args[i] = tr(a[i])
		}
		return n.Fun(9<<32|1<<58|b.K(t)<<8&(1<<32-1)|uint64(w), w, bv.Fact{}, args...)
	case bv.OpNot:
		return n.Not(tr(a[0]))
	case bv.OpBSwap:
		return n.BSwap(tr(a[0]))
	case bv.OpConcat:
		return n.Concat(tr(a[0]), tr(a[1]))
	case bv.OpExtract:
		return n.Extract(tr(a[0]), int(b.K(t)), w)
	case bv.OpZExt:
		return n.ZExt(tr(a[0]), w)
	case bv.OpSExt:
		return n.SExt(tr(a[0]), w)
	case bv.OpIte:
		return n.Ite(tr(a[0]), tr(a[1]), tr(a[2]))
	default:
		return n.Bin(op, tr(a[0]), tr(a[1]))
	}
}

// LearnBytes makes bytes of the packet the constants that x says they are.
func (m *Machine) LearnBytes(st *State, x bv.Term) {
	b := m.B
	if b.Op(x) == bv.OpAnd && b.Width(x) == 1 {
		m.LearnBytes(st, b.Args(x)[0])
		m.LearnBytes(st, b.Args(x)[1])
		return
	}
	if b.Op(x) != bv.OpEq {
		return
	}
	k, ok := b.IsConst(b.Args(x)[1])
	if !ok {
		return
	}
	t := b.Args(x)[0]
	for i := 0; i+8 <= b.Width(t); i += 8 {
		y := b.Extract(t, i, 8)
		if b.Op(y) == bv.OpFun && b.K(y) == memFun+PacketRegion {
			if off, ok := b.IsConst(b.Args(y)[0]); ok {
				m.put(st, PacketRegion, b.Const(off, 64), b.Const(k>>i&0xff, 8), 1)
			}
		}
	}
}
