package pathcond

import (
	"encoding/binary"

	"jitnic/host/conntrack"
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
)

// symConn is bpf_xdp_ct_lookup(ctx, tuple, tuple size, opts, opts size). What
// there is to find doesn't change during a run, so tuple and options decide it:
// whether something is found, the error, and the direction are predicates, and
// the trace has constants.
func symConn(x *exec, c *call) bv.Term {
	b := x.b
	tuple, opts := x.size32(c, 3), x.size32(c, 5)
	n, m := ConnBytes(tuple, opts)
	args := append(x.chunks(x.r[2], c.rec.Args[1], n), x.chunks(x.r[4], c.rec.Args[3], m)...)
	answer := func(which int) bv.Term {
		return b.Fun(Fun(FunConn, Conn(which, tuple, opts)), 64, bv.Fact{}, args...)
	}
	at := answer(ConnAddr)
	found := c.rec.Ret != 0
	x.decide(b.Bin(bv.OpEq, at, x.u64(0)), !found, WhyHelper)
	field, size, which := int16(conntrack.OptError), 4, ConnError
	if found {
		field, size, which = conntrack.OptDir, 1, ConnDir
	}
	if found || opts >= conntrack.OptError+4 {
		left := x.rec.Value(c.rec)[field:] // what the run left there
		k, stored := uint64(left[0]), uint64(left[0])
		if !found {
			stored = uint64(binary.LittleEndian.Uint32(left))
			k = uint64(-int32(stored))
		}
		x.fix(answer(which), k, WhyHelper)
		x.optWord(4, c.rec.Args[3], field, size, stored)
	}
	x.out.constant(x, 0, bv.Bit(found)) // of a connection only fields are read, and those are constants too
	if !found {
		return x.u64(0)
	}
	return at
}

// optWord stores the low n bytes of k at off from what register base holds, which
// is at, wherever that is.
func (x *exec) optWord(base uint8, at uint64, off int16, n int, k uint64) {
	addr := at + uint64(off)
	x.writeMem(x.offset(int(base), off), addr, n, x.b.Const(k, 8*n))
	meta := x.here()
	kind, owner := x.place(addr, n)
	meta.Mem, meta.Map, meta.Addr = kind, int32(owner), addr
	x.out.put(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | sizes[n], Dst: base, Off: off, Imm: int32(k)}, meta)
}

// connField is what n bytes at addr, of a connection, hold: a constant, by a
// predicate. Paths are so told apart by what they read of connections, not by
// which connections they found.
func (x *exec) connField(addr bv.Term, n int) bv.Term {
	base, off := x.split(addr)
	return x.fix(x.initialBytes(base, off, n), x.s.Load(x.step.Addr, n), WhyHelper)
}
