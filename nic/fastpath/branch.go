package fastpath

import (
	"fmt"
	"math"

	"jitnic/host/ebpf"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// branch jumps where a predicate has the value want; what holds there is given
// back, and f goes on where it has the other.
func (b *builder) branch(t bv.Term, want bool, to label, f *flow) (*flow, error) {
	return b.branchIn(t, want, to, f, 0)
}

func (b *builder) branchIn(t bv.Term, want bool, to label, f *flow, busy ebpf.Regs) (*flow, error) {
	a := b.b.Args(t)
	_, kept := f.slots[t]
	op := b.b.Op(t)
	switch {
	case kept:
	case op == bv.OpNot:
		return b.branchIn(a[0], !want, to, f, busy)
	case op == bv.OpAnd && b.b.Width(t) == 1:
		if !want {
			// Two jumps lead there: what holds is what held at the first.
			g, err := b.branchIn(a[0], false, to, f, busy)
			if err != nil {
				return nil, err
			}
			b.forget(g)
			_, err = b.branchIn(a[1], false, to, f, busy)
			return g, err
		}
		no := b.label()
		g := f.clone()
		if _, err := b.branchIn(a[0], false, no, g, busy); err != nil {
			return nil, err
		}
		h, err := b.branchIn(a[1], true, to, g, busy)
		if err != nil {
			return nil, err
		}
		b.bind(no)
		b.forget(f)
		return h, nil
	case op == bv.OpULt || op == bv.OpULe || op == bv.OpSLt || op == bv.OpSLe || op == bv.OpEq:
		return b.relation(t, want, to, f, busy)
	}
	d, err := temp(busy)
	if err != nil {
		return nil, err
	}
	if err := b.eval(t, f, d, busy); err != nil {
		return nil, err
	}
	j := ebpf.JmpNE
	if !want {
		j = ebpf.JmpEQ
	}
	b.jump(ebpf.Insn{Op: ebpf.ClassJMP | j | ebpf.SrcK, Dst: d}, to)
	return f.clone(), nil
}

var relations = map[bv.Op]uint8{bv.OpEq: ebpf.JmpEQ, bv.OpULt: ebpf.JmpLT, bv.OpULe: ebpf.JmpLE, bv.OpSLt: ebpf.JmpSLT, bv.OpSLe: ebpf.JmpSLE}

func (b *builder) relation(t bv.Term, want bool, to label, f *flow, busy ebpf.Regs) (*flow, error) {
	a := b.b.Args(t)
	op := b.b.Op(t)
	d, err := temp(busy)
	if err != nil {
		return nil, err
	}
	if n, short, ok := b.atLeast(t); ok && n > 0 && n <= math.MaxInt16 {
		// Written as the verifier knows it: data + n > data_end where short.
		b.mov(d, regData)
		b.alu(ebpf.ALUAdd, d, int32(n))
		j := ebpf.JmpGT
		if short != want {
			j = ebpf.JmpLE
		}
		b.jump(ebpf.Insn{Op: ebpf.ClassJMP | j | ebpf.SrcX, Dst: d, Src: regEnd}, to)
		g := f.clone()
		if short != want {
			g.length = max(g.length, int(n))
		} else {
			f.length = max(f.length, int(n))
		}
		return g, nil
	}
	w := b.b.Width(a[0])
	if err := b.eval(a[0], f, d, busy); err != nil {
		return nil, err
	}
	j := relations[op]
	if !want {
		j = ebpf.Negated(j)
	}
	k, isK := b.b.IsConst(a[1])
	signed := op == bv.OpSLt || op == bv.OpSLe
	if signed && w != 32 && w != 64 {
		return nil, fmt.Errorf("a signed comparison of %d bits", w)
	}
	e, err := temp(busy | 1<<d)
	if err != nil {
		return nil, err
	}
	if isK {
		b.compare(j, d, w, k, to, e)
	} else {
		if err := b.eval(a[1], f, e, busy|1<<d); err != nil {
			return nil, err
		}
		class := uint8(ebpf.ClassJMP)
		if w <= 32 {
			class = ebpf.ClassJMP32
		}
		b.jump(ebpf.Insn{Op: class | j | ebpf.SrcX, Dst: d, Src: e}, to)
	}
	g := f.clone()
	if op == bv.OpEq && isK && k == 0 && b.b.Op(a[0]) == bv.OpFun {
		if id, _ := pathcond.FunParts(b.b.K(a[0])); id == pathcond.FunLookup { // NULL or not
			if want {
				f.nonnull[a[0]] = true
			} else {
				g.nonnull[a[0]] = true
			}
		}
	}
	return g, nil
}

// atLeast sees a comparison of the packet's length with a constant: it is short
// of n bytes where the term has the value short.
func (b *builder) atLeast(t bv.Term) (n uint64, short, ok bool) {
	a := b.b.Args(t)
	isLen := func(x bv.Term) bool {
		for b.b.Op(x) == bv.OpZExt {
			x = b.b.Args(x)[0]
		}
		return b.b.Op(x) == bv.OpInput && b.b.K(x) == pathcond.InLen
	}
	op := b.b.Op(t)
	if op != bv.OpULt && op != bv.OpULe {
		return 0, false, false
	}
	less := uint64(0) // of "length <= k" the bound is one more
	if op == bv.OpULe {
		less = 1
	}
	if k, isK := b.b.IsConst(a[1]); isK && isLen(a[0]) {
		return k + less, true, true // length < n
	}
	if k, isK := b.b.IsConst(a[0]); isK && isLen(a[1]) {
		return k + 1 - less, false, true // k < length: not short of k + 1
	}
	return 0, false, false
}
