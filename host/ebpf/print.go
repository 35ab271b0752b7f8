package ebpf

import (
	"fmt"
	"strings"
)

// Printer prints instructions as the kernel's verifier does in its log
// (kernel/bpf/disasm.c), with the names of maps where it is told them. What it
// prints of a valid instruction, [Parser] reads back to the same bytes.
type Printer struct {
	// MapName gives the name of the map of an index, "" for none; nil: no
	// map has a name.
	MapName func(index int) string
	// Comment is put behind a slot's instruction, after "; ".
	Comment func(slot int) string
}

var aluText = [16]string{"+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "", "%=", "^=", "=", "s>>=", "", "", ""}
var jmpText = [16]string{"", "==", ">", ">=", "&", "!=", "s>", "s>=", "", "", "<", "<=", "s<", "s<=", "", ""}
var sizeText = map[int]string{1: "8", 2: "16", 4: "32", 8: "64"}
var fetchText = map[int32]string{AtomicAdd: "add", AtomicAnd: "and", AtomicOr: "or", AtomicXor: "xor"}
var lockText = map[int32]string{AtomicAdd: "+=", AtomicAnd: "&=", AtomicOr: "|=", AtomicXor: "^="}

// Program prints slot after slot, a line each: number, colon, instruction.
// The second slot of a wide instruction has no line.
func (p *Printer) Program(insns []Insn) string {
	var b strings.Builder
	for i := 0; i < len(insns); i++ {
		var hi Insn
		if insns[i].IsWide() && i+1 < len(insns) {
			hi = insns[i+1]
		}
		fmt.Fprintf(&b, "%4d: %s", i, p.Insn(insns[i], hi))
		if p.Comment != nil {
			if c := p.Comment(i); c != "" {
				b.WriteString(" ; " + c)
			}
		}
		b.WriteByte('\n')
		if insns[i].IsWide() {
			i++
		}
	}
	return b.String()
}

// String prints an instruction alone; of a wide one the high half is missing.
func (i Insn) String() string { return (&Printer{}).Insn(i, Insn{}) }

// Insn prints one instruction; hi is the second slot of a wide one. What
// can't be decoded prints as `raw` and its eight bytes.
func (p *Printer) Insn(i, hi Insn) string {
	second := &hi
	if !i.IsWide() {
		second = nil
	}
	if msg := i.check(second); msg != "" && !strings.Contains(msg, "frame pointer") && msg != "div by zero" {
		return fmt.Sprintf("raw %x", Encode([]Insn{i}))
	}
	r, mem := byte('r'), fmt.Sprintf("(u%s *)(r%d %+d)", sizeText[i.Size()], i.Dst, i.Off)
	if c := i.Class(); c == ClassALU || c == ClassJMP32 {
		r = 'w'
	}
	switch i.Class() {
	case ClassALU, ClassALU64:
		switch op := i.ALUOp(); {
		case op == ALUEnd && i.Class() == ClassALU64:
			return fmt.Sprintf("r%d = bswap%d r%d", i.Dst, i.Imm, i.Dst)
		case op == ALUEnd && i.Op&SrcX != 0:
			return fmt.Sprintf("r%d = be%d r%d", i.Dst, i.Imm, i.Dst)
		case op == ALUEnd:
			return fmt.Sprintf("r%d = le%d r%d", i.Dst, i.Imm, i.Dst)
		case op == ALUNeg:
			return fmt.Sprintf("%c%d = -%c%d", r, i.Dst, r, i.Dst)
		case op == ALUMov && i.Off != 0:
			return fmt.Sprintf("%c%d = (s%d)%c%d", r, i.Dst, i.Off, r, i.Src)
		default:
			text := aluText[op>>4]
			if i.Off == 1 {
				text = "s" + text
			}
			if i.Op&SrcX != 0 {
				return fmt.Sprintf("%c%d %s %c%d", r, i.Dst, text, r, i.Src)
			}
			return fmt.Sprintf("%c%d %s %d", r, i.Dst, text, i.Imm)
		}
	case ClassLDX:
		sign := byte('u')
		if i.Mode() == ModeMEMSX {
			sign = 's'
		}
		return fmt.Sprintf("r%d = *(%c%s *)(r%d %+d)", i.Dst, sign, sizeText[i.Size()], i.Src, i.Off)
	case ClassST:
		return fmt.Sprintf("*%s = %d", mem, i.Imm)
	case ClassSTX:
		if !i.IsAtomic() {
			return fmt.Sprintf("*%s = r%d", mem, i.Src)
		}
		width := ""
		if i.Size() == 8 {
			width = "64"
		}
		switch i.Imm {
		case AtomicXchg:
			return fmt.Sprintf("r%d = atomic%s_xchg(%s, r%d)", i.Src, width, mem, i.Src)
		case AtomicCmpXchg:
			return fmt.Sprintf("r0 = atomic%s_cmpxchg(%s, r0, r%d)", width, mem, i.Src)
		case AtomicLoadAcq:
			return fmt.Sprintf("r%d = load_acquire((u%s *)(r%d %+d))", i.Dst, sizeText[i.Size()], i.Src, i.Off)
		case AtomicStRel:
			return fmt.Sprintf("store_release(%s, r%d)", mem, i.Src)
		}
		if i.Imm&AtomicFetch != 0 {
			return fmt.Sprintf("r%d = atomic%s_fetch_%s(%s, r%d)", i.Src, width, fetchText[i.Imm&^AtomicFetch], mem, i.Src)
		}
		return fmt.Sprintf("lock *%s %s r%d", mem, lockText[i.Imm], i.Src)
	case ClassLD:
		switch i.Mode() {
		case ModeABS:
			return fmt.Sprintf("r0 = *(u%s *)skb[%d]", sizeText[i.Size()], i.Imm)
		case ModeIND:
			return fmt.Sprintf("r0 = *(u%s *)skb[r%d %+d]", sizeText[i.Size()], i.Src, i.Imm)
		}
		switch i.Src {
		case PseudoMapFD:
			return fmt.Sprintf("r%d = map[%s]", i.Dst, p.mapName(i.Imm))
		case PseudoMapValue:
			return fmt.Sprintf("r%d = map[%s][0]%+d", i.Dst, p.mapName(i.Imm), hi.Imm)
		case PseudoFunc:
			return fmt.Sprintf("r%d = subprog[%+d]", i.Dst, i.Imm)
		case PseudoBTFID:
			return fmt.Sprintf("r%d = btf[0x%x]", i.Dst, Const64(i, hi))
		}
		return fmt.Sprintf("r%d = 0x%x", i.Dst, Const64(i, hi))
	}
	// Jumps.
	switch {
	case i.Op == OpCall && i.Src == CallLocal:
		return fmt.Sprintf("call pc%+d", i.Imm)
	case i.Op == OpCall && i.Src == CallKfunc:
		if i.Off != 0 {
			return fmt.Sprintf("call kfunc#%d@%d", i.Imm, i.Off)
		}
		return fmt.Sprintf("call kfunc#%d", i.Imm)
	case i.Op == OpCall:
		name := HelperName(i.Imm)
		if name == "" {
			name = "unknown"
		}
		return fmt.Sprintf("call %s#%d", name, i.Imm)
	case i.Op == OpExit:
		return "exit"
	case i.Op == OpJA:
		return fmt.Sprintf("goto pc%+d", i.Off)
	case i.Op == OpJA32:
		return fmt.Sprintf("gotol pc%+d", i.Imm)
	case i.Op == OpMayGo:
		return fmt.Sprintf("may_goto pc%+d", i.Off)
	case i.Op&SrcX != 0:
		return fmt.Sprintf("if %c%d %s %c%d goto pc%+d", r, i.Dst, jmpText[i.JmpOp()>>4], r, i.Src, i.Off)
	}
	return fmt.Sprintf("if %c%d %s 0x%x goto pc%+d", r, i.Dst, jmpText[i.JmpOp()>>4], uint32(i.Imm), i.Off)
}

// mapName is a map's name, or # and its index.
func (p *Printer) mapName(index int32) string {
	if p.MapName != nil {
		if n := p.MapName(int(index)); n != "" {
			return n
		}
	}
	return fmt.Sprintf("#%d", index)
}
