package ir

import (
	"testing"

	"jitnic/host/ebpf"
)

// Unknown opcodes are refused, never read as nop.
func TestDefectUnknownOpcode(t *testing.T) {
	for op := 0; op < 256; op++ {
		in := ebpf.Insn{Op: uint8(op), Imm: 16}
		if in.Check(nil) == nil && in.Op != Nop {
			continue
		}
		_, err := FromSlots("x", KindConst, []ebpf.Insn{in, {Op: ebpf.OpExit}}, nil)
		if err == nil {
			t.Errorf("opcode %#02x taken", op)
		}
	}
}
