package proof

import (
	"encoding/binary"
	"errors"

	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// Assumption adds to a state what holds before a fragment, and gives what holds
// as a term.
type Assumption func(m *Machine, st *State) bv.Term

// Condition is a path condition apart from the builder it was made in: what it
// says, written so that it can be kept, compared and read again.
type Condition struct {
	terms []conditionTerm // arguments before what they are of
	preds []conditionPred
}

// conditionTerm is one term; its arguments are numbers of terms before it.
type conditionTerm struct {
	op    bv.Op
	width int
	k     uint64
	fact  bv.Fact // of an input
	args  []int
}

// opPacket loads packet bytes from offset k on.
const opPacket = bv.Op(0xff)

// conditionPred is a conjunct: a term, and what it is. The terms before number
// made are of it or of one before it.
type conditionPred struct {
	term, made int
	want       bool
}

// ConditionOf takes the condition of a path.
func ConditionOf(p *pathcond.Path, c *pathcond.Compiler) *Condition {
	data := c.S.Buf + vm.Headroom
	b := c.B
	k := &Condition{}
	at := map[bv.Term]int{}
	var take func(t bv.Term) int
	take = func(t bv.Term) int {
		if i, ok := at[t]; ok {
			return i
		}
		x := conditionTerm{op: b.Op(t), width: b.Width(t), k: b.K(t)}
		a := b.Args(t)
		switch {
		case x.op == bv.OpInput:
			x.fact.Min, x.fact.Max = b.Bounds(t)
			x.fact.Zeros = b.Zeros(t)
		case x.op == bv.OpFun && x.k == pathcond.FunLoad && len(a) == 1 && x.width%8 == 0:
			if off, ok := b.IsConst(a[0]); ok && off-data < 1<<16 {
				x.op, x.k, a = opPacket, off-data, nil
			}
		}
		for _, y := range a {
			x.args = append(x.args, take(y))
		}
		k.terms = append(k.terms, x)
		at[t] = len(k.terms) - 1
		return at[t]
	}
	for _, q := range p.Cond {
		t := take(q.Term)
		k.preds = append(k.preds, conditionPred{t, len(k.terms), q.Want})
	}
	return k
}

// Assumption brings the condition into a proof's terms: the packet's first
// bytes are those of the packet region, its length is data_end - data. What has
// no counterpart becomes an input of its own, which can only weaken it. Bytes
// the condition fixes are also put into memory, where terms fold over them.
func (k *Condition) Assumption() Assumption {
	return func(m *Machine, st *State) bv.Term {
		all := m.One
		t := make([]bv.Term, 0, len(k.terms))
		for _, q := range k.preds {
			for len(t) < q.made {
				t = append(t, k.terms[len(t)].in(m, t))
			}
			x := t[q.term]
			if q.want {
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

// in makes the term in m's builder; t are those of the terms before it there.
func (x *conditionTerm) in(m *Machine, t []bv.Term) bv.Term {
	n, w := m.B, x.width
	arg := func(i int) bv.Term { return t[x.args[i]] }
	switch x.op {
	case opPacket:
		return m.packet(x.k, w/8)
	case bv.OpConst:
		return n.Const(x.k, w)
	case bv.OpInput:
		if x.k == pathcond.InLen && w == 64 {
			return n.Bin(bv.OpSub, n.Input(inPktEnd, 64, addrFact), m.base(PacketRegion))
		}
		return n.Input(1<<57|x.k, w, x.fact)
	case bv.OpFun:
		args := make([]bv.Term, len(x.args))
		for i := range args {
			args[i] = arg(i)
		}
		return n.Fun(9<<32|1<<58|x.k<<8&(1<<32-1)|uint64(w), w, bv.Fact{}, args...)
	case bv.OpNot:
		return n.Not(arg(0))
	case bv.OpBSwap:
		return n.BSwap(arg(0))
	case bv.OpConcat:
		return n.Concat(arg(0), arg(1))
	case bv.OpExtract:
		return n.Extract(arg(0), int(x.k), w)
	case bv.OpZExt:
		return n.ZExt(arg(0), w)
	case bv.OpSExt:
		return n.SExt(arg(0), w)
	case bv.OpIte:
		return n.Ite(arg(0), arg(1), arg(2))
	}
	return n.Bin(x.op, arg(0), arg(1))
}

// packet is n bytes of the packet from off on, as they are before the run.
func (m *Machine) packet(off uint64, n int) (x bv.Term) {
	b := m.B
	for i := range uint64(n) {
		byt := m.Initial(PacketRegion, b.Const(off+i, 64), b.Const(0, 64))
		if i == 0 {
			x = byt
		} else {
			x = b.Concat(byt, x)
		}
	}
	return x
}

// Append writes the condition behind b.
func (k *Condition) Append(b []byte) []byte {
	put := func(v ...uint64) {
		for _, x := range v {
			b = binary.AppendUvarint(b, x)
		}
	}
	put(uint64(len(k.terms)))
	for i := range k.terms {
		x := &k.terms[i]
		put(uint64(x.op), uint64(x.width), x.k, uint64(len(x.args)))
		for _, a := range x.args {
			put(uint64(i - a))
		}
		if x.op == bv.OpInput {
			put(x.fact.Min, x.fact.Max, x.fact.Zeros)
		}
	}
	put(uint64(len(k.preds)))
	for _, q := range k.preds {
		put(uint64(q.term)<<1|bv.Bit(q.want), uint64(q.made))
	}
	return b
}

// ReadCondition reads what Append wrote.
func ReadCondition(b []byte) (k *Condition, err error) {
	bad := errors.New("a path condition that is none")
	defer func() {
		if recover() != nil { // of a number out of its range
			k, err = nil, bad
		}
	}()
	get := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[n:]
		if n == 0 {
			panic(bad)
		}
		return v
	}
	k = &Condition{}
	for n := int(get()); len(k.terms) < n; {
		x := conditionTerm{op: bv.Op(get()), width: int(get()), k: get()}
		for range int(get()) {
			a := len(k.terms) - int(get())
			_ = k.terms[a]
			x.args = append(x.args, a)
		}
		if x.op == bv.OpInput {
			x.fact = bv.Fact{Min: get(), Max: get(), Zeros: get()}
		}
		k.terms = append(k.terms, x)
	}
	for n := int(get()); len(k.preds) < n; {
		v := get()
		q := conditionPred{term: int(v >> 1), want: v&1 == 1, made: int(get())}
		_ = k.terms[:q.made][q.term]
		k.preds = append(k.preds, q)
	}
	if len(b) > 0 {
		return nil, bad
	}
	return k, nil
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
