package vliw

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/trace"
)

// Op is one instruction of the core: one of eBPF, or two that were fused.
type Op struct {
	In, Hi ebpf.Insn // Hi: the second slot of a lddw
	Slot   int32     // of In in the code
	With   int32     // the slot fused with it, or -1
	Form   Form
	Left   uint8 // of Three: the register the operation starts from
	To     int32 // of a jump in a program: the slot it goes to when taken
	span   int32 // of a program's piece: which of its blocks it is from
}

// Form says what an Op is.
type Form uint8

// The forms.
const (
	Plain   Form = iota // eBPF's instruction
	Three               // In.Dst = Left op operand
	Load6               // In.Dst = the 6 bytes at In.Src+In.Off
	Store6              // the 6 bytes at In.Dst+In.Off = In.Src
	ExitImm             // exit with verdict In.Imm
)

// size is the bytes a load or store moves.
func (o *Op) size() int {
	if o.Form == Load6 || o.Form == Store6 {
		return 6
	}
	return o.In.Size()
}

// isCall says whether the op calls something that comes back by itself: a
// helper or a kernel function.
func (o *Op) isCall() bool { return o.In.Op == ebpf.OpCall && !leaves(o.In) }
func (o *Op) isExit() bool { return o.In.Op == ebpf.OpExit }

// isBranch says whether control may leave here: jumps, exit, and calls that
// run code of the program or of another one.
func (o *Op) isBranch() bool {
	c := o.In.Class()
	return (c == ebpf.ClassJMP || c == ebpf.ClassJMP32) && !o.isCall()
}

// leaves says whether a call goes on in other code: a local one, one through a
// register, a tail call, a helper with a callback.
func leaves(in ebpf.Insn) bool {
	switch in.Op {
	case ebpf.OpCallX:
		return true
	case ebpf.OpCall:
		if h := in.Called(); h != nil {
			return h.Flow != ebpf.Returns
		}
		return in.Src == ebpf.CallLocal
	}
	return false
}

// reads and writes are the registers used and changed. Calls read just the
// arguments their helper takes.
func (o *Op) reads() ebpf.Regs {
	switch o.Form {
	case Three:
		s := ebpf.Regs(1) << o.Left
		if o.In.Op&ebpf.SrcX != 0 && o.In.ALUOp() != ebpf.ALUEnd {
			s |= 1 << o.In.Src
		}
		return s
	case ExitImm:
		return 0
	}
	return o.In.Reads()
}

func (o *Op) writes() ebpf.Regs { return o.In.Writes() }

// opsOf cuts code into instructions, into a buffer that is reused.
func opsOf(code []ebpf.Insn, ops []Op) ([]Op, error) {
	ops = ops[:0]
	for i := 0; i < len(code); i++ {
		in := code[i]
		o := Op{In: in, Slot: int32(i), With: -1}
		if in.Dst > 10 || in.Src > 10 {
			return nil, fmt.Errorf("vliw: insn %d: register out of range", i)
		}
		if in.IsWide() {
			if i+1 == len(code) {
				return nil, fmt.Errorf("vliw: insn %d: half a wide instruction", i)
			}
			i++
			o.Hi = code[i]
		}
		ops = append(ops, o)
	}
	return ops, nil
}

// straight refuses what isn't the code of a trace.
func straight(ops []Op) error {
	for i := range ops {
		o := &ops[i]
		switch last := i == len(ops)-1; {
		case o.isExit() && !last:
			return fmt.Errorf("vliw: insn %d: exit before the end", o.Slot)
		case o.isBranch() && !o.isExit():
			return fmt.Errorf("vliw: insn %d: a jump in a trace", o.Slot)
		}
	}
	if len(ops) == 0 || !ops[len(ops)-1].isExit() {
		return fmt.Errorf("vliw: the trace does not end in exit")
	}
	return nil
}

// insn is the op, number i, as the analysis of what registers point to takes it.
func (o *Op) insn(i int) *points.Insn {
	left := o.In.Dst
	if o.Form == Three {
		left = o.Left
	}
	return &points.Insn{Insn: o.In, Hi: o.Hi.Imm, At: int32(i), Left: left, Bytes: o.size()}
}

// hintOf is the memory that the recording saw an op touch. meta may be nil.
func hintOf(meta *trace.Meta) points.Hint {
	if meta == nil || meta.Selected {
		return points.Hint{}
	}
	switch meta.Mem {
	case trace.MemCtx:
		return points.Hint{Region: points.InCtx, Map: -1}
	case trace.MemPacket:
		return points.Hint{Region: points.InPacket, Map: -1}
	case trace.MemStack:
		return points.Hint{Region: points.InStack, Map: -1}
	case trace.MemMap:
		return points.Hint{Region: points.InValue, Map: meta.Map}
	}
	return points.Hint{}
}

// isUpdate says whether a call changes the entries of a map with keys.
func isUpdate(in ebpf.Insn) bool {
	h := in.Called()
	return h != nil && h.Writes&ebpf.MapValues != 0
}

// isLookup says whether a call finds a map's entry.
func isLookup(in ebpf.Insn) bool {
	h := in.Called()
	return h != nil && h.Ret == ebpf.RetMapValue
}
