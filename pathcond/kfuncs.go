package pathcond

import (
	"math/bits"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// symKfuncs gives the symbolic meaning of every kernel function a path may
// call: the new r0. A device has no kernel functions, so none is left in the
// trace: each writes what stands for it, with r0 set and r1 to r5 free to use.
var symKfuncs map[string]func(x *exec, c *call) bv.Term

func init() {
	symKfuncs = map[string]func(x *exec, c *call) bv.Term{
		"bpf_iter_num_new": symIterNumNew, "bpf_iter_num_next": symIterNumNext, "bpf_iter_num_destroy": symIterNumDestroy,
		"bpf_rcu_read_lock": symNoEffect, "bpf_rcu_read_unlock": symNoEffect,
		"bpf_preempt_disable": symNoEffect, "bpf_preempt_enable": symNoEffect,
		"bpf_local_irq_save": symNoEffect, "bpf_local_irq_restore": symNoEffect,
		"bpf_dynptr_from_xdp": symDynptrFromXDP, "bpf_dynptr_slice": symDynptrSlice, "bpf_dynptr_slice_rdwr": symDynptrSliceRdwr,
		"bpf_dynptr_adjust": symDynptrAdjust, "bpf_dynptr_clone": symDynptrClone, "bpf_dynptr_size": symDynptrSize,
		"bpf_dynptr_memset": symDynptrMemset, "bpf_dynptr_is_null": symDynptrIsNull, "bpf_dynptr_is_rdonly": symDynptrIsRdonly,
		"bpf_xdp_ct_lookup": symConn, "bpf_ct_release": symNoEffect, "bpf_xdp_metadata_rx_vlan_tag": symVLANTag,
		"bpf_xdp_metadata_rx_timestamp": symNoMetadata, "bpf_xdp_metadata_rx_hash": symNoMetadata,
	}
}

// kfuncName is the name of the kernel function called in slot pc of the program,
// by what the loader noted there.
func (x *exec) kfuncName(prog, pc int32) string {
	name, _ := strings.CutPrefix(x.c.Obj.Programs[prog].Unsupported[int(pc)], "kfunc ")
	return name
}

// kfunc executes a recorded call of a kernel function.
func (x *exec) kfunc(in ebpf.Insn) {
	st := x.step
	name := x.kfuncName(st.Prog, st.PC)
	f := symKfuncs[name]
	if f == nil {
		x.abort(trace.ReasonHelper, named("kfunc", name, ebpf.KfuncByName(name)))
	}
	x.held = false
	c := &call{in: in, rec: &x.rec.Calls[st.Addr], m: -1}
	x.r[0] = f(x, c)
	if x.c.Effects {
		if e := x.effect(); e.Other == "" {
			e.Other = "it calls " + name
		}
	}
	for i := 1; i <= 5; i++ {
		x.r[i] = x.unknown(64)
	}
}

// int32Result is a kernel function's int as r0 holds it, and the code for it.
func (x *exec) int32Result(v int32) bv.Term {
	x.out.constant(x, 0, uint64(uint32(v)))
	return x.u64(uint64(uint32(v)))
}

// symNoEffect: what locks and interrupts do, no other program sees; r0 is not
// set.
func symNoEffect(x *exec, c *call) bv.Term { return x.unknown(64) }

// symNoMetadata: no device tells metadata of the kind.
func symNoMetadata(x *exec, c *call) bv.Term { return x.int32Result(-int32(maps.EOPNOTSUPP)) }

// symVLANTag is bpf_xdp_metadata_rx_vlan_tag(ctx, vlan_proto, vlan_tci): what the
// device tells becomes part of the condition, and the trace has constants.
func symVLANTag(x *exec, c *call) bv.Term {
	b := x.b
	word, now := x.input(InTag, 64, bv.Fact{Max: 1<<33 - 1}), x.s.TagWord()
	part := func(lo, n int) uint64 {
		v := now >> lo & (1<<n - 1)
		x.fix(b.Extract(word, lo, n), v, WhyHelper)
		return v
	}
	if part(32, 1) == 0 {
		return x.int32Result(-int32(maps.EOPNOTSUPP))
	}
	proto := uint16(part(16, 16))
	if proto == 0 {
		return x.int32Result(-int32(maps.ENODATA))
	}
	x.optWord(2, c.rec.Args[1], 0, 2, uint64(bits.ReverseBytes16(proto)))
	x.optWord(3, c.rec.Args[2], 0, 2, part(0, 16))
	return x.int32Result(0)
}

// An iterator over numbers is two 32-bit words of the stack, where it is and
// where it ends (see host/vm): loads and stores say what it does.
const (
	iterAt  = 0
	iterEnd = 4
)

// symIterNumNew is bpf_iter_num_new(it, start, end).
func symIterNumNew(x *exec, c *call) bv.Term {
	b := x.b
	start, end := b.Extract(x.r[2], 0, 32), b.Extract(x.r[3], 0, 32)
	s, e := int32(c.rec.Args[1]), int32(c.rec.Args[2])
	fail := func(errno maps.Errno) bv.Term {
		x.stackWord(1, c.rec.Args[0], iterAt, 8, b.Const(0, 64))
		return x.int32Result(-int32(errno))
	}
	x.decide(b.Bin(bv.OpSLt, end, start), e < s, WhyHelper)
	if e < s {
		return fail(maps.EINVAL)
	}
	count := b.Bin(bv.OpSub, b.SExt(end, 64), b.SExt(start, 64))
	many := int64(e)-int64(s) > vm.MaxLoops
	x.decide(b.Bin(bv.OpULt, x.u64(vm.MaxLoops), count), many, WhyHelper)
	if many {
		return fail(maps.E2BIG)
	}
	// The first call of next makes it start.
	x.out.put(ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUAdd | ebpf.SrcK, Dst: 2, Imm: -1}, x.here())
	x.stackReg(1, c.rec.Args[0], iterAt, 4, 2, b.Bin(bv.OpAdd, start, b.Const(^uint64(0), 32)))
	x.stackReg(1, c.rec.Args[0], iterEnd, 4, 3, end)
	return x.int32Result(0)
}

// symIterNumNext is bpf_iter_num_next(it): whether it goes on is a predicate.
func symIterNumNext(x *exec, c *call) bv.Term {
	b := x.b
	it := c.rec.Args[0]
	at := x.readMem(x.offset(1, iterAt), it+iterAt, 4)
	end := x.readMem(x.offset(1, iterEnd), it+iterEnd, 4)
	next := b.Bin(bv.OpAdd, b.SExt(at, 64), x.u64(1))
	over := c.rec.Ret == 0
	x.decide(b.Bin(bv.OpSLt, next, b.SExt(end, 64)), !over, WhyLoop)
	if over {
		x.stackWord(1, it, iterAt, 8, b.Const(0, 64))
		x.out.constant(x, 0, 0)
		return x.u64(0)
	}
	x.stackLoad(2, 1, it, iterAt, 4)
	x.out.put(ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUAdd | ebpf.SrcK, Dst: 2, Imm: 1}, x.here())
	x.stackReg(1, it, iterAt, 4, 2, b.Extract(next, 0, 32))
	x.out.put(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: 0, Src: 1}, x.here())
	return x.r[1]
}

// symIterNumDestroy is bpf_iter_num_destroy(it).
func symIterNumDestroy(x *exec, c *call) bv.Term {
	x.stackWord(1, c.rec.Args[0], iterAt, 8, x.b.Const(0, 64))
	return x.unknown(64)
}

// offset is the address off bytes from what register r holds.
func (x *exec) offset(r int, off int16) bv.Term {
	return x.b.Bin(bv.OpAdd, x.r[r], x.u64(uint64(off)))
}

// sizes are the size bits of loads and stores, by bytes.
var sizes = map[int]uint8{1: ebpf.SizeB, 2: ebpf.SizeH, 4: ebpf.SizeW, 8: ebpf.SizeDW}

// stackReg stores n bytes of register src, which are val, at off from register
// base, which points into the stack and holds at.
func (x *exec) stackReg(base uint8, at uint64, off int16, n int, src uint8, val bv.Term) {
	x.stored(ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | sizes[n], Dst: base, Src: src, Off: off}, base, at, n, val)
}

// stackWord stores n bytes of a constant there, of at most 31 bits.
func (x *exec) stackWord(base uint8, at uint64, off int16, n int, val bv.Term) {
	k, _ := x.b.IsConst(val)
	x.stored(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | sizes[n], Dst: base, Off: off, Imm: int32(k)}, base, at, n, val)
}

func (x *exec) stored(in ebpf.Insn, base uint8, at uint64, n int, val bv.Term) {
	addr := at + uint64(in.Off)
	x.writeMem(x.offset(int(base), in.Off), addr, n, val)
	m := x.here()
	m.Mem, m.Addr = x.memAt(addr, n)
	x.out.put(in, m)
}

// stackLoad writes the load of n bytes there into register dst.
func (x *exec) stackLoad(dst, base uint8, at uint64, off int16, n int) {
	m := x.here()
	m.Mem, m.Addr = x.memAt(at+uint64(off), n)
	x.out.put(ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | sizes[n], Dst: dst, Src: base, Off: off}, m)
}

func (x *exec) memAt(addr uint64, n int) (trace.MemKind, uint64) {
	kind, _ := x.place(addr, n)
	if kind != trace.MemStack {
		x.abort(trace.ReasonOpaqueAddress, "a kernel function's state outside the stack")
	}
	return kind, addr
}
