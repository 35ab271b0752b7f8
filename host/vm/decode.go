package vm

import (
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
)

// kind is the family of an instruction: what the interpreter's loop switches
// on. Which operation of the family it is, the family's file decides.
type kind uint8

const (
	// The plain families, which straight.go runs.
	kALUK   kind = iota // arithmetic with a constant
	kALUX               // arithmetic with a register
	kJmpK               // conditional jump, constant
	kJmpX               // conditional jump, register
	kJa                 // ja, gotol
	kLoad               // ldx
	kLoadSX             // ldx, sign-extending
	kStoreK             // st
	kStoreX             // stx
	kLDDW               // any lddw whose value is known before the run
	// Those that interp.go runs.
	kAtomic // read-modify-write, load_acquire, store_release
	kMayGo  // may_goto
	kCall   // helper
	kLocal  // bpf-to-bpf call
	kKfunc  // kernel function
	kCallX  // call through a register
	kExit   //
	kPacket // LD_ABS, LD_IND
	kHigh   // second slot of a lddw: a fault when jumped to
	kBad    // not an instruction: a fault when reached
	// What the loader couldn't link: a fault when reached.
	kUnlinked

	lastStraight = kLDDW
)

// op is a decoded instruction: what the loop needs at hand.
type op struct {
	kind   kind
	dst    uint8
	src    uint8
	size   uint8 // bytes moved
	alu    alu   // of arithmetic
	opcode uint8
	off    int16  // of loads and stores
	target int32  // slot a jump or local call goes to; of a kfunc its index in kfuncs, or -1
	imm    uint64 // Imm sign-extended; of a lddw the value
	raw    ebpf.Insn
}

// Valid says whether the slot is an instruction of the set, by the kernel's
// rules for fields that must be zero where those change the meaning. The second
// slot of a lddw isn't.
func Valid(in ebpf.Insn) bool {
	if in.Dst > 10 || in.Src > 10 {
		return false
	}
	return anyway[in.Op] || in.Off == 0 && unmoved[in.Op] || kindOf(in) != kBad
}

// anyway are opcodes that are valid whatever offset and constant are, unmoved those
// that are whatever the constant is where the offset is 0.
var anyway, unmoved [256]bool

func init() {
	for op := range 256 {
		in := ebpf.Insn{Op: uint8(op)}
		valid := kindOf(in) != kBad
		switch in.Class() {
		case ebpf.ClassLDX, ebpf.ClassST:
			anyway[op] = valid
		case ebpf.ClassSTX:
			anyway[op] = valid && !in.IsAtomic()
		case ebpf.ClassALU, ebpf.ClassALU64:
			unmoved[op] = valid && in.ALUOp() != ebpf.ALUEnd
		}
	}
}

func kindOf(in ebpf.Insn) kind {
	if in.Dst > 10 || in.Src > 10 {
		return kBad
	}
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		return kindALU(in)
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		return kindJump(in)
	case ebpf.ClassLD:
		switch {
		case in.Op == ebpf.OpLDDW:
			return kLDDW
		case (in.Mode() == ebpf.ModeABS || in.Mode() == ebpf.ModeIND) && in.Size() < 8:
			return kPacket
		}
	case ebpf.ClassLDX:
		switch {
		case in.Mode() == ebpf.ModeMEM:
			return kLoad
		case in.Mode() == ebpf.ModeMEMSX && in.Size() < 8:
			return kLoadSX
		}
	case ebpf.ClassST:
		if in.Mode() == ebpf.ModeMEM {
			return kStoreK
		}
	case ebpf.ClassSTX:
		switch {
		case in.Mode() == ebpf.ModeMEM:
			return kStoreX
		case in.Mode() == ebpf.ModeATOMIC:
			return kindAtomic(in)
		}
	}
	return kBad
}

func kindALU(in ebpf.Insn) kind {
	k := kALUK
	if in.Op&ebpf.SrcX != 0 {
		k = kALUX
	}
	wide := in.Class() == ebpf.ClassALU64
	switch in.ALUOp() {
	case ebpf.ALUDiv, ebpf.ALUMod:
		if in.Off != 0 && in.Off != 1 {
			return kBad
		}
	case ebpf.ALUMov:
		switch {
		case in.Off == 0:
		case k == kALUX && (in.Off == 8 || in.Off == 16 || in.Off == 32 && wide):
		default: // 1 is the cast between address spaces of an arena map
			return kBad
		}
	case ebpf.ALUNeg:
		if k == kALUX || in.Off != 0 {
			return kBad
		}
	case ebpf.ALUEnd:
		if in.Off != 0 || wide && k == kALUX {
			return kBad
		}
		if in.Imm != 16 && in.Imm != 32 && in.Imm != 64 {
			return kBad
		}
		return kALUK // the source bit is the direction, not an operand
	case 0xe0, 0xf0:
		return kBad
	default:
		if in.Off != 0 {
			return kBad
		}
	}
	return k
}

func kindJump(in ebpf.Insn) kind {
	switch in.Op {
	case ebpf.OpJA, ebpf.OpJA32:
		return kJa
	case ebpf.OpExit:
		return kExit
	case ebpf.OpMayGo:
		if in.Src != 0 {
			return kBad
		}
		return kMayGo
	case ebpf.OpCallX:
		return kCallX
	case ebpf.OpCall:
		switch in.Src {
		case ebpf.CallHelper:
			return kCall
		case ebpf.CallLocal:
			return kLocal
		case ebpf.CallKfunc:
			return kKfunc
		}
		return kBad
	}
	switch in.JmpOp() {
	case ebpf.JmpA, ebpf.JmpCall, ebpf.JmpExit, ebpf.JmpCOND, 0xf0:
		return kBad
	}
	if in.Op&ebpf.SrcX != 0 {
		return kJmpX
	}
	return kJmpK
}

func kindAtomic(in ebpf.Insn) kind {
	switch in.Imm {
	case ebpf.AtomicLoadAcq, ebpf.AtomicStRel:
		return kAtomic // of any size
	case ebpf.AtomicAdd, ebpf.AtomicOr, ebpf.AtomicAnd, ebpf.AtomicXor,
		ebpf.AtomicAdd | ebpf.AtomicFetch, ebpf.AtomicOr | ebpf.AtomicFetch,
		ebpf.AtomicAnd | ebpf.AtomicFetch, ebpf.AtomicXor | ebpf.AtomicFetch,
		ebpf.AtomicXchg, ebpf.AtomicCmpXchg:
		if in.Size() >= 4 {
			return kAtomic
		}
	}
	return kBad
}

// decode prepares one program for the loop. index is its place in the object.
func decode(s *State, p *loader.Program, index int) []op {
	code := make([]op, len(p.Insns))
	for pc := 0; pc < len(code); pc++ {
		in := p.Insns[pc]
		o := op{
			kind: kindOf(in), dst: in.Dst, src: in.Src, size: uint8(in.Size()),
			target: int32(pc) + 1 + int32(in.Off), imm: uint64(int64(in.Imm)), raw: in,
		}
		o.opcode, o.off = in.Op, in.Off
		if what, ok := p.Unsupported[pc]; ok {
			name, isKfunc := strings.CutPrefix(what, "kfunc ")
			o.target = kfuncIndex(name)
			if !isKfunc || o.kind != kKfunc || o.target < 0 {
				o.kind = kUnlinked
			}
		} else if o.kind == kKfunc {
			o.target = -1
		}
		switch o.kind {
		case kALUK, kALUX:
			o.alu = aluOf(in)
		case kJa:
			if in.Op == ebpf.OpJA32 {
				o.target = int32(pc) + 1 + in.Imm
			}
		case kLocal:
			o.target = int32(pc) + 1 + in.Imm
		case kLDDW:
			if pc+1 == len(code) {
				o.kind = kBad
				break
			}
			hi := p.Insns[pc+1]
			if v, ok := s.constant(in, hi, index, pc); ok {
				o.imm = v
			} else {
				o.kind = kBad
			}
			if _, ok := p.Unsupported[pc]; ok {
				o.kind = kUnlinked
			}
			if hi.Op == 0 {
				code[pc] = o
				pc++
				o = op{kind: kHigh, raw: hi}
			} else {
				o.kind = kBad
			}
		}
		code[pc] = o
	}
	return code
}

// constant is the value a lddw loads.
func (s *State) constant(lo, hi ebpf.Insn, prog, pc int) (uint64, bool) {
	switch lo.Src {
	case ebpf.PseudoNone:
		return ebpf.Const64(lo, hi), true
	case ebpf.PseudoMapFD:
		if uint32(lo.Imm) < uint32(len(s.Maps)) {
			return MapPtr(int(lo.Imm)), true
		}
	case ebpf.PseudoMapValue:
		if uint32(lo.Imm) < uint32(len(s.Maps)) {
			return s.ValuePtr(int(lo.Imm), uint32(hi.Imm))
		}
	case ebpf.PseudoFunc:
		return FuncPtr(prog, pc+1+int(lo.Imm)), true
	}
	return 0, false
}
