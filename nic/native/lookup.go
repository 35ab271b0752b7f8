package native

import (
	"math"
	"unsafe"

	"jitnic/host/maps"
	"jitnic/nic/native/asm"
)

// Look-ups walk the flat storage of host/maps as its own Lookup does. A
// look-up finds its key at the address in register 2, leaves the value's
// address in register 0, or 0, and all other registers as they were.

// maxKey is the longest key, in bytes, that is looked up here.
const maxKey = 64

// canLookUp says whether code for the map can be written.
func canLookUp(f *maps.Flat) bool {
	if f.Stride > math.MaxInt32 || f.Step > math.MaxInt32 || f.Value > math.MaxInt32 || f.KeySize > maxKey || f.KeySize == 0 {
		return false
	}
	// Of a trie's prefix a node holds 64 bits.
	return f.Kind != maps.FlatTrie || f.MaxBits == 32 || f.MaxBits == 64
}

// lookupArray is the look-up in an array, or in one with a value for each CPU.
// It uses T0 and T1; key is where the key stands.
func lookupArray(b asm.Backend, f *maps.Flat, key asm.Mem) {
	b.Load(4, asm.T0, key)
	element(b, f)
}

// element is lookupArray with the index in T0.
func element(b asm.Backend, f *maps.Flat) {
	end := b.NewLabel()
	b.Imm(asm.R0, 0)
	b.Imm(asm.T1, uint64(f.Max))
	b.Br(asm.GE, true, asm.T0, asm.T1, end)
	b.Mov(true, asm.R0, asm.T0)
	scale(b, asm.R0, f.Stride)
	if f.Step != 0 {
		b.Load(8, asm.T0, asm.At(asm.Ctx, offCPU))
		scale(b, asm.T0, f.Step)
		b.Op(asm.Add, true, asm.R0, asm.T0)
	}
	addK(b, asm.R0, f.Addr)
	b.Bind(end)
}

// scale multiplies by a size.
func scale(b asm.Backend, d asm.Reg, by uint64) {
	if by&(by-1) == 0 {
		for n := int32(0); n < 32; n++ {
			if by == 1<<n {
				if n > 0 {
					b.OpK(asm.Lsh, true, d, n)
				}
				return
			}
		}
	}
	b.OpK(asm.Mul, true, d, int32(by))
}

// addK adds an address; it uses T1.
func addK(b asm.Backend, d asm.Reg, k uint64) {
	if k <= math.MaxInt32 {
		b.OpK(asm.Add, true, d, int32(k))
		return
	}
	b.Imm(asm.T1, k)
	b.Op(asm.Add, true, d, asm.T1)
}

// saved are the registers that a look-up in a hash needs for itself. One in a
// trie needs R6, too, and gives it back.
var saved = [...]asm.Reg{asm.R1, asm.R2, asm.R3, asm.R4, asm.R5}

// lookup writes a subroutine for a hash or a trie.
func lookup(b asm.Backend, f *maps.Flat) {
	for i, r := range saved {
		b.Store(8, r, asm.At(asm.Ctx, offSave+8*int32(i)))
	}
	b.Mov(true, asm.R1, asm.R2)
	far := func() {}
	if f.Kind == maps.FlatTrie {
		walkTrie(b, f, keyAtR1)
	} else {
		hashKey(b, int(f.KeySize), keyAtR1)
		far = probe(b, f, keyAtR1, func() { setRef(b, f) })
	}
	for i, r := range saved {
		b.Load(8, r, asm.At(asm.Ctx, offSave+8*int32(i)))
	}
	b.Ret()
	far()
}

// keyAtR1 is a key in flat memory, its address in register 1.
func keyAtR1(off int) asm.Mem { return asm.Mem{Base: asm.Base, Index: asm.R1, Disp: int32(off)} }

// setRef sets the reference bit of element T0. It uses T1.
func setRef(b asm.Backend, f *maps.Flat) {
	b.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(f.Ref))))
	b.StoreK(1, 1, asm.Mem{Base: asm.T1, Index: asm.T0})
}

// hashKey is store's hash of a key of n bytes, in register 2. It uses registers
// 0, 3, 4 and 5.
func hashKey(b asm.Backend, n int, key func(off int) asm.Mem) {
	x, y := asm.R2, asm.R4
	load := func(size int, d asm.Reg, off int) { b.Load(size, d, key(off)) }
	b.Imm(y, 0)
	switch {
	case n == 4 || n == 8:
		load(n, x, 0)
	case n == 16:
		load(8, x, 0)
		load(8, y, 8)
	case n < 8:
		shortKey(b, load, n)
	default:
		longKey(b, load, n)
	}
	mixKey(b, n)
}

// mixKey is the end of hashKey: what it has loaded is in registers 2 and 4.
func mixKey(b asm.Backend, n int) {
	x, y := asm.R2, asm.R4
	xorK(b, x, maps.HashP0)
	xorK(b, y, maps.HashP1)
	b.MulFold(x, y)
	b.OpK(asm.Xor, true, x, int32(n))
	b.Imm(y, maps.HashP2)
	b.MulFold(x, y)
	b.Zext(4, x, x)
}

func xorK(b asm.Backend, d asm.Reg, k uint64) {
	b.Imm(asm.T1, k)
	b.Op(asm.Xor, true, d, asm.T1)
}

// shortKey puts fewer than 8 bytes together, the first lowest.
func shortKey(b asm.Backend, load func(int, asm.Reg, int), n int) {
	first := true
	for off := 0; off < n; {
		size := 4
		for size > n-off {
			size /= 2
		}
		if first {
			load(size, asm.R2, off)
		} else {
			load(size, asm.T1, off)
			b.OpK(asm.Lsh, true, asm.T1, int32(8*off))
			b.Op(asm.Or, true, asm.R2, asm.T1)
		}
		first = false
		off += size
	}
}

// longKey folds 16 bytes at a time, as store does, with the seed in R5.
func longKey(b asm.Backend, load func(int, asm.Reg, int), n int) {
	b.Imm(asm.R5, uint64(n))
	off := 0
	for ; n-off > 16; off += 16 {
		load(8, asm.R2, off)
		xorK(b, asm.R2, maps.HashP1)
		load(8, asm.R4, off+8)
		b.Op(asm.Xor, true, asm.R4, asm.R5)
		b.MulFold(asm.R2, asm.R4)
		b.Mov(true, asm.R5, asm.R2)
	}
	if n >= 16 {
		load(8, asm.R2, n-16)
		b.Op(asm.Xor, true, asm.R2, asm.R5)
	} else {
		load(8, asm.R2, 0)
	}
	load(8, asm.R4, n-8)
}

// probe looks through the slots for the hash in register 2 and the key. A slot's
// place is kept in bytes: eight times its number. Where the map keeps a reference
// bit by element, ref is given the element's number in T0, and may use T1; it runs
// only where the key was found. What probe returns writes the code for slots that
// don't hold the key, out of the way.
func probe(b asm.Backend, f *maps.Flat, key func(off int) asm.Mem, ref func()) (far func()) {
	const slots, mask, place, elem = asm.R4, asm.R3, asm.R0, asm.R5
	top, next, end := b.NewLabel(), b.NewLabel(), b.NewLabel()
	b.Imm(asm.T1, uint64(uintptr(f.Slots)))
	b.Load(8, slots, asm.At(asm.T1, 0))
	b.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(f.Mask))))
	b.Load(4, mask, asm.At(asm.T1, 0))
	b.OpK(asm.Lsh, true, mask, 3)
	b.Mov(true, place, asm.R2)
	b.OpK(asm.Lsh, true, place, 3)
	b.Op(asm.And, true, place, mask)
	b.Bind(top)
	b.Load(8, elem, asm.Mem{Base: slots, Index: place})
	b.Mov(true, asm.T0, elem)
	b.OpK(asm.Rsh, true, asm.T0, 32)
	b.Br(asm.NE, true, asm.T0, asm.R2, next)
	b.Zext(4, elem, elem)
	b.BrK(asm.EQ, true, elem, 0, next) // an empty slot, where the hash is 0
	b.OpK(asm.Sub, true, elem, 1)
	scale(b, elem, f.Stride)
	addK(b, elem, f.Addr)
	for off := 0; off < int(f.KeySize); {
		size := 8
		for size > int(f.KeySize)-off {
			size /= 2
		}
		b.Load(size, asm.T0, asm.Mem{Base: asm.Base, Index: elem, Disp: int32(off)})
		if size == 8 {
			b.BrMem(asm.NE, asm.T0, key(off), next)
		} else {
			b.Load(size, asm.T1, key(off))
			b.Br(asm.NE, true, asm.T0, asm.T1, next)
		}
		off += size
	}
	if f.Ref != nil {
		b.Load(4, asm.T0, asm.Mem{Base: slots, Index: place})
		b.OpK(asm.Sub, true, asm.T0, 1)
		ref()
	}
	if f.Step != 0 {
		b.Load(8, asm.T0, asm.At(asm.Ctx, offCPU))
		scale(b, asm.T0, f.Step)
		b.Op(asm.Add, true, elem, asm.T0)
	}
	b.Lea(asm.R0, asm.At(elem, int32(f.Value)))
	b.Bind(end)
	return func() {
		b.Bind(next)
		// Only now is an empty slot told apart: most slots looked at hold the key.
		b.Load(8, asm.T0, asm.Mem{Base: slots, Index: place})
		b.OpK(asm.Add, true, place, 8)
		b.Op(asm.And, true, place, mask)
		b.BrK(asm.NE, true, asm.T0, 0, top)
		b.Imm(asm.R0, 0)
		b.Jmp(end)
	}
}

// walkTrie goes down the trie as lpm's Lookup does. Register 1 is needed for the
// key only until its words are loaded.
func walkTrie(b asm.Backend, f *maps.Flat, key func(off int) asm.Mem) {
	const found, at, first, length, nodes, node, x = asm.R0, asm.R1, asm.R2, asm.R3, asm.R4, asm.R5, asm.R6
	n := &maps.TrieNode
	field := func(off uintptr) asm.Mem { return asm.At(node, int32(off)) }
	top, same, inner, done, end := b.NewLabel(), b.NewLabel(), b.NewLabel(), b.NewLabel(), b.NewLabel()
	b.Store(8, x, asm.At(asm.Ctx, offSave+8*int32(len(saved))))
	b.Load(4, length, key(0))
	if f.MaxBits == 32 {
		b.Load(4, first, key(4))
		b.Swap(4, first)
		b.OpK(asm.Lsh, true, first, 32)
	} else {
		b.Load(8, first, key(4))
		b.Swap(8, first)
	}
	b.Imm(found, 0)
	b.BrK(asm.GT, true, length, int32(f.MaxBits), end)
	b.Imm(asm.T1, uint64(uintptr(f.Nodes)))
	b.Load(8, nodes, asm.At(asm.T1, 0))
	b.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(f.Root))))
	b.Load(4, at, asm.At(asm.T1, 0))
	b.BrK(asm.EQ, true, at, 0, end)

	b.Bind(top)
	b.Mov(true, node, at)
	b.OpK(asm.Sub, true, node, 1)
	scale(b, node, uint64(n.Size))
	b.Op(asm.Add, true, node, nodes)
	// All bits of the node's prefix must be the key's.
	b.Load(4, asm.T1, field(n.Bits))
	b.Br(asm.GT, true, asm.T1, length, done)
	b.BrK(asm.EQ, true, asm.T1, 0, same)
	b.Load(8, x, field(n.First))
	b.Op(asm.Xor, true, x, first)
	b.Neg(true, asm.T1) // 64 - bits, as shifts count
	b.Op(asm.Rsh, true, x, asm.T1)
	b.BrK(asm.NE, true, x, 0, done)
	b.Load(4, asm.T1, field(n.Bits))
	b.Bind(same)
	b.Load(1, asm.T0, field(n.State))
	b.BrK(asm.NE, true, asm.T0, int32(n.StateEntry), inner)
	b.Mov(true, found, at)
	b.Bind(inner)
	b.BrK(asm.EQ, true, asm.T1, int32(f.MaxBits), done)
	b.OpK(asm.Xor, true, asm.T1, -1) // 63 - bits, as shifts count
	b.Mov(true, x, first)
	b.Op(asm.Rsh, true, x, asm.T1)
	b.OpK(asm.And, true, x, 1)
	b.OpK(asm.Lsh, true, x, 2)
	b.Op(asm.Add, true, x, node)
	b.Load(4, at, asm.At(x, int32(n.Child)))
	b.BrK(asm.NE, true, at, 0, top)

	b.Bind(done)
	b.BrK(asm.EQ, true, found, 0, end)
	b.OpK(asm.Sub, true, found, 1)
	scale(b, found, f.Stride)
	addK(b, found, f.Addr)
	b.OpK(asm.Add, true, found, int32(f.Value))
	b.Bind(end)
	b.Load(8, x, asm.At(asm.Ctx, offSave+8*int32(len(saved))))
}
