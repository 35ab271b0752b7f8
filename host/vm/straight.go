package vm

import "jitnic/host/ebpf"

// straight runs up to budget instructions of the plain families: arithmetic,
// jumps within the function, constants, loads and stores. It stops at the
// first of any other family, at the end of the budget, where control leaves
// the program, and at a fault; the next to run is the one at pc, and left is
// what remains of the budget. addr and val are what a recording says of the
// last instruction that ran, which is why a recorded run has a budget of one.
//
// It is a loop of its own because most of a program is made of these, and a
// small loop keeps what it needs in registers.
func (it *Interp) straight(code []op, start, budget int) (pc, left int, addr, val uint64, f *Fault) {
	s, r := it.S, &it.r
	pc = start
	for ; budget > 0; budget-- {
		if uint(pc) >= uint(len(code)) {
			break
		}
		in := &code[pc]
		switch in.kind {
		case kALUX, kALUK:
			src := in.imm
			if in.kind == kALUX {
				src = r[in.src&15]
			}
			// The commonest stand here too: a call costs more than they do.
			switch in.alu {
			case aMov64:
				val = src
			case aAdd64:
				val = r[in.dst&15] + src
			case aAnd64:
				val = r[in.dst&15] & src
			case aLsh64:
				val = r[in.dst&15] << (src & 63)
			case aRsh64:
				val = r[in.dst&15] >> (src & 63)
			default:
				val = compute(in.alu, r[in.dst&15], src)
			}
			r[in.dst&15] = val
			pc++
		case kJmpX, kJmpK:
			src := in.imm
			if in.kind == kJmpX {
				src = r[in.src&15]
			}
			var jump bool
			switch in.opcode &^ ebpf.SrcX {
			case ebpf.ClassJMP | ebpf.JmpEQ:
				jump = r[in.dst&15] == src
			case ebpf.ClassJMP | ebpf.JmpNE:
				jump = r[in.dst&15] != src
			case ebpf.ClassJMP | ebpf.JmpGT:
				jump = r[in.dst&15] > src
			default:
				jump = taken(in.opcode, r[in.dst&15], src)
			}
			pc++
			if jump {
				pc, addr = int(in.target), 1
			}
		case kJa:
			pc = int(in.target)
		case kLoad, kLoadSX:
			addr = r[in.src&15] + uint64(int64(in.off))
			n := uint64(in.size)
			if s.near(addr, n) || s.Reach(addr, n, false) {
				val = s.Load(addr, int(n))
			} else {
				var ok bool
				if val, ok = s.CtxLoad(addr, int(n)); !ok || in.kind == kLoadSX {
					return pc, budget - 1, addr, 0, badAccess(addr, n, false)
				}
			}
			if in.kind == kLoadSX {
				val = SignExtend(val, int(n))
			}
			r[in.dst&15] = val
			pc++
		case kStoreX, kStoreK:
			addr = r[in.dst&15] + uint64(int64(in.off))
			val = in.imm
			if in.kind == kStoreX {
				val = r[in.src&15]
			}
			n := uint64(in.size)
			if !s.near(addr, n) && !s.Reach(addr, n, true) {
				return pc, budget - 1, addr, val, badAccess(addr, n, true)
			}
			s.Store(addr, int(n), val)
			pc++
		case kLDDW:
			val = in.imm
			r[in.dst&15] = val
			pc += 2
		default:
			return pc, budget, addr, val, nil
		}
	}
	return pc, budget, addr, val, nil
}
