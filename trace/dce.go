package trace

import "jitnic/host/ebpf"

// EliminateDead removes instructions whose results nothing reads: registers
// and stack bytes that are dead, look-ups whose result is unused. Packet, map
// and helper effects stay. base is the address of the lowest stack byte; after are
// the stack bytes that are read when the trace is over. It goes backward once:
// straight-line code needs no fixed point.
func EliminateDead(code []ebpf.Insn, meta []Meta, base uint64, after ...Span) ([]ebpf.Insn, []Meta) {
	d := dead{base: base, bytes: ebpf.MakeBytes(Frames * FrameStride)}
	for _, a := range after {
		d.bytes.Use(d.at(a.Addr), int(a.N))
	}
	keep := make([]bool, len(code))
	for i := len(code) - 1; i >= 0; i-- {
		if i > 0 && code[i-1].IsWide() && secondOfWide(code, i) {
			continue // decided with its first half
		}
		keep[i] = d.before(code[i], &meta[i])
		if code[i].IsWide() && i+1 < len(code) {
			keep[i+1] = keep[i]
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

// dead is what is read behind a place of a trace.
type dead struct {
	live  ebpf.Regs
	base  uint64
	bytes ebpf.Bytes // of the stack, from base on
}

// at is where an address is on the stack.
func (d *dead) at(addr uint64) int { return int(int64(addr - d.base)) }

// before goes backward over an instruction, and says whether it is needed.
func (d *dead) before(in ebpf.Insn, m *Meta) bool {
	reads, writes := in.Reads(), in.Writes()
	onStack := m.Mem == MemStack
	need := m.Keep
	switch {
	case in.Op == ebpf.OpExit:
		need = true
	case in.Op == ebpf.OpCall:
		need = need || !m.Result || d.live.Has(0)
		if in.Called() == nil {
			reads = ebpf.Regs(1)<<(m.Args+1) - 2
		}
		if need {
			for _, w := range m.Writes {
				d.bytes.Kill(d.at(w.Addr), int(w.N))
			}
			for _, s := range m.Reads {
				d.bytes.Use(d.at(s.Addr), int(s.N))
			}
		}
	case in.IsStore():
		switch {
		case !onStack:
			need = true
		case in.IsAtomic():
			need = true
			d.bytes.Use(d.at(m.Addr), in.Size())
		default:
			need = d.bytes.Kill(d.at(m.Addr), in.Size()) || need
		}
	default:
		need = need || writes == 0 || writes&d.live != 0
		if need && in.IsLoad() && onStack {
			d.bytes.Use(d.at(m.Addr), in.Size())
		}
	}
	if need {
		d.live = d.live.Before(reads, writes)
	}
	return need
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
