package price

import (
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// Shape is what a run costs a host core beyond driver and verdict, in ps: its
// instructions and operations, all maps at hand.
func Shape(s *workload.Shape, h *profile.Host) uint64 {
	each := [workload.Ops]uint64{
		workload.OpArray: h.Array, workload.OpPerCPU: h.PerCPU, workload.OpHash: h.Hash, workload.OpLRU: h.LRU, workload.OpLPM: h.LPM,
		workload.OpUpdate: h.Update, workload.OpRedirect: h.Redir, workload.OpAtomic: h.Atomic,
		workload.OpTail: h.Tail, workload.OpCall: h.Call, workload.OpHelper: h.Helper,
	}
	t := uint64(s.Insns) * h.Insn
	for op, n := range s.Ops {
		t += uint64(n) * each[op]
	}
	return t
}

// Packets is what a host core takes for packets of w beyond the driver, in ps.
func Packets(w *workload.Workload, h *profile.Host) func(q *workload.Packet) uint64 {
	shapes := make([]uint64, len(w.Shapes))
	for i := range w.Shapes {
		shapes[i] = Shape(&w.Shapes[i], h)
	}
	return func(q *workload.Packet) uint64 { return shapes[q.Shape] + uint64(q.Len)*h.Byte + Verdict(q.Fate, h) }
}

// Verdict is what carrying out a verdict costs a host core, in ps.
func Verdict(f workload.Fate, h *profile.Host) uint64 {
	switch f {
	case workload.Pass:
		return h.Pass
	case workload.Tx:
		return h.Tx
	case workload.Redirect:
		return h.Redirect
	}
	return 0
}
