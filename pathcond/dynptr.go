package pathcond

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// symDynptr is what the path knows of one dynptr, by the address of its 16 bytes
// on the stack. Of a packet its bytes are offset to offset + size from data as it
// is when they are asked for; else they are memory at base.
type symDynptr struct {
	null, xdp bool
	rdonly    bool
	record    bool    // of a ring buffer's record
	base      bv.Term // memory
	baseC     uint64  // in the recorded run
	size, off bv.Term // 64 bits
	sizeC     uint64
	offC      uint64
}

// Places in a dynptr's 16 bytes (host/vm, dynptr).
const (
	dynptrData   = 0
	dynptrWord   = 8 // size, type, readonly
	dynptrOffset = 12
)

// dynptrSizeBits are those of the size in its word.
const dynptrSizeBits = 1<<24 - 1

// dynptr is the one at the address in register r.
func (x *exec) dynptr(c *call, r int) *symDynptr {
	d := x.dynptrs[c.rec.Args[r-1]]
	if d == nil {
		x.abort(trace.ReasonHelper, "a dynptr the path has not made")
	}
	x.fix(x.r[r], c.rec.Args[r-1], WhyOffset)
	return d
}

// setDynptr makes the bytes at the address in register r a dynptr; only the
// functions of dynptrs read them.
func (x *exec) setDynptr(c *call, r int, d *symDynptr) {
	at := c.rec.Args[r-1]
	x.memAt(at, 16)
	x.fix(x.r[r], at, WhyOffset)
	if x.dynptrs == nil {
		x.dynptrs = map[uint64]*symDynptr{}
	}
	x.dynptrs[at] = d
	for i := uint64(0); i < 16; i++ {
		x.setByte(at-x.s.Stack+i, byteRef{x.unknown(8), 0})
	}
}

// arg32 is the low half of an argument, as 64 bits, and its value.
func (x *exec) arg32(c *call, r int) (bv.Term, uint64) {
	return x.b.ZExt(x.b.Extract(x.r[r], 0, 32), 64), uint64(uint32(c.rec.Args[r-1]))
}

// within decides whether n bytes at off lie in the dynptr.
func (x *exec) within(d *symDynptr, off bv.Term, offC uint64, n int) bool {
	b := x.b
	k := x.u64(uint64(n))
	fits := uint64(n) <= d.sizeC
	x.decide(b.Bin(bv.OpULt, d.size, k), !fits, WhyHelper)
	if !fits {
		return false
	}
	ok := offC <= d.sizeC-uint64(n)
	x.decide(b.Bin(bv.OpULt, b.Bin(bv.OpSub, d.size, k), off), !ok, WhyHelper)
	return ok
}

// where is the address of n bytes at off in a dynptr, or an error: a packet may
// have shrunk since.
func (x *exec) where(d *symDynptr, off bv.Term, offC uint64, n int) (addr bv.Term, concrete uint64, e maps.Errno) {
	b := x.b
	at, atC := b.Bin(bv.OpAdd, d.off, off), d.offC+offC
	if !d.xdp {
		addr, concrete = b.Bin(bv.OpAdd, d.base, at), d.baseC+atC
		if kind, _ := x.place(concrete, max(n, 1)); kind == trace.MemStack {
			x.abort(trace.ReasonHelper, "a dynptr of stack memory")
		}
		return addr, concrete, maps.OK
	}
	far := atC > 0xffff || n > 0xffff
	x.decide(b.Bin(bv.OpULt, x.u64(0xffff), at), atC > 0xffff, WhyHelper)
	if far {
		return 0, 0, eFault
	}
	out := atC+uint64(n) > x.endInRun()-x.dataInRun()
	x.decide(b.Bin(bv.OpULt, x.length(), b.Bin(bv.OpAdd, at, x.u64(uint64(n)))), out, WhyHelper)
	if out {
		return 0, 0, maps.EINVAL
	}
	return b.Bin(bv.OpAdd, x.data, at), x.dataInRun() + atC, maps.OK
}

// symDynptrFromMem is bpf_dynptr_from_mem(data, size, flags, ptr).
func symDynptrFromMem(x *exec, c *call) bv.Term {
	c.meta.Args = 4
	size := uint64(x.size32(c, 2))
	flags := x.constArg(c, 3)
	e := maps.OK
	switch {
	case size > dynptrSizeBits:
		e = maps.E2BIG
	case flags != 0:
		e = maps.EINVAL
	}
	d := &symDynptr{null: e != maps.OK, base: x.r[1], baseC: c.rec.Args[0], size: x.u64(size), sizeC: size, off: x.u64(0)}
	if x.b.Opaque(d.base) {
		x.abort(trace.ReasonOpaqueAddress, "")
	}
	x.setDynptr(c, 4, d)
	x.out.writes(x, c, c.rec.Args[3], 16)
	return x.errno(int64(e))
}

// symDynptrRead is bpf_dynptr_read(dst, len, src, offset, flags).
func symDynptrRead(x *exec, c *call) bv.Term {
	c.meta.Args = 5
	x.out.reads(x, c, c.rec.Args[2], 16)
	d := x.dynptr(c, 3)
	n := x.size32(c, 2)
	off, offC := x.arg32(c, 4)
	if flags := x.constArg(c, 5); d.null || flags != 0 {
		return x.errno(int64(maps.EINVAL))
	}
	if !x.within(d, off, offC, n) {
		return x.errno(int64(maps.E2BIG))
	}
	addr, concrete, e := x.where(d, off, offC, n)
	if e == maps.OK {
		x.copyMem(x.r[1], c.rec.Args[0], addr, concrete, n)
		x.out.writes(x, c, c.rec.Args[0], n)
	}
	return x.errno(int64(e))
}

// symDynptrWrite is bpf_dynptr_write(dst, offset, src, len, flags).
func symDynptrWrite(x *exec, c *call) bv.Term {
	c.meta.Args = 5
	n := x.size32(c, 4)
	x.out.reads(x, c, c.rec.Args[0], 16)
	x.reads(c, 3, n)
	d := x.dynptr(c, 1)
	off, offC := x.arg32(c, 2)
	flags := x.constArg(c, 5)
	if d.null || d.rdonly {
		return x.errno(int64(maps.EINVAL))
	}
	if !x.within(d, off, offC, n) {
		return x.errno(int64(maps.E2BIG))
	}
	if flags != 0 {
		return x.errno(int64(maps.EINVAL))
	}
	addr, concrete, e := x.where(d, off, offC, n)
	if e == maps.OK {
		x.copyMem(addr, concrete, x.r[3], c.rec.Args[2], n)
	}
	return x.errno(int64(e))
}

// symDynptrData is bpf_dynptr_data(ptr, offset, len): of a packet always NULL.
func symDynptrData(x *exec, c *call) bv.Term {
	c.meta.Args = 3
	c.meta.Result = true
	x.out.reads(x, c, c.rec.Args[0], 16)
	d := x.dynptr(c, 1)
	n := x.size32(c, 3)
	off, offC := x.arg32(c, 2)
	if d.null || d.rdonly || d.xdp || !x.within(d, off, offC, n) {
		return x.u64(0)
	}
	addr, _, _ := x.where(d, off, offC, n)
	return addr
}

// put writes the code of one instruction without memory.
func (x *exec) put(op uint8, dst, src uint8, imm int32) {
	x.out.put(ebpf.Insn{Op: op, Dst: dst, Src: src, Imm: imm}, x.here())
}

// Operations of the code below.
const (
	addReg   = ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcX
	subReg   = ebpf.ClassALU64 | ebpf.ALUSub | ebpf.SrcX
	movReg32 = ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcX
	addReg32 = ebpf.ClassALU | ebpf.ALUAdd | ebpf.SrcX
	subReg32 = ebpf.ClassALU | ebpf.ALUSub | ebpf.SrcX
	orImm32  = ebpf.ClassALU | ebpf.ALUOr | ebpf.SrcK
	andImm32 = ebpf.ClassALU | ebpf.ALUAnd | ebpf.SrcK
)

// ctxWord writes the load of a field of the context that base points to.
func (x *exec) ctxWord(dst, base uint8, field int16) {
	m := x.here()
	m.Mem, m.Addr = trace.MemCtx, x.s.Ctx+uint64(field)
	x.out.put(ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeW, Dst: dst, Src: base, Off: field}, m)
}

// dynptrStore writes the store of register src, or of constant 0 where it is
// none, into a dynptr that base points to.
func (x *exec) dynptrStore(base uint8, at uint64, off int16, n int, src int) {
	m := x.here()
	m.Mem, m.Addr = x.memAt(at+uint64(off), n)
	in := ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | sizes[n], Dst: base, Off: off}
	if src >= 0 {
		in.Op, in.Src = ebpf.ClassSTX|ebpf.ModeMEM|sizes[n], uint8(src)
	}
	x.out.put(in, m)
}

// nullDynptr makes the dynptr at register r null.
func (x *exec) nullDynptr(c *call, r int, e maps.Errno) bv.Term {
	at := c.rec.Args[r-1]
	x.setDynptr(c, r, &symDynptr{null: true, size: x.u64(0), off: x.u64(0)})
	x.dynptrStore(uint8(r), at, dynptrData, 8, -1)
	x.dynptrStore(uint8(r), at, dynptrWord, 8, -1)
	return x.int32Result(-int32(e))
}

// symDynptrFromXDP is bpf_dynptr_from_xdp(ctx, flags, ptr).
func symDynptrFromXDP(x *exec, c *call) bv.Term {
	if x.constArg(c, 2) != 0 {
		return x.nullDynptr(c, 3, maps.EINVAL)
	}
	size := x.length()
	if x.frags > 0 {
		x.abort(trace.ReasonFragments, "kfunc bpf_dynptr_from_xdp")
	}
	at := c.rec.Args[2]
	x.setDynptr(c, 3, &symDynptr{xdp: true, size: size, sizeC: x.endInRun() - x.dataInRun(), off: x.u64(0)})
	x.ctxWord(2, 1, vm.CtxDataEnd)
	x.ctxWord(4, 1, vm.CtxData)
	x.put(subReg, 2, 4, 0)
	x.put(orImm32, 2, 0, vm.DynptrXDP)
	x.dynptrStore(3, at, dynptrData, 8, 1)
	x.dynptrStore(3, at, dynptrWord, 4, 2)
	x.dynptrStore(3, at, dynptrOffset, 4, -1)
	return x.int32Result(0)
}

func symDynptrSlice(x *exec, c *call) bv.Term { return x.slice(c, false) }

func symDynptrSliceRdwr(x *exec, c *call) bv.Term { return x.slice(c, true) }

// slice is bpf_dynptr_slice(ptr, offset, buffer, size): the buffer is for what
// lies in several frags.
func (x *exec) slice(c *call, write bool) bv.Term {
	d := x.dynptr(c, 1)
	n := x.size32(c, 4)
	off, offC := x.arg32(c, 2)
	none := func() bv.Term {
		x.out.constant(x, 0, 0)
		return x.u64(0)
	}
	if d.null || !x.within(d, off, offC, n) || write && d.rdonly {
		return none()
	}
	addr, _, e := x.where(d, off, offC, n)
	if e != maps.OK {
		return none()
	}
	x.leads(c, d)
	return addr
}

// leads writes the code that leaves in r0 where r2 bytes into the dynptr at r1 are.
func (x *exec) leads(c *call, d *symDynptr) {
	at := c.rec.Args[0]
	x.stackLoad(0, 1, at, dynptrData, 8)
	if d.xdp {
		x.ctxWord(0, 0, vm.CtxData)
	}
	x.stackLoad(5, 1, at, dynptrOffset, 4)
	x.put(addReg, 0, 5, 0)
	x.put(movReg32, 2, 2, 0)
	x.put(addReg, 0, 2, 0)
}

// mostSet is how many bytes a trace sets by stores of its own.
const mostSet = 256

// symDynptrMemset is bpf_dynptr_memset(ptr, offset, size, val), the value known.
func symDynptrMemset(x *exec, c *call) bv.Term {
	d := x.dynptr(c, 1)
	off, offC := x.arg32(c, 2)
	n := x.size32(c, 3)
	val := c.rec.Args[3] & 0xff
	x.fix(x.b.Extract(x.r[4], 0, 8), val, WhyHelper)
	switch {
	case d.rdonly:
		return x.int32Result(-int32(maps.EINVAL))
	case !x.within(d, off, offC, n):
		return x.int32Result(-int32(maps.E2BIG))
	case n == 0:
		return x.int32Result(0)
	case n > mostSet:
		x.abort(trace.ReasonHelper, fmt.Sprintf("kfunc bpf_dynptr_memset: %d bytes, more than %d", n, mostSet))
	}
	addr, concrete, e := x.where(d, off, offC, n)
	if e != maps.OK {
		return x.int32Result(-int32(e))
	}
	x.leads(c, d)
	word := val * 0x01010101
	for k := 0; k < n; {
		m := 4
		for m > n-k {
			m /= 2
		}
		at := x.here()
		kind, owner := x.place(concrete+uint64(k), m)
		at.Mem, at.Map, at.Addr = kind, int32(owner), concrete+uint64(k)
		x.writeMem(x.b.Bin(bv.OpAdd, addr, x.u64(uint64(k))), at.Addr, m, x.b.Const(word, 8*m))
		x.out.put(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | sizes[m], Off: int16(k), Imm: int32(word)}, at)
		k += m
	}
	return x.int32Result(0)
}

// symDynptrAdjust is bpf_dynptr_adjust(ptr, start, end).
func symDynptrAdjust(x *exec, c *call) bv.Term {
	b := x.b
	d := x.dynptr(c, 1)
	start, startC := x.arg32(c, 2)
	end, endC := x.arg32(c, 3)
	if d.null {
		return x.int32Result(-int32(maps.EINVAL))
	}
	x.decide(b.Bin(bv.OpULt, end, start), endC < startC, WhyHelper)
	if endC < startC {
		return x.int32Result(-int32(maps.EINVAL))
	}
	x.decide(b.Bin(bv.OpULt, d.size, end), d.sizeC < endC, WhyHelper)
	if d.sizeC < endC { // start is no larger
		const erange = 34
		return x.int32Result(-erange)
	}
	at := c.rec.Args[0]
	now := *d
	now.off, now.offC = b.Bin(bv.OpAdd, d.off, start), d.offC+startC
	now.size, now.sizeC = b.Bin(bv.OpSub, end, start), endC-startC
	x.dynptrs[at] = &now
	x.stackLoad(4, 1, at, dynptrOffset, 4)
	x.put(addReg32, 4, 2, 0)
	x.dynptrStore(1, at, dynptrOffset, 4, 4)
	x.stackLoad(4, 1, at, dynptrWord, 4)
	x.put(andImm32, 4, 0, ^dynptrSizeBits)
	x.put(subReg32, 3, 2, 0)
	x.put(ebpf.ClassALU|ebpf.ALUOr|ebpf.SrcX, 4, 3, 0)
	x.dynptrStore(1, at, dynptrWord, 4, 4)
	return x.int32Result(0)
}

// symDynptrClone is bpf_dynptr_clone(ptr, clone).
func symDynptrClone(x *exec, c *call) bv.Term {
	d := x.dynptr(c, 1)
	if d.null {
		return x.nullDynptr(c, 2, maps.EINVAL)
	}
	copied := *d
	x.setDynptr(c, 2, &copied)
	for _, off := range []int16{dynptrData, dynptrWord} {
		x.stackLoad(3, 1, c.rec.Args[0], off, 8)
		x.dynptrStore(2, c.rec.Args[1], off, 8, 3)
	}
	return x.int32Result(0)
}

// symDynptrSize is bpf_dynptr_size(ptr).
func symDynptrSize(x *exec, c *call) bv.Term {
	d := x.dynptr(c, 1)
	if d.null {
		return x.int32Result(-int32(maps.EINVAL))
	}
	x.stackLoad(0, 1, c.rec.Args[0], dynptrWord, 4)
	x.put(andImm32, 0, 0, dynptrSizeBits)
	return d.size
}

func symDynptrIsNull(x *exec, c *call) bv.Term {
	return x.int32Result(int32(bv.Bit(x.dynptr(c, 1).null)))
}

func symDynptrIsRdonly(x *exec, c *call) bv.Term {
	d := x.dynptr(c, 1)
	return x.int32Result(int32(bv.Bit(!d.null && d.rdonly)))
}
