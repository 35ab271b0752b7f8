package trace

import "jitnic/host/ebpf"

// EliminateDead removes instructions whose results nothing reads: registers
// and stack bytes that are dead, look-ups whose result is unused. Packet, map
// and helper effects stay. base is the address of the lowest stack byte. It goes
// backward once: straight-line code needs no fixed point.
func EliminateDead(code []ebpf.Insn, meta []Meta, base uint64) ([]ebpf.Insn, []Meta) {
	const stackSize = Frames * FrameStride
	var liveReg [11]bool
	liveStack := make([]bool, stackSize)
	mark := func(addr uint64, n int, v bool) {
		for i := 0; i < n; i++ {
			if o := addr + uint64(i) - base; o < stackSize {
				liveStack[o] = v
			}
		}
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
		need := m.Keep
		switch {
		case in.Op == ebpf.OpExit:
			need = true
			liveReg[0] = true
		case in.Op == ebpf.OpCall:
			if m.Result {
				need = need || liveReg[0]
			} else {
				need = true
			}
			if need {
				for r := 0; r <= 5; r++ {
					liveReg[r] = false
				}
				for _, w := range m.Writes {
					mark(w.Addr, int(w.N), false)
				}
				for r := 1; r <= int(m.Args); r++ {
					liveReg[r] = true
				}
				for _, s := range m.Reads {
					mark(s.Addr, int(s.N), true)
				}
			}
		case in.IsStore():
			switch {
			case m.Mem == MemStack && !in.IsAtomic():
				need = need || anyLive(m.Addr, in.Size())
				if need {
					mark(m.Addr, in.Size(), false)
				}
			default:
				need = true
				if m.Mem == MemStack {
					mark(m.Addr, in.Size(), true)
				}
			}
			if need {
				// A fetching atomic writes the register it reads, so that stays live.
				liveReg[in.Dst] = true
				if in.Class() == ebpf.ClassSTX {
					liveReg[in.Src] = true
				}
				if in.IsAtomic() {
					switch in.Imm {
					case ebpf.AtomicCmpXchg:
						liveReg[0] = true
					case ebpf.AtomicLoadAcq: // dst = *(src + off)
						liveReg[in.Dst] = in.Dst == in.Src
					}
				}
			}
		default:
			use, def := RegsOf(in)
			need = need || def < 0 || liveReg[def]
			if need {
				if def >= 0 {
					liveReg[def] = false
				}
				for r := 0; r < 11; r++ {
					if use>>r&1 == 1 {
						liveReg[r] = true
					}
				}
				if in.IsLoad() && m.Mem == MemStack {
					mark(m.Addr, in.Size(), true)
				}
			}
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

// RegsOf gives the registers an instruction other than a store or call reads,
// as a bit set, and the one it writes (-1: none).
func RegsOf(in ebpf.Insn) (use uint16, def int) {
	switch in.Class() {
	case ebpf.ClassLDX:
		return 1 << in.Src, int(in.Dst)
	case ebpf.ClassLD:
		if in.IsWide() {
			return 0, int(in.Dst)
		}
		return 1 << 6, -1
	case ebpf.ClassALU, ebpf.ClassALU64:
		switch in.ALUOp() {
		case ebpf.ALUMov:
			if in.Op&ebpf.SrcX != 0 {
				return 1 << in.Src, int(in.Dst)
			}
			return 0, int(in.Dst)
		case ebpf.ALUNeg, ebpf.ALUEnd:
			return 1 << in.Dst, int(in.Dst)
		}
		use = 1 << in.Dst
		if in.Op&ebpf.SrcX != 0 {
			use |= 1 << in.Src
		}
		return use, int(in.Dst)
	}
	return 0, -1
}
