package bv

import "math/bits"

// Env answers for inputs and functions when a term is evaluated.
type Env interface {
	Input(id uint64) uint64
	Apply(id uint64, args []uint64) uint64
}

// Evaluator computes terms. A term's value is kept until Reset, so shared
// parts are computed once.
type Evaluator struct {
	b     *Builder
	env   Env
	val   []uint64
	mark  []uint32
	epoch uint32
	stack []uint64
}

// NewEvaluator returns an evaluator of b's terms in env.
func NewEvaluator(b *Builder, env Env) *Evaluator {
	return &Evaluator{b: b, env: env, epoch: 1}
}

// Reset forgets all values: call it when the environment has changed.
func (e *Evaluator) Reset() {
	e.epoch++
	if e.epoch == 0 {
		clear(e.mark)
		e.epoch = 1
	}
}

// Eval gives the value of t, its low Width(t) bits.
func (e *Evaluator) Eval(t Term) uint64 {
	if n := len(e.b.nodes); len(e.mark) < n {
		e.mark = append(e.mark, make([]uint32, n+n/2-len(e.mark))...)
		e.val = append(e.val, make([]uint64, n+n/2-len(e.val))...)
	}
	return e.eval(t)
}

func (e *Evaluator) eval(t Term) uint64 {
	if e.mark[t] == e.epoch {
		return e.val[t]
	}
	b := e.b
	n := &b.nodes[t]
	w := int(n.width)
	m := Mask(w)
	var v uint64
	switch n.op {
	case OpConst:
		return n.k
	case OpInput:
		v = e.env.Input(n.k) & m
	case OpFun:
		base := len(e.stack)
		for i := 0; i < int(n.n); i++ {
			x := e.eval(b.args[n.lo+uint32(i)])
			e.stack = append(e.stack, x)
		}
		v = e.env.Apply(n.k, e.stack[base:]) & m
		e.stack = e.stack[:base]
	case OpNot:
		v = ^e.eval(b.args[n.lo]) & m
	case OpBSwap:
		v = bits.ReverseBytes64(e.eval(b.args[n.lo])) >> (64 - w)
	case OpConcat:
		lo := b.args[n.lo+1]
		v = e.eval(b.args[n.lo])<<b.nodes[lo].width | e.eval(lo)
	case OpExtract:
		v = e.eval(b.args[n.lo]) >> n.k & m
	case OpZExt:
		v = e.eval(b.args[n.lo])
	case OpSExt:
		x := b.args[n.lo]
		v = uint64(signed(e.eval(x), int(b.nodes[x].width))) & m
	case OpIte:
		if e.eval(b.args[n.lo]) != 0 {
			v = e.eval(b.args[n.lo+1])
		} else {
			v = e.eval(b.args[n.lo+2])
		}
	default:
		x := b.args[n.lo]
		v = Fold(n.op, int(b.nodes[x].width), e.eval(x), e.eval(b.args[n.lo+1]))
	}
	e.val[t], e.mark[t] = v, e.epoch
	return v
}
