package ebpf

// JmpNotSet is the other side of JSET, no opcode of its own.
const JmpNotSet = uint8(0xff)

var negations = map[uint8]uint8{
	JmpEQ: JmpNE, JmpNE: JmpEQ, JmpGT: JmpLE, JmpLE: JmpGT, JmpGE: JmpLT, JmpLT: JmpGE,
	JmpSGT: JmpSLE, JmpSLE: JmpSGT, JmpSGE: JmpSLT, JmpSLT: JmpSGE, JmpSET: JmpNotSet,
}

// Negated is the comparison that holds where op doesn't; 0 where there is none.
func Negated(op uint8) uint8 { return negations[op] }

var swaps = map[uint8]uint8{JmpEQ: JmpEQ, JmpNE: JmpNE, JmpSET: JmpSET, JmpGT: JmpLT, JmpLT: JmpGT, JmpGE: JmpLE, JmpLE: JmpGE,
	JmpSGT: JmpSLT, JmpSLT: JmpSGT, JmpSGE: JmpSLE, JmpSLE: JmpSGE}

// Swapped is the comparison op with its operands exchanged; 0 where there is none.
func Swapped(op uint8) uint8 { return swaps[op] }

// Inverted is the jump that is taken where i isn't; ok is false where there is
// none.
func (i Insn) Inverted() (out Insn, ok bool) {
	op := Negated(i.JmpOp())
	if op == 0 || op == JmpNotSet || i.Op == OpMayGo {
		return i, false
	}
	i.Op = i.Op&0x0f | op
	return i, true
}
