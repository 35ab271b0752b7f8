package ebpf

import "fmt"

// InsnError says what is wrong with the instruction at a slot, in the words
// of the kernel's verifier where it has some.
type InsnError struct {
	Slot int
	Msg  string
}

func (e *InsnError) Error() string { return fmt.Sprintf("insn %d: %s", e.Slot, e.Msg) }

// Validate checks the encoding of a whole program: opcodes, registers,
// reserved fields, jump targets, and that no path runs off the end. It is what
// the kernel checks before it follows any path (kernel/bpf/verifier.c:
// resolve_pseudo_ldimm64, check_subprogs, and the field checks of do_check),
// so the programs it passes are those an interpreter can decode. The error is
// an *[InsnError].
func Validate(insns []Insn) error {
	fail := func(slot int, format string, args ...any) error {
		return &InsnError{slot, fmt.Sprintf(format, args...)}
	}
	if len(insns) == 0 {
		return fail(0, "no instructions")
	}
	second := make([]bool, len(insns)) // second slots of lddw
	for i := 0; i < len(insns); i++ {
		var hi *Insn
		if insns[i].IsWide() {
			if i+1 == len(insns) {
				return fail(i, "invalid bpf_ld_imm64 insn")
			}
			hi = &insns[i+1]
		}
		if msg := insns[i].check(hi); msg != "" {
			return fail(i, "%s", msg)
		}
		if hi != nil {
			i++
			second[i] = true
		}
	}
	for i := 0; i < len(insns); i++ {
		in := insns[i]
		if second[i] {
			continue
		}
		if off, ok := in.jump(); ok {
			if t := i + 1 + off; t < 0 || t >= len(insns) {
				return fail(i, "jump out of range from insn %d to %d", i, t)
			} else if second[t] {
				return fail(i, "jump into the middle of ldimm64 insn %d", t)
			}
		}
		last := i + 1
		if in.IsWide() {
			last = i + 2
		}
		if last == len(insns) && in.Op != OpExit && in.Op != OpJA && in.Op != OpJA32 {
			return fail(i, "last insn is not an exit or jmp")
		}
	}
	return nil
}

// Check says what is wrong with the encoding of one instruction; hi is the
// second slot of a wide one, else nil. It looks at no other instruction.
func (i Insn) Check(hi *Insn) error {
	if msg := i.check(hi); msg != "" {
		return &InsnError{0, msg}
	}
	return nil
}

// jump returns the distance to where an instruction may go instead of the
// next slot: jumps, local calls, and addresses of callbacks.
func (i Insn) jump() (off int, ok bool) {
	switch {
	case i.Op == OpJA32:
		return int(i.Imm), true
	case i.Op == OpJA, i.IsCondJump():
		return int(i.Off), true
	case i.Op == OpCall && i.Src == CallLocal, i.IsWide() && i.Src == PseudoFunc:
		return int(i.Imm), true
	}
	return 0, false
}

// check returns "" for a valid instruction.
func (i Insn) check(hi *Insn) string {
	msg := i.wrong(hi)
	if msg == unknown {
		msg = fmt.Sprintf("%s %02x", unknown, i.Op)
	}
	return msg
}

// unknown is what is wrong with an opcode that isn't one.
const unknown = "unknown opcode"

func (i Insn) wrong(hi *Insn) string {
	if i.Dst > 10 {
		return fmt.Sprintf("R%d is invalid", i.Dst)
	}
	if i.Src > 10 {
		return fmt.Sprintf("R%d is invalid", i.Src)
	}
	switch i.Class() {
	case ClassALU, ClassALU64:
		return i.checkALU()
	case ClassJMP, ClassJMP32:
		return i.checkJump()
	case ClassLDX:
		if i.Imm != 0 {
			return "BPF_LDX uses reserved fields"
		}
		switch {
		case i.Mode() == ModeMEM, i.Mode() == ModeMEMSX && i.Size() != 8:
		default:
			return unknown
		}
		return i.writes10()
	case ClassST:
		if i.Mode() != ModeMEM {
			return unknown
		}
		if i.Src != 0 {
			return "BPF_ST uses reserved fields"
		}
	case ClassSTX:
		switch i.Mode() {
		case ModeMEM:
			if i.Imm != 0 {
				return "BPF_STX uses reserved fields"
			}
		case ModeATOMIC:
			return i.checkAtomic()
		default:
			return unknown
		}
	case ClassLD:
		switch i.Mode() {
		case ModeIMM:
			return i.checkWide(hi)
		case ModeABS, ModeIND:
			if i.Size() == 8 {
				return unknown
			}
			if i.Dst != 0 || i.Off != 0 || i.Mode() == ModeABS && i.Src != 0 {
				return "BPF_LD_[ABS|IND] uses reserved fields"
			}
		default:
			return unknown
		}
	}
	return ""
}

func (i Insn) writes10() string {
	if i.Dst == 10 {
		return "frame pointer is read only"
	}
	return ""
}

func (i Insn) checkALU() string {
	x, wide := i.Op&SrcX != 0, i.Class() == ClassALU64
	bits := int32(32)
	if wide {
		bits = 64
	}
	switch i.ALUOp() {
	case ALUEnd:
		if wide && x {
			return unknown
		}
		if i.Src != 0 || i.Off != 0 || i.Imm != 16 && i.Imm != 32 && i.Imm != 64 {
			return "BPF_END uses reserved fields"
		}
		return i.writes10()
	case ALUNeg:
		if x || i.Src != 0 || i.Off != 0 || i.Imm != 0 {
			return "BPF_NEG uses reserved fields"
		}
		return i.writes10()
	case ALUMov:
		if x {
			if i.Imm != 0 {
				return "BPF_MOV uses reserved fields"
			}
			switch {
			case i.Off == 0, i.Off == 8, i.Off == 16, wide && i.Off == 32:
			default:
				return "BPF_MOV uses reserved fields"
			}
		} else if i.Src != 0 || i.Off != 0 {
			return "BPF_MOV uses reserved fields"
		}
		return i.writes10()
	case 0xe0, 0xf0:
		return fmt.Sprintf("invalid BPF_ALU opcode %x", i.ALUOp())
	}
	signed := i.ALUOp() == ALUDiv || i.ALUOp() == ALUMod
	if i.Off != 0 && !(signed && i.Off == 1) {
		return "BPF_ALU uses reserved fields"
	}
	if x {
		if i.Imm != 0 {
			return "BPF_ALU uses reserved fields"
		}
		return i.writes10()
	}
	if i.Src != 0 {
		return "BPF_ALU uses reserved fields"
	}
	if signed && i.Imm == 0 {
		return "div by zero"
	}
	switch i.ALUOp() {
	case ALULsh, ALURsh, ALUArsh:
		if i.Imm < 0 || i.Imm >= bits {
			return fmt.Sprintf("invalid shift %d", i.Imm)
		}
	}
	return i.writes10()
}

func (i Insn) checkJump() string {
	x, wide := i.Op&SrcX != 0, i.Class() == ClassJMP
	switch i.JmpOp() {
	case JmpA:
		switch {
		case x:
			return unknown
		case i.Dst != 0 || i.Src != 0 || wide && i.Imm != 0 || !wide && i.Off != 0:
			return "BPF_JA uses reserved fields"
		}
		return ""
	case JmpCall:
		switch {
		case !wide || x:
			return unknown
		case i.Dst != 0 || i.Src > CallKfunc || i.Src != CallKfunc && i.Off != 0:
			return "BPF_CALL uses reserved fields"
		}
		return ""
	case JmpExit:
		switch {
		case !wide || x:
			return unknown
		case i.Dst != 0 || i.Src != 0 || i.Off != 0 || i.Imm != 0:
			return "BPF_EXIT uses reserved fields"
		}
		return ""
	case JmpCOND:
		switch {
		case !wide || x:
			return unknown
		case i.Dst != 0 || i.Src != 0 || i.Imm != 0:
			return "invalid may_goto"
		}
		return ""
	case 0xf0:
		return unknown
	}
	if x && i.Imm != 0 || !x && i.Src != 0 {
		return "BPF_JMP/JMP32 uses reserved fields"
	}
	return ""
}

func (i Insn) checkAtomic() string {
	acquire := i.Imm == AtomicLoadAcq || i.Imm == AtomicStRel
	if i.Size() < 4 && !acquire {
		return "invalid atomic operand size"
	}
	switch i.Imm {
	case AtomicAdd, AtomicOr, AtomicAnd, AtomicXor, AtomicStRel:
	case AtomicAdd | AtomicFetch, AtomicOr | AtomicFetch, AtomicAnd | AtomicFetch, AtomicXor | AtomicFetch, AtomicXchg:
		if i.Src == 10 {
			return "frame pointer is read only"
		}
	case AtomicCmpXchg:
	case AtomicLoadAcq:
		return i.writes10()
	default:
		return fmt.Sprintf("BPF_ATOMIC uses invalid atomic opcode %02x", i.Imm)
	}
	return ""
}

func (i Insn) checkWide(hi *Insn) string {
	if i.Op != OpLDDW {
		return fmt.Sprintf("unknown opcode %02x", i.Op)
	}
	if hi == nil || hi.Op != 0 || hi.Dst != 0 || hi.Src != 0 || hi.Off != 0 {
		return "invalid bpf_ld_imm64 insn"
	}
	if i.Off != 0 || i.Src > PseudoFunc {
		return "BPF_LD_IMM64 uses reserved fields"
	}
	if (i.Src == PseudoMapFD || i.Src == PseudoMapValue) && i.Imm < 0 {
		return "no index of a map"
	}
	if (i.Src == PseudoMapFD || i.Src == PseudoFunc) && hi.Imm != 0 {
		return "unrecognized bpf_ld_imm64 insn"
	}
	return i.writes10()
}
