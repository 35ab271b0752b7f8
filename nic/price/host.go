package price

import (
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// Shape is what a run costs a host core beyond driver and verdict, in ps: its
// instructions and operations, all maps at hand.
func Shape(s *workload.Shape, h *profile.Host) uint64 {
	t := uint64(s.Insns) * h.Insn
	for op, n := range s.Ops {
		t += uint64(n) * operation(workload.Op(op), h)
	}
	return t
}

// operation is what one operation costs beyond its instruction, in ps.
func operation(op workload.Op, h *profile.Host) uint64 {
	switch op {
	case workload.OpArray:
		return h.Array
	case workload.OpPerCPU:
		return h.PerCPU
	case workload.OpHash:
		return h.Hash
	case workload.OpLRU:
		return h.LRU
	case workload.OpLPM:
		return h.LPM
	case workload.OpUpdate:
		return h.Update
	case workload.OpRedirect:
		return h.Redir
	case workload.OpAtomic:
		return h.Atomic
	case workload.OpTail:
		return h.Tail
	case workload.OpCall:
		return h.Call
	}
	return h.Helper
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
