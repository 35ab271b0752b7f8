package trace

import "jitnic/host/ebpf"

// EliminateDead removes instructions whose results nothing reads: registers
// and stack bytes that are dead, look-ups whose result is unused. Packet, map
// and helper effects stay. base is the address of the lowest stack byte; after are
// the stack bytes that are read when the trace is over. It goes backward once:
// straight-line code needs no fixed point.
func EliminateDead(code []ebpf.Insn, meta []Meta, base uint64, after ...Span) ([]ebpf.Insn, []Meta) {
	const stackSize = Frames * FrameStride
	var live ebpf.Regs
	liveStack := make([]bool, stackSize)
	mark := func(addr uint64, n int, v bool) {
		for i := 0; i < n; i++ {
			if o := addr + uint64(i) - base; o < stackSize {
				liveStack[o] = v
			}
		}
	}
	for _, a := range after {
		mark(a.Addr, int(a.N), true)
	}
	anyLive := func(addr uint64, n int) bool {
		for i := 0; i < n; i++ {
			o := addr + uint64(i) - base
			if o >= stackSize || liveStack[o] {
				return true
			}
		}
		return false
	}
	keep := make([]bool, len(code))
	for i := len(code) - 1; i >= 0; i-- {
		in := code[i]
		if i > 0 && code[i-1].IsWide() && secondOfWide(code, i) {
			continue // decided with its first half
		}
		m := &meta[i]
		reads, writes := in.Reads(), in.Writes()
		need := m.Keep
		switch {
		case in.Op == ebpf.OpExit:
			need = true
		case in.Op == ebpf.OpCall:
			need = need || !m.Result || live.Has(0)
			if in.Called() == nil {
				reads = ebpf.Regs(1)<<(m.Args+1) - 2
			}
			if need {
				for _, w := range m.Writes {
					mark(w.Addr, int(w.N), false)
				}
				for _, s := range m.Reads {
					mark(s.Addr, int(s.N), true)
				}
			}
		case in.IsStore():
			onStack := m.Mem == MemStack
			need = need || !onStack || in.IsAtomic() || anyLive(m.Addr, in.Size())
			if need && onStack {
				mark(m.Addr, in.Size(), in.IsAtomic())
			}
		default:
			need = need || writes == 0 || writes&live != 0
			if need && in.IsLoad() && m.Mem == MemStack {
				mark(m.Addr, in.Size(), true)
			}
		}
		if need {
			live = live.Before(reads, writes)
		}
		keep[i] = need
		if in.IsWide() && i+1 < len(code) {
			keep[i+1] = need
		}
	}
	n := 0
	for i := range code {
		if keep[i] {
			code[n], meta[n] = code[i], meta[i]
			n++
		}
	}
	return code[:n], meta[:n]
}

// secondOfWide says whether slot i is the second half of a wide instruction.
// The halves alternate only within a run of slots that look wide, so the run
// is counted.
func secondOfWide(code []ebpf.Insn, i int) bool {
	run := 0
	for j := i - 1; j >= 0 && code[j].IsWide(); j-- {
		run++
	}
	return run%2 == 1
}
