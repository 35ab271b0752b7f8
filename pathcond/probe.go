package pathcond

import (
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// symProbeRead is bpf_probe_read_kernel(dst, size, src): what the program can't
// reach reads as zeros.
func symProbeRead(x *exec, c *call) bv.Term {
	c.meta.Args = 3
	n := x.size32(c, 2)
	if n == 0 {
		return x.u64(0)
	}
	x.out.writes(x, c, c.rec.Args[0], n)
	if c.rec.Ret != 0 {
		return x.beyondReach(c, n)
	}
	x.reads(c, 3, n)
	x.copyMem(x.r[1], c.rec.Args[0], x.r[3], c.rec.Args[2], n)
	return x.u64(0)
}

// beyondReach has the condition say that register 3 points to n bytes that the
// program can't reach, and clears the buffer of so many bytes at register 1.
func (x *exec) beyondReach(c *call, n int) bv.Term {
	b := x.b
	src, concrete := x.r[3], c.rec.Args[2]
	if b.Opaque(src) {
		x.abort(trace.ReasonOpaqueAddress, x.whence(src))
	}
	if kind, _ := x.place(concrete, 1); kind == trace.MemPacket {
		// Around the packet; as the program knows no other memory there, any such
		// address will do.
		r := x.s.Mem.Find(concrete, 1)
		x.decide(b.Bin(bv.OpULt, b.Bin(bv.OpSub, src, x.u64(r.Addr)), x.u64(r.Size)), true, WhyBounds)
		end := b.Bin(bv.OpAdd, src, x.u64(uint64(n)))
		x.decide(b.OrB(b.Bin(bv.OpULt, src, x.meta), b.Bin(bv.OpULt, x.dataEnd, end)), true, WhyBounds)
	} else {
		x.fix(src, concrete, WhyOffset)
	}
	x.clear(c, n)
	return x.u64(vm.KernelFault(concrete))
}

// clear makes the n bytes at register 1 zero.
func (x *exec) clear(c *call, n int) {
	for k := 0; k < n; k += 8 {
		m := min(8, n-k)
		x.writeMem(x.offset64(1, k), c.rec.Args[0]+uint64(k), m, x.b.Const(0, 8*m))
	}
}

// symProbeReadStr is bpf_probe_read_kernel_str(dst, size, src): how long the string
// is becomes part of the condition.
func symProbeReadStr(x *exec, c *call) bv.Term {
	c.meta.Args = 3
	n := x.size32(c, 2)
	if n == 0 {
		return x.u64(0)
	}
	if int64(c.rec.Ret) < 0 {
		if kind, _ := x.place(c.rec.Args[2], 1); kind == trace.MemMap || kind == trace.MemStack || kind == trace.MemOther {
			x.abort(trace.ReasonHelper, "helper probe_read_kernel_str: a string that runs out of what the program reaches")
		}
		x.out.writes(x, c, c.rec.Args[0], n)
		return x.beyondReach(c, 1)
	}
	s := x.text(x.r[3], c.rec.Args[2], int(c.rec.Ret)-1, n-1)
	x.out.reads(x, c, c.rec.Args[2], min(len(s)+1, n))
	x.out.writes(x, c, c.rec.Args[0], len(s)+1)
	for k, t := range append(s, x.b.Const(0, 8)) {
		x.writeMem(x.offset64(1, k), c.rec.Args[0]+uint64(k), 1, t)
	}
	return x.u64(c.rec.Ret)
}

// text are the bytes of a string, of n bytes in the recorded run: that it has so many
// becomes part of the condition, up to the most that count.
func (x *exec) text(addr bv.Term, concrete uint64, n, most int) (s []bv.Term) {
	zero := x.b.Const(0, 8)
	for k := 0; k <= n && k < most; k++ {
		t := x.readMem(x.b.Bin(bv.OpAdd, addr, x.u64(uint64(k))), concrete+uint64(k), 1)
		x.decide(x.b.Bin(bv.OpEq, t, zero), k == n, WhyHelper)
		if k < n {
			s = append(s, t)
		}
	}
	return s
}

// symProbeReadUser is bpf_probe_read_user(dst, size, src), and its twin for strings:
// there is no user's memory.
func symProbeReadUser(x *exec, c *call) bv.Term {
	c.meta.Args = 3
	n := x.size32(c, 2)
	x.out.writes(x, c, c.rec.Args[0], n)
	x.clear(c, n)
	return x.u64(c.rec.Ret)
}
