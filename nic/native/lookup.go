package native

import (
	"math"
	"unsafe"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/nic/native/asm"
)

// Look-ups walk the flat storage of host/maps as its own Lookup does. A
// look-up finds its key at the address in register 2 and leaves the value's
// address in register 0, or 0. Who calls it keeps what it changes beside (changedBy).

// maxKey is the longest key, in bytes, that is looked up here: what a stack holds.
const maxKey = 512

// canLookUp says whether code for the map can be written.
func canLookUp(f *maps.Flat) bool {
	if f.Stride > math.MaxInt32 || f.Step > math.MaxInt32 || f.Value > math.MaxInt32 || f.KeySize > maxKey || f.KeySize == 0 {
		return false
	}
	// Of a trie's prefix the first 64 bits are loaded as one word, or 32.
	return f.Kind != maps.FlatTrie || f.MaxBits == 32 || f.MaxBits >= 64
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

// changedBy are the registers that a look-up in a hash or a trie needs for itself. One
// in a trie needs some more, and gives them back.
func changedBy(f *maps.Flat) ebpf.Regs {
	const args = ebpf.Regs(1<<asm.R1 | 1<<asm.R2 | 1<<asm.R3 | 1<<asm.R4 | 1<<asm.R5)
	if f.Kind != maps.FlatTrie && inWords(int(f.KeySize)) {
		return args | 1<<lastWord
	}
	return args
}

// lookup writes a subroutine for a hash or a trie.
func lookup(b asm.Backend, f *maps.Flat) {
	n := int(f.KeySize)
	b.Mov(true, asm.R1, asm.R2)
	far := func() {}
	switch ref := func() { setRef(b, f) }; {
	case f.Kind == maps.FlatTrie:
		walkTrie(b, f, keyAtR1)
	case inWords(n):
		loadWords(b, n)
		mixKey(b, n)
		far = probe(b, f, wordsDiffer(b, n), ref)
	default:
		hashKey(b, n, keyAtR1)
		far = probe(b, f, bytesDiffer(b, n, keyAtR1), ref)
	}
	b.Ret()
	far()
}

// lookupCode is the code of a subroutine, and what it was written of.
type lookupCode struct {
	of   maps.Flat
	text []byte
}

// lookup is the code of the subroutine for map m, which is written once.
func (a *analysis) lookup(arch string, m int32) []byte {
	if f, _ := flatOf(a.s, a.s.Maps[m]); a.subs[m].text == nil || a.subs[m].of != f {
		a.subs[m] = newLookup(arch, f)
	}
	return a.subs[m].text
}

func newLookup(arch string, f maps.Flat) lookupCode {
	s := lookupCode{of: f}
	b, err := asm.New(arch)
	if err == nil {
		lookup(b, &f)
		s.text, err = b.Code()
	}
	if err != nil {
		panic(err) // code for this machine was being written, and jumps here are short
	}
	return s
}

// A key of 8 to 16 bytes stays in registers, its first eight bytes in firstWord and
// its last eight in lastWord.
const firstWord, lastWord = asm.R1, asm.R6

// inWords says so of a key of n bytes.
func inWords(n int) bool { return n >= 8 && n <= 16 }

// loadWords loads a key at register 1 there, and where mixKey wants it. A program puts
// a key together right before a look-up, mostly from words of four bytes: what is
// loaded is no longer than these, or the load would wait until the stores are done.
func loadWords(b asm.Backend, n int) {
	halves := func(d asm.Reg, off int) {
		b.Load(4, d, keyAtR1(off))
		b.Load(4, asm.T1, keyAtR1(off+4))
		b.OpK(asm.Lsh, true, asm.T1, 32)
		b.Op(asm.Or, true, d, asm.T1)
	}
	halves(asm.R2, 0)
	if n > 8 {
		halves(asm.R4, n-8)
		b.Mov(true, lastWord, asm.R4)
	} else {
		b.Imm(asm.R4, 0)
	}
	b.Mov(true, firstWord, asm.R2)
}

// wordsDiffer compares such a key with an element's.
func wordsDiffer(b asm.Backend, n int) differs {
	return func(elem asm.Mem, next asm.Label) {
		b.BrMem(asm.NE, firstWord, elem, next)
		if elem.Disp += int32(n - 8); n > 8 {
			b.BrMem(asm.NE, lastWord, elem, next)
		}
	}
}

// bytesDiffer compares a key in memory with an element's. It uses T0 and T1.
func bytesDiffer(b asm.Backend, n int, key func(off int) asm.Mem) differs {
	return func(elem asm.Mem, next asm.Label) {
		for off := 0; off < n; {
			size := 8
			for size > n-off {
				size /= 2
			}
			b.Load(size, asm.T0, elem)
			if size == 8 {
				b.BrMem(asm.NE, asm.T0, key(off), next)
			} else {
				b.Load(size, asm.T1, key(off))
				b.Br(asm.NE, true, asm.T0, asm.T1, next)
			}
			off += size
			elem.Disp += int32(size)
		}
	}
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
	hashWith(b, n, func(size int, d asm.Reg, off int) { b.Load(size, d, key(off)) })
}

// hashWith is hashKey of what load loads; that may use T1.
func hashWith(b asm.Backend, n int, load func(size int, d asm.Reg, off int)) {
	x, y := asm.R2, asm.R4
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

// differs compares the key that is looked for with an element's: where that is another
// one, control goes to next.
type differs func(elem asm.Mem, next asm.Label)

// probe looks through the slots for the hash in register 2 and the key. A slot's place is
// kept in bytes: eight times its number. Where the map keeps a reference
// bit by element, ref is given the element's number in T0, and may use T1; it runs
// only where the key was found. What probe returns writes the code for slots that
// don't hold the key, out of the way.
func probe(b asm.Backend, f *maps.Flat, other differs, ref func()) (far func()) {
	const slots, mask, place, elem = asm.R4, asm.R3, asm.R0, asm.R5
	top, next, end := b.NewLabel(), b.NewLabel(), b.NewLabel()
	b.Imm(asm.T1, uint64(uintptr(f.Slots)))
	b.Load(8, slots, asm.At(asm.T1, 0))
	b.Load(4, mask, asm.At(asm.T1, int32(uintptr(unsafe.Pointer(f.Mask))-uintptr(f.Slots)))) // of one struct
	b.OpK(asm.Lsh, true, mask, 3)
	b.Mov(true, place, asm.R2)
	b.OpK(asm.Lsh, true, place, 3)
	b.Op(asm.And, true, place, mask)
	b.Bind(top)
	b.Load(8, elem, asm.Mem{Base: slots, Index: place})
	b.Br(asm.NE, false, elem, asm.R2, next)
	b.OpK(asm.Rsh, true, elem, 32)
	b.BrK(asm.EQ, true, elem, 0, next) // an empty slot, where the hash is 0
	scale(b, elem, f.Stride)
	addK(b, elem, f.Addr-f.Stride) // elements count from 1 here
	other(asm.Mem{Base: asm.Base, Index: elem}, next)
	if f.Ref != nil {
		b.Load(4, asm.T0, asm.Mem{Base: slots, Index: place, Disp: 4})
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

// loops is the work of a look-up that goes round in code, in bytes of code: a
// trie's, by its depth.
func loops(f *maps.Flat) int {
	if f.Kind != maps.FlatTrie {
		return 0
	}
	const level = 100 // bytes of code
	return int(min(uint64(f.MaxBits)+1, 2*uint64(f.Max))) * level
}

// trie is the look-up in one.
type trie struct {
	asm.Backend
	f *maps.Flat
	// Where control goes from a node: its prefix is the key's, it isn't, and on to
	// the child by the bit in x.
	same, done, turn asm.Label
}

// The registers of a trie's look-up. R6 to R8 are given back.
const (
	tFound, tAt, tFirst, tLength, tNodes, tNode = asm.R0, asm.R1, asm.R2, asm.R3, asm.R4, asm.R5
	tX, tKey, tElem                             = asm.R6, asm.R7, asm.R8
)

func (t *trie) field(off uintptr) asm.Mem { return asm.At(tNode, int32(off)) }

// long says whether prefixes may have more bits than a node holds.
func (t *trie) long() bool { return t.f.MaxBits > 64 }

// spill stores or loads the registers that a walk gives back.
func (t *trie) spill(move func(size int, r asm.Reg, m asm.Mem)) {
	rs := []asm.Reg{tX}
	if t.long() {
		rs = []asm.Reg{tX, tKey, tElem}
	}
	for i, r := range rs {
		move(8, r, asm.At(asm.Ctx, offSave+8*int32(tX-1)+8*int32(i)))
	}
}

// walkTrie goes down the trie as lpm's Lookup does. Register 1 is needed for the
// key only until its words are loaded.
func walkTrie(b asm.Backend, f *maps.Flat, key func(off int) asm.Mem) {
	t := &trie{Backend: b, f: f, same: b.NewLabel(), done: b.NewLabel(), turn: b.NewLabel()}
	n := &maps.TrieNode
	top, matches, inner, end := b.NewLabel(), b.NewLabel(), b.NewLabel(), b.NewLabel()
	t.spill(b.Store)
	b.Load(4, tLength, key(0))
	if f.MaxBits == 32 {
		b.Load(4, tFirst, key(4))
		b.Swap(4, tFirst)
		b.OpK(asm.Lsh, true, tFirst, 32)
	} else {
		b.Load(8, tFirst, key(4))
		b.Swap(8, tFirst)
	}
	if t.long() {
		b.Lea(tKey, key(0))
	}
	b.Imm(tFound, 0)
	b.BrK(asm.GT, true, tLength, int32(f.MaxBits), end)
	b.Imm(asm.T1, uint64(uintptr(f.Nodes)))
	b.Load(8, tNodes, asm.At(asm.T1, 0))
	b.Imm(asm.T1, uint64(uintptr(unsafe.Pointer(f.Root))))
	b.Load(4, tAt, asm.At(asm.T1, 0))
	b.BrK(asm.EQ, true, tAt, 0, end)

	b.Bind(top)
	b.Mov(true, tNode, tAt)
	b.OpK(asm.Sub, true, tNode, 1)
	scale(b, tNode, uint64(n.Size))
	b.Op(asm.Add, true, tNode, tNodes)
	// All bits of the node's prefix must be the key's.
	b.Load(4, asm.T1, t.field(n.Bits))
	b.Br(asm.GT, true, asm.T1, tLength, t.done)
	b.BrK(asm.EQ, true, asm.T1, 0, matches)
	b.Load(8, tX, t.field(n.First))
	b.Op(asm.Xor, true, tX, tFirst)
	if t.long() {
		short := b.NewLabel()
		b.BrK(asm.LE, true, asm.T1, 64, short)
		t.compare()
		b.Bind(short)
	}
	b.Neg(true, asm.T1) // 64 - bits, as shifts count
	b.Op(asm.Rsh, true, tX, asm.T1)
	b.BrK(asm.NE, true, tX, 0, t.done)
	b.Bind(t.same)
	b.Load(4, asm.T1, t.field(n.Bits))
	b.Bind(matches)
	b.Load(1, asm.T0, t.field(n.State))
	b.BrK(asm.NE, true, asm.T0, int32(n.StateEntry), inner)
	b.Mov(true, tFound, tAt)
	b.Bind(inner)
	b.BrK(asm.EQ, true, asm.T1, int32(f.MaxBits), t.done)
	if t.long() {
		t.farBit()
	}
	b.OpK(asm.Xor, true, asm.T1, -1) // 63 - bits, as shifts count
	b.Mov(true, tX, tFirst)
	b.Op(asm.Rsh, true, tX, asm.T1)
	b.Bind(t.turn)
	b.OpK(asm.And, true, tX, 1)
	b.OpK(asm.Lsh, true, tX, 2)
	b.Op(asm.Add, true, tX, tNode)
	b.Load(4, tAt, asm.At(tX, int32(n.Child)))
	b.BrK(asm.NE, true, tAt, 0, top)

	b.Bind(t.done)
	b.BrK(asm.EQ, true, tFound, 0, end)
	b.OpK(asm.Sub, true, tFound, 1)
	scale(b, tFound, f.Stride)
	addK(b, tFound, f.Addr)
	b.OpK(asm.Add, true, tFound, int32(f.Value))
	b.Bind(end)
	t.spill(b.Load)
}

// compare is for a prefix of more than 64 bits, which are in T1; tX holds what of
// the first 64 differs. The others stand in the element's key, eight bytes after
// eight; the last eight are those that end the key.
func (t *trie) compare() {
	const data = 4 // behind the length
	b := t.Backend
	b.BrK(asm.NE, true, tX, 0, t.done)
	b.Mov(true, tElem, tAt)
	b.OpK(asm.Sub, true, tElem, 1)
	scale(b, tElem, t.f.Stride)
	addK(b, tElem, t.f.Addr)
	size := int32(t.f.KeySize) - data
	for off := int32(8); off < size; off += 8 {
		at := min(off, size-8)
		b.Load(8, tX, asm.Mem{Base: asm.Base, Index: tElem, Disp: data + at})
		b.Load(8, asm.T0, asm.At(tKey, data+at))
		b.Op(asm.Xor, true, tX, asm.T0)
		b.Swap(8, tX)
		if off > at {
			b.OpK(asm.Lsh, true, tX, 8*(off-at))
		}
		b.Load(4, asm.T1, t.field(maps.TrieNode.Bits))
		b.OpK(asm.Sub, true, asm.T1, 8*off)
		b.BrK(asm.EQ, true, asm.T1, 0, t.same)
		last := b.NewLabel()
		b.BrK(asm.LT, true, asm.T1, 64, last)
		b.BrK(asm.NE, true, tX, 0, t.done)
		if off+8 >= size {
			b.Jmp(t.same)
		} else {
			next := b.NewLabel()
			b.Jmp(next)
			b.Bind(last)
			b.Neg(true, asm.T1)
			b.Op(asm.Rsh, true, tX, asm.T1)
			b.BrK(asm.NE, true, tX, 0, t.done)
			b.Jmp(t.same)
			b.Bind(next)
			continue
		}
		b.Bind(last) // falls to the shift and compare of short prefixes
	}
}

// farBit finds the bit of the key behind a prefix of 64 bits and more, whose length
// is in T1; others fall through.
func (t *trie) farBit() {
	b := t.Backend
	near := b.NewLabel()
	b.BrK(asm.LT, true, asm.T1, 64, near)
	b.Mov(true, tX, asm.T1)
	b.OpK(asm.Rsh, true, tX, 3)
	b.Load(1, tX, asm.Mem{Base: tKey, Index: tX, Disp: 4})
	b.OpK(asm.Xor, true, asm.T1, -1)
	b.OpK(asm.And, true, asm.T1, 7) // 7 - bits%8
	b.Op(asm.Rsh, true, tX, asm.T1)
	b.Jmp(t.turn)
	b.Bind(near)
}
