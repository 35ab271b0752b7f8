package bv

import (
	"fmt"
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

type env struct{ in [4]uint64 }

func (e *env) Input(id uint64) uint64 { return e.in[id] }

// Apply is some function of its arguments: any will do.
func (e *env) Apply(id uint64, args []uint64) uint64 {
	h := id + 0x9e3779b97f4a7c15
	for _, a := range args {
		h = (h ^ a) * 0xff51afd7ed558ccd
	}
	return h
}

// gen builds a random term and, beside it, its value computed without the
// builder: what simplification must preserve.
func gen(t *rapid.T, b *Builder, e *env, width, depth int) (Term, uint64) {
	m := Mask(width)
	if depth == 0 {
		if rapid.Bool().Draw(t, "const") {
			k := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 5), rapid.Just(^uint64(0))).Draw(t, "k") & m
			return b.Const(k, width), k
		}
		id := rapid.Uint64Range(0, 3).Draw(t, "in")
		w := []int{8, 16, 32, 64}[id]
		x := b.Input(id, w, Fact{})
		v := e.in[id] & Mask(w)
		switch {
		case w < width && rapid.Bool().Draw(t, "s"):
			return b.SExt(x, width), uint64(signed(v, w)) & m
		case w < width:
			return b.ZExt(x, width), v
		case w > width:
			lo := rapid.IntRange(0, w-width).Draw(t, "lo")
			return b.Extract(x, lo, width), v >> lo & m
		}
		return x, v
	}
	d := depth - 1
	switch op := Op(rapid.IntRange(int(OpFun), int(OpIte)).Draw(t, "op")); op {
	case OpFun:
		x, xv := gen(t, b, e, 16, d)
		return b.Fun(7, width, Fact{}, x, x, x, x), e.Apply(7, []uint64{xv, xv, xv, xv}) & m
	case OpNot:
		x, xv := gen(t, b, e, width, d)
		return b.Not(x), ^xv & m
	case OpBSwap:
		if width%8 != 0 || width&(width-1) != 0 {
			return gen(t, b, e, width, d)
		}
		x, xv := gen(t, b, e, width, d)
		return b.BSwap(x), bits.ReverseBytes64(xv) >> (64 - width)
	case OpConcat:
		if width < 2 {
			return gen(t, b, e, width, d)
		}
		lo := rapid.IntRange(1, width-1).Draw(t, "lw")
		x, xv := gen(t, b, e, width-lo, d)
		y, yv := gen(t, b, e, lo, d)
		return b.Concat(x, y), xv<<lo | yv
	case OpExtract:
		w := rapid.IntRange(width, 64).Draw(t, "w")
		lo := rapid.IntRange(0, w-width).Draw(t, "lo")
		x, xv := gen(t, b, e, w, d)
		return b.Extract(x, lo, width), xv >> lo & m
	case OpZExt, OpSExt:
		w := rapid.IntRange(1, width).Draw(t, "w")
		x, xv := gen(t, b, e, w, d)
		if op == OpZExt {
			return b.ZExt(x, width), xv
		}
		return b.SExt(x, width), uint64(signed(xv, w)) & m
	case OpIte:
		c, cv := gen(t, b, e, 1, d)
		x, xv := gen(t, b, e, width, d)
		y, yv := gen(t, b, e, width, d)
		if cv == 1 {
			return b.Ite(c, x, y), xv
		}
		return b.Ite(c, x, y), yv
	case OpEq, OpULt, OpULe, OpSLt, OpSLe:
		w := []int{1, 8, 16, 32, 64, 13}[rapid.IntRange(0, 5).Draw(t, "cw")]
		x, xv := gen(t, b, e, w, d)
		y, yv := gen(t, b, e, w, d)
		c, cv := b.Bin(op, x, y), Fold(op, w, xv, yv)
		return b.ZExt(c, width), cv
	default:
		x, xv := gen(t, b, e, width, d)
		y, yv := gen(t, b, e, width, d)
		return b.Bin(op, x, y), Fold(op, width, xv, yv)
	}
}

// Simplified terms keep the value of what was asked for, and the facts kept on
// a node hold.
func TestSimplifyPreservesValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBuilder()
		e := &env{}
		for i := range e.in {
			e.in[i] = rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 3)).Draw(t, "input")
		}
		w := []int{1, 8, 16, 32, 64, 7}[rapid.IntRange(0, 5).Draw(t, "width")]
		term, want := gen(t, b, e, w, rapid.IntRange(1, 5).Draw(t, "depth"))
		got := NewEvaluator(b, e).Eval(term)
		if got != want {
			t.Fatalf("%s = %#x, want %#x (inputs %#x)", b.String(term), got, want, e.in)
		}
		if lo, hi := b.Bounds(term); got < lo || got > hi || got&b.Zeros(term) != 0 {
			t.Fatalf("%s = %#x: outside its facts [%#x, %#x], zeros %#x", b.String(term), got, lo, hi, b.Zeros(term))
		}
	})
}

// The shapes that packet programs make, and the form they should come down to.
func TestForms(t *testing.T) {
	b := NewBuilder()
	length := b.Input(0, 64, Fact{Min: 14, Max: 3520})
	data := b.Const(0x10100, 64)
	end := b.Bin(OpAdd, data, length)
	half := b.Fun(1, 16, Fact{}, b.Const(12, 64))
	for _, c := range []struct {
		got  Term
		want string
	}{
		{b.Bin(OpULt, end, b.Bin(OpAdd, data, b.Const(34, 64))), "(ult in0 0x22)"},
		{b.Bin(OpULe, b.Bin(OpAdd, data, b.Const(14, 64)), end), "0x1"},
		{b.Bin(OpEq, b.BSwap(half), b.Const(0x800, 16)), "(eq (fun1 0xc) 0x8)"},
		{b.Bin(OpEq, b.ZExt(half, 64), b.Const(0x10008, 64)), "0x0"},
		{b.Bin(OpSub, end, data), "in0"},
		{b.Bin(OpEq, b.Bin(OpAdd, length, b.Const(3, 64)), b.Const(20, 64)), "(eq in0 0x11)"},
	} {
		if s := b.String(c.got); s != c.want {
			t.Errorf("got %s, want %s", s, c.want)
		}
	}
}

func ExampleBuilder() {
	b := NewBuilder()
	x := b.Input(0, 16, Fact{})
	y := b.Bin(OpAdd, b.ZExt(x, 64), b.Const(4, 64))
	p := b.Bin(OpULt, y, b.Const(24, 64))
	fmt.Println(b.String(p))
	e := &env{}
	e.in[0] = 19
	fmt.Println(NewEvaluator(b, e).Eval(p))
	// Output:
	// (ult in0 0x14)
	// 1
}
