package bv_test

import (
	"testing"

	"jitnic/pathcond/bv"
)

// BenchmarkBuild makes the terms of a path that reads 30 fields: bounds checks,
// swapped fields, masks, header lengths.
func BenchmarkBuild(t *testing.B) {
	for range t.N {
		b := bv.NewBuilder()
		length := b.Input(0, 64, bv.Fact{Min: 14, Max: 3520})
		data := b.Const(0x10100, 64)
		end := b.Bin(bv.OpAdd, data, length)
		for off := uint64(0); off < 60; off += 2 {
			at := b.Bin(bv.OpAdd, data, b.Const(off, 64))
			b.Bin(bv.OpULt, end, at)
			field := b.Fun(1, 16, bv.Fact{}, at)
			host := b.BSwap(b.Extract(b.ZExt(field, 64), 0, 16))
			b.Bin(bv.OpEq, b.ZExt(host, 64), b.Const(0x800, 64))
			nibble := b.Bin(bv.OpAnd, b.ZExt(host, 32), b.Const(0xf, 32))
			size := b.Bin(bv.OpAdd, b.ZExt(b.Bin(bv.OpShl, nibble, b.Const(2, 32)), 64), data)
			b.Bin(bv.OpULt, end, b.Bin(bv.OpAdd, size, b.Const(20, 64)))
			b.Bin(bv.OpSub, size, data)
			b.Extract(b.Bin(bv.OpMul, b.ZExt(nibble, 64), b.Const(31, 64)), 0, 32)
		}
	}
}
