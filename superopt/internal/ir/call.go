package ir

import "jitnic/host/ebpf"

// HelperOf is the row of the helper that an instruction calls, where proofs
// follow it; else nil, and the call is a barrier: no window spans it.
func HelperOf(in *Inst) *ebpf.Helper {
	if h := in.Called(); h != nil && !in.Fixed && Unmodelled(h) == "" {
		return h
	}
	return nil
}

// followed are what a call may read and write for its result, and the world
// after it, to be functions of what a proof holds: the world before, the
// arguments and what they point to, the packet, and the map of the arguments.
// A tail call that succeeds ends the program; one that fails changes nothing.
const (
	followedReads  = ebpf.Packet | ebpf.Bounds | ebpf.MapKeys | ebpf.MapValues | ebpf.MapOrder | ebpf.RedirectTarget | ebpf.Draws | ebpf.Output | ebpf.Rings | ebpf.World | ebpf.AnyMemory
	followedWrites = ebpf.MapKeys | ebpf.MapValues | ebpf.MapOrder | ebpf.RedirectTarget | ebpf.Draws | ebpf.Output | ebpf.Rings | ebpf.World
)

// Unmodelled says why proofs don't follow calls of a helper; "" where they do.
func Unmodelled(h *ebpf.Helper) string {
	switch {
	case h.Flow == ebpf.CallsBack:
		return "it runs a function of the program"
	case h.Flow == ebpf.TailCalls:
		return "" // proofs end there
	case h.Writes|h.OnFail != (h.Writes|h.OnFail)&followedWrites:
		return "it changes the packet, its bounds, the stack or other memory, or takes locks"
	case h.Reads != h.Reads&followedReads:
		return "it depends on locks, timers or the stack"
	case h.Ret == ebpf.RetMem || h.Ret == ebpf.RetSocket || h.Ret == ebpf.RetObject:
		return "it gives memory or an object of the kernel"
	case h.Ret == ebpf.RetMapValue && !h.LooksUp():
		return "it gives a map value by no key, or changes the map"
	}
	context := false
	for _, a := range h.Args {
		switch a.Kind {
		case ebpf.NoArg, ebpf.Scalar, ebpf.ConstMap, ebpf.MapKey, ebpf.MapValue, ebpf.Mem, ebpf.MemSize, ebpf.MemSizeZero, ebpf.ConstSize:
		case ebpf.Context:
			context = true
		default:
			return "an argument is neither number, memory, map nor context"
		}
		if a.Ends {
			return "it uses up what an argument points to"
		}
	}
	if context && (h.Writes|h.OnFail)&ebpf.World != 0 && h.ID != ebpf.FnGetSocketCookie { // a cookie is no field of the context
		return "it may change what the context says"
	}
	return ""
}

// AskedWithin is how many instructions may stand between a call and the jump
// that asks for its result.
const AskedWithin = 8

// FailsTo is where control goes from the call at i where it failed, if a jump
// soon behind it asks for its result, before anything but registers is touched;
// ok is false where none does.
func (p *Prog) FailsTo(i int) (to int, ok bool) {
	holds := uint16(1) // registers with the result
	for k := i + 1; k < len(p.Insts) && k <= i+AskedWithin; k++ {
		in := &p.Insts[k]
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			d := uint16(1) << in.Dst
			if in.ALUOp() == ebpf.ALUMov && in.Op&ebpf.SrcX != 0 && in.Off == 0 && holds>>in.Src&1 != 0 {
				holds |= d
			} else {
				holds &^= d
			}
			continue
		case ebpf.ClassLD:
			if in.Op == Nop {
				continue
			}
		}
		if !in.IsCondJump() || in.Op&ebpf.SrcX != 0 || holds>>in.Dst&1 == 0 || in.Imm != 0 || in.Fixed {
			return 0, false
		}
		switch in.JmpOp() { // either width: a result is an int
		case ebpf.JmpNE, ebpf.JmpSLT:
			return int(in.To), true
		case ebpf.JmpEQ, ebpf.JmpSGE:
			return k + 1, true
		}
		return 0, false
	}
	return 0, false
}
