package exec

import (
	"fmt"
	"reflect"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/trace"
)

// A trace is run as it was proved. What bind made of it is read back: each
// operation by a table of what it does, which bind doesn't use, and compared with
// the instructions it stands for.

// meaning is the instruction that an operation of two operands stands for: its
// opcode with a register or a constant.
var meaning = map[opcode]uint8{
	opMovX: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, opMov32X: ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcX,
	opAddK: ebpf.ClassALU64 | ebpf.ALUAdd, opAddX: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcX,
	opSubX: ebpf.ClassALU64 | ebpf.ALUSub | ebpf.SrcX,
	opMulK: ebpf.ClassALU64 | ebpf.ALUMul, opMulX: ebpf.ClassALU64 | ebpf.ALUMul | ebpf.SrcX,
	opLshK: ebpf.ClassALU64 | ebpf.ALULsh, opLshX: ebpf.ClassALU64 | ebpf.ALULsh | ebpf.SrcX,
	opRshK: ebpf.ClassALU64 | ebpf.ALURsh, opRshX: ebpf.ClassALU64 | ebpf.ALURsh | ebpf.SrcX,
	opArshK: ebpf.ClassALU64 | ebpf.ALUArsh,
	opAndK:  ebpf.ClassALU64 | ebpf.ALUAnd, opAndX: ebpf.ClassALU64 | ebpf.ALUAnd | ebpf.SrcX,
	opOrK: ebpf.ClassALU64 | ebpf.ALUOr, opOrX: ebpf.ClassALU64 | ebpf.ALUOr | ebpf.SrcX,
	opXorK: ebpf.ClassALU64 | ebpf.ALUXor, opXorX: ebpf.ClassALU64 | ebpf.ALUXor | ebpf.SrcX,
	opAdd32K: ebpf.ClassALU | ebpf.ALUAdd, opAdd32X: ebpf.ClassALU | ebpf.ALUAdd | ebpf.SrcX,
	opAnd32K: ebpf.ClassALU | ebpf.ALUAnd, opAnd32X: ebpf.ClassALU | ebpf.ALUAnd | ebpf.SrcX,
	opOr32X: ebpf.ClassALU | ebpf.ALUOr | ebpf.SrcX, opLsh32K: ebpf.ClassALU | ebpf.ALULsh, opRsh32K: ebpf.ClassALU | ebpf.ALURsh,
}

// loads and stores by their bytes; a store's is of a constant or of a register.
var (
	loads = map[opcode]uint8{
		opLd1: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeB, opLd2: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeH,
		opLd4: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeW, opLd8: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeDW,
	}
	stores = map[opcode]uint8{
		opSt1K: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeB, opSt2K: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeH,
		opSt4K: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeW, opSt8K: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeDW,
		opSt1X: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeB, opSt2X: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeH,
		opSt4X: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeW, opSt8X: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeDW,
	}
	signed  = map[uint8]uint8{1: ebpf.ClassLDX | ebpf.ModeMEMSX | ebpf.SizeB, 2: ebpf.ClassLDX | ebpf.ModeMEMSX | ebpf.SizeH, 4: ebpf.ClassLDX | ebpf.ModeMEMSX | ebpf.SizeW}
	bytesOf = map[uint8]uint8{ebpf.SizeB: 1, ebpf.SizeH: 2, ebpf.SizeW: 4, ebpf.SizeDW: 8}
)

// unfused is what a mov and an operation together stand for.
var unfused = map[opcode]opcode{opMovAddK: opAddK, opMovAndK: opAndK, opMovLshK: opLshK, opMovRshK: opRshK}

// readBack says where the operations aren't the trace.
func (x *Executable) readBack(t *trace.Trace) error {
	ctx := ctxLoads(t.Code)
	at := 0 // slot of the trace
	named := -1
	for i := range x.ops {
		o := x.ops[i]
		parts := []op{o}
		if second, ok := unfused[o.code]; ok {
			parts = []op{{code: opMovX, dst: o.dst, src: o.src}, {code: second, dst: o.dst, imm: o.imm}}
		}
		for k := range parts {
			if at >= len(t.Code) {
				return fmt.Errorf("trace: operation %d: internal error: it stands for no instruction", i)
			}
			in := t.Code[at]
			var hi ebpf.Insn
			if in.IsWide() && at+1 < len(t.Code) {
				hi = t.Code[at+1]
			}
			if ctx[at] != (parts[k].code == opCtx) || !x.stands(&parts[k], in, hi, named) {
				return fmt.Errorf("trace: insn %d: internal error: what would run is not %v", at, in)
			}
			if in.Writes().Has(1) {
				named = -1
			}
			if at++; in.IsWide() {
				at++
				if in.Dst == 1 && in.Src == ebpf.PseudoMapFD {
					named = int(in.Imm)
				}
			}
		}
	}
	if at != len(t.Code) {
		return fmt.Errorf("trace: insn %d: internal error: it would not run", at)
	}
	return nil
}

// same says whether two functions are one.
func same(f, g vm.HelperFunc) bool {
	return reflect.ValueOf(f).Pointer() == reflect.ValueOf(g).Pointer()
}

// stands says whether an operation does what an instruction does; named is the map
// whose address register 1 holds, or -1.
func (x *Executable) stands(o *op, in, hi ebpf.Insn, named int) bool {
	s := x.e.s
	if o.code != opExit && o.code != opCall && o.code != opLookup && o.dst != in.Dst {
		return false
	}
	if code, ok := meaning[o.code]; ok {
		if in.Op != code || in.Off != 0 {
			return false
		}
		if code&ebpf.SrcX != 0 {
			return o.src == in.Src
		}
		if code&7 == ebpf.ClassALU {
			return o.imm == uint64(uint32(in.Imm))
		}
		return o.imm == uint64(int64(in.Imm))
	}
	if code, ok := loads[o.code]; ok {
		return in.Op == code && o.src == in.Src && o.off == int32(in.Off)
	}
	if code, ok := stores[o.code]; ok {
		if in.Op != code || o.off != int32(in.Off) || o.size != bytesOf[code&ebpf.SizeDW] {
			return false
		}
		if code&7 == ebpf.ClassSTX {
			return o.src == in.Src
		}
		return o.imm == uint64(int64(in.Imm))
	}
	switch o.code {
	case opExit:
		return in.Op == ebpf.OpExit
	case opMovK:
		switch {
		case in.IsWide():
			v, err := wideConst(s, in, hi)
			return err == nil && o.imm == v
		case in.Off != 0:
			return false
		case in.Op == ebpf.ClassALU64|ebpf.ALUMov:
			return o.imm == uint64(int64(in.Imm))
		}
		return in.Op == ebpf.ClassALU|ebpf.ALUMov && o.imm == uint64(uint32(in.Imm))
	case opBE16, opBE32:
		bits := map[opcode]int32{opBE16: 16, opBE32: 32}[o.code]
		return in.Op == ebpf.ClassALU|ebpf.ALUEnd|ebpf.SrcX && in.Imm == bits
	case opSelect:
		return in.IsSelect() && o.src == in.Src && o.aux == int32(in.Cond())
	case opALU:
		c := in.Class()
		return (c == ebpf.ClassALU || c == ebpf.ClassALU64) && x.raw[o.aux] == in && (in.Op&ebpf.SrcX == 0 || in.ALUOp() == ebpf.ALUEnd || o.src == in.Src)
	case opAtomic:
		return in.IsAtomic() && x.raw[o.aux] == in && o.src == in.Src && o.off == int32(in.Off) && int(o.size) == in.Size()
	case opLdSX:
		return in.Op == signed[o.size] && o.src == in.Src && o.off == int32(in.Off)
	case opCtx:
		return in.Op == ebpf.ClassLDX|ebpf.ModeMEM|ebpf.SizeW && o.imm == uint64(in.Off)
	case opLookup:
		return in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && in.Imm == ebpf.FnMapLookupElem && named >= 0 && named < len(s.Maps) &&
			x.maps[o.aux].m == s.Maps[named] && x.maps[o.aux].size == uint64(s.Maps[named].Spec().KeySize)
	case opCall:
		return in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && o.imm == uint64(int64(in.Imm)) && same(x.calls[o.aux], vm.Helper(in.Imm))
	}
	return false
}
