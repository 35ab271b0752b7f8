package pathcond

import (
	"encoding/binary"
	"slices"

	"jitnic/host/maps"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// ringState is what the path has done to a ring buffer: where a record comes to
// stand, and whether there is room, is a function of the buffer before the run and
// of that.
type ringState struct {
	ops  []uint64 // maps.ReserveOp and maps.CommitOp, in order
	open []uint64 // of the records reserved: their addresses in the run, 0 once they were committed
}

// did adds an operation.
func (x *exec) did(r *ringState, op uint64) {
	if len(r.ops) == maps.MaxRingOps {
		x.abort(trace.ReasonTooLong, "records of one ring buffer")
	}
	r.ops = append(r.ops, op)
}

func (x *exec) reserved(r *ringState, size, at uint64) {
	x.did(r, maps.ReserveOp(size))
	r.open = append(r.open, at)
}

func (x *exec) committed(r *ringState, n int) {
	x.did(r, maps.CommitOp(n))
	r.open[n] = 0
}

// after are the terms of what the path has done.
func (x *exec) after(r *ringState) (ops []bv.Term) {
	for _, op := range r.ops {
		ops = append(ops, x.u64(op))
	}
	return ops
}

// room is the address a reservation of size bytes has now, 0 where there is no room.
func (x *exec) room(i int, size uint64) bv.Term {
	x.settle(i)
	return x.b.Fun(Fun(FunRoom, i), 64, bv.Fact{}, append([]bv.Term{x.u64(size)}, x.after(&x.mapState(i).ring)...)...)
}

// symRingOutput is bpf_ringbuf_output(ring, data, size, flags): whether there was
// room becomes part of the condition where the path depends on it.
func symRingOutput(x *exec, c *call) bv.Term {
	c.meta.Args = 4
	i := x.mapArg(c, 1)
	n := x.size32(c, 3)
	x.reads(c, 2, n)
	flags := x.constArg(c, 4)
	if flags&^3 != 0 {
		return x.errno(int64(maps.EINVAL))
	}
	ms := x.mapState(i)
	none := x.b.Bin(bv.OpEq, x.room(i, uint64(n)), x.u64(0))
	ms.unsettled = &unsettled{none, int64(c.rec.Ret) < 0, func(full bool) {
		if !full {
			x.reserved(&ms.ring, uint64(n), 0)
			x.committed(&ms.ring, len(ms.ring.open)-1)
		}
	}}
	return x.b.Ite(none, x.errno(int64(maps.EAGAIN)), x.u64(0))
}

// reserve decides whether there is room for a record, which came to stand at an
// address in the run, and gives its address.
func (x *exec) reserve(i int, size, at uint64) (t bv.Term, ok bool) {
	t = x.room(i, size)
	x.decide(x.b.Bin(bv.OpEq, t, x.u64(0)), at == 0, WhyHelper)
	if at != 0 {
		x.reserved(&x.mapState(i).ring, size, at)
	}
	return t, at != 0
}

// symRingReserve is bpf_ringbuf_reserve(ring, size, flags).
func symRingReserve(x *exec, c *call) bv.Term {
	c.meta.Args = 3
	i := x.mapArg(c, 1)
	size, flags := x.constArg(c, 2), x.constArg(c, 3)
	if flags != 0 {
		return x.u64(0)
	}
	t, ok := x.reserve(i, size, c.rec.Ret)
	if !ok {
		return x.u64(0)
	}
	return t
}

// commit notes that the record at an address of the run was submitted or discarded.
func (x *exec) commit(at uint64) {
	for i := range x.s.Maps {
		ms := x.maps[i]
		if ms == nil {
			continue
		}
		if n := slices.Index(ms.ring.open, at); n >= 0 && at != 0 {
			x.settle(i)
			x.committed(&ms.ring, n)
			return
		}
	}
	x.abort(trace.ReasonInternal, "a record that the path has not reserved")
}

func symRingCommit(x *exec, c *call) bv.Term {
	c.meta.Args = 2
	x.commit(c.rec.Args[0])
	return x.u64(0)
}

// symRingReserveDynptr is bpf_ringbuf_reserve_dynptr(ring, size, flags, ptr).
func symRingReserveDynptr(x *exec, c *call) bv.Term {
	c.meta.Args = 4
	i := x.mapArg(c, 1)
	size, flags := uint64(x.size32(c, 2)), x.constArg(c, 3)
	x.out.writes(x, c, c.rec.Args[3], 16)
	none := func(e maps.Errno) bv.Term {
		x.setDynptr(c, 4, &symDynptr{null: true, size: x.u64(0), off: x.u64(0)})
		return x.errno(int64(e))
	}
	switch {
	case flags != 0:
		return none(maps.EINVAL)
	case size > dynptrSizeBits:
		return none(maps.E2BIG)
	}
	at := uint64(0)
	if c.rec.Ret == 0 {
		at = x.recordInRun(c)
	}
	t, ok := x.reserve(i, size, at)
	if !ok {
		return none(maps.EINVAL)
	}
	x.setDynptr(c, 4, &symDynptr{base: t, baseC: at, size: x.u64(size), sizeC: size, off: x.u64(0), record: true})
	return x.u64(0)
}

// recordInRun is the address of the record that the call reserved in the recorded
// run.
func (x *exec) recordInRun(c *call) uint64 {
	v := x.rec.Value(c.rec)
	if len(v) < 8 {
		x.abort(trace.ReasonInternal, "a recording without the record that was reserved")
	}
	return binary.LittleEndian.Uint64(v)
}

// symRingCommitDynptr is bpf_ringbuf_submit_dynptr(ptr, flags) or
// bpf_ringbuf_discard_dynptr: the dynptr is null from then on.
func symRingCommitDynptr(x *exec, c *call) bv.Term {
	c.meta.Args = 2
	x.out.reads(x, c, c.rec.Args[0], 16)
	if d := x.dynptr(c, 1); d.record {
		x.commit(d.baseC)
	}
	x.setDynptr(c, 1, &symDynptr{null: true, size: x.u64(0), off: x.u64(0)})
	x.out.writes(x, c, c.rec.Args[0], 16)
	return x.u64(0)
}

// symRingQuery is bpf_ringbuf_query(ring, flags).
func symRingQuery(x *exec, c *call) bv.Term {
	c.meta.Args = 2
	c.meta.Result = true
	i := x.mapArg(c, 1)
	flags := x.constArg(c, 2)
	x.settle(i)
	return x.b.Fun(Fun(FunQuery, i), 64, bv.Fact{}, append([]bv.Term{x.u64(flags)}, x.after(&x.mapState(i).ring)...)...)
}
