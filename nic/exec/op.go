package exec

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/host/points"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/trace"
)

// opcode is what the executor switches on: an instruction of a trace with
// everything decided that can be decided before a packet comes.
type opcode uint8

const (
	opExit opcode = iota
	opMovK        // dst = imm (any constant: mov, lddw, map pointers)
	opMovX
	opMov32X
	opAddK
	opAddX
	opSubX
	opMulK
	opMulX
	opLshX
	opRshX
	opAndK
	opAndX
	opOrK
	opOrX
	opXorK
	opXorX
	opLshK
	opRshK
	opArshK
	opAdd32K
	opAdd32X
	opAnd32K
	opAnd32X
	opOr32X
	opLsh32K
	opRsh32K
	opBE16
	opBE32
	opSelect // dst = src if register aux is not 0
	opALU    // everything else: vm.ALU decides
	opLd1
	opLd2
	opLd4
	opLd8
	opLdSX
	opSt1K
	opSt2K
	opSt4K
	opSt8K
	opSt1X
	opSt2X
	opSt4X
	opSt8X
	opCtx // dst = field imm of the context
	opAtomic
	opCall
	opLookup // bpf_map_lookup_elem in a map that a constant names

	// A register moved and changed by a constant, as compilers write
	// three-operand arithmetic: dst = src op imm.
	opMovAddK
	opMovAndK
	opMovLshK
	opMovRshK
)

// fused is what a mov and the operation on its result become together.
var fused = map[opcode]opcode{opAddK: opMovAddK, opAndK: opMovAndK, opLshK: opMovLshK, opRshK: opMovRshK}

// op is one operation of an executable trace, 24 bytes.
type op struct {
	code     opcode
	dst, src uint8
	size     uint8 // bytes moved
	off      int32
	imm      uint64
	aux      int32 // index into Executable.calls or raw
}

// Executable is a trace made ready to run on a State. It works on the trace
// alone: no interpreter, no program.
type Executable struct {
	e     *Engine
	of    *trace.Trace
	ops   []op
	raw   []ebpf.Insn     // of opALU and opAtomic
	calls []vm.HelperFunc // of opCall
	maps  []lookup        // of opLookup
	track bool            // stores to map values are noted
	held  *nic.Held       // is told what stores overwrite; nil: they stand
}

// lookup is the map of an opLookup.
type lookup struct {
	m    maps.Map
	size uint64 // bytes of its key
}

// plainMap is the map that v names, where a look-up in it gives the address of
// a value.
func plainMap(s *vm.State, v uint64) (lookup, bool) {
	i, ok := vm.MapOf(v)
	if !ok || i >= len(s.Maps) {
		return lookup{}, false
	}
	if _, inner := s.Maps[i].(maps.OfMaps); inner {
		return lookup{}, false
	}
	return lookup{s.Maps[i], uint64(s.Maps[i].Spec().KeySize)}, true
}

// bind is Bind, with what it made open to tests.
func (e *Engine) bind(t *trace.Trace) (*Executable, error) {
	s := e.s
	x := &Executable{e: e, of: t, ops: make([]op, 0, len(t.Code)), track: s.Opt.Track}
	ctx := ctxLoads(t.Code)
	var r1 uint64 // what register 1 holds, if a lddw put it there
	for i := 0; i < len(t.Code); i++ {
		in := t.Code[i]
		o := op{dst: in.Dst, src: in.Src, off: int32(in.Off), imm: uint64(int64(in.Imm)), size: uint8(in.Size())}
		if in.Dst > 10 || in.Src > 10 {
			return nil, fmt.Errorf("trace: insn %d: register out of range", i)
		}
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			if in.IsSelect() {
				o.code, o.aux = opSelect, int32(in.Cond())
				break
			}
			if !vm.Valid(in) {
				return nil, fmt.Errorf("trace: insn %d: opcode %#x: no such arithmetic", i, in.Op)
			}
			o.code = aluOp(in)
			if o.code == opALU {
				o.aux = int32(len(x.raw))
				x.raw = append(x.raw, in)
			}
			if in.Class() == ebpf.ClassALU {
				o.imm = uint64(uint32(in.Imm))
			}
		case ebpf.ClassLD:
			if !in.IsWide() || i+1 >= len(t.Code) {
				return nil, fmt.Errorf("trace: insn %d: opcode %#x: not straight-line code", i, in.Op)
			}
			v, err := wideConst(s, in, t.Code[i+1])
			if err != nil {
				return nil, fmt.Errorf("trace: insn %d: %w", i, err)
			}
			o.code, o.imm = opMovK, v
			if in.Dst == 1 {
				r1 = v
			}
			i++
		case ebpf.ClassLDX:
			switch {
			case ctx[i]:
				if _, ok := s.CtxLoad(s.Ctx+uint64(in.Off), in.Size()); !ok {
					return nil, fmt.Errorf("trace: insn %d: no field of %d bytes at %d of the context", i, in.Size(), in.Off)
				}
				o.code, o.imm = opCtx, uint64(in.Off)
			case in.Mode() == ebpf.ModeMEMSX:
				o.code = opLdSX
			default:
				o.code = [9]opcode{1: opLd1, 2: opLd2, 4: opLd4, 8: opLd8}[in.Size()]
			}
		case ebpf.ClassST:
			o.code = [9]opcode{1: opSt1K, 2: opSt2K, 4: opSt4K, 8: opSt8K}[in.Size()]
		case ebpf.ClassSTX:
			if in.IsAtomic() {
				o.code, o.aux = opAtomic, int32(len(x.raw))
				x.raw = append(x.raw, in)
				break
			}
			o.code = [9]opcode{1: opSt1X, 2: opSt2X, 4: opSt4X, 8: opSt8X}[in.Size()]
		default:
			switch {
			case in.Op == ebpf.OpExit:
				o.code = opExit
			case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper:
				if m, ok := plainMap(s, r1); ok && in.Imm == ebpf.FnMapLookupElem {
					o.code, o.aux = opLookup, int32(len(x.maps))
					x.maps = append(x.maps, m)
					r1 = 0
					break
				}
				r1 = 0
				f := vm.Helper(in.Imm)
				if f == nil {
					return nil, fmt.Errorf("trace: insn %d: helper %d: not one a trace can call", i, in.Imm)
				}
				o.code, o.aux = opCall, int32(len(x.calls))
				x.calls = append(x.calls, f)
			default:
				return nil, fmt.Errorf("trace: insn %d: opcode %#x: a jump in a trace", i, in.Op)
			}
		}
		if !in.IsWide() && in.Dst == 1 && in.Class() != ebpf.ClassST && in.Class() != ebpf.ClassSTX {
			r1 = 0
		}
		if n := len(x.ops); n > 0 {
			if f, ok := fused[o.code]; ok && x.ops[n-1].code == opMovX && x.ops[n-1].dst == o.dst {
				x.ops[n-1].code, x.ops[n-1].imm = f, o.imm
				continue
			}
		}
		x.ops = append(x.ops, o)
	}
	if n := len(x.ops); n == 0 || x.ops[n-1].code != opExit {
		return nil, fmt.Errorf("trace: does not end in exit")
	}
	return x, nil
}

// wideConst is the value a lddw loads.
func wideConst(s *vm.State, lo, hi ebpf.Insn) (uint64, error) {
	switch lo.Src {
	case ebpf.PseudoNone:
		return ebpf.Const64(lo, hi), nil
	case ebpf.PseudoMapFD:
		return vm.MapPtr(int(lo.Imm)), nil
	case ebpf.PseudoMapValue:
		if lo.Imm >= 0 && int(lo.Imm) < len(s.Maps) {
			if v, ok := s.ValuePtr(int(lo.Imm), uint32(hi.Imm)); ok {
				return v, nil
			}
		}
	}
	return 0, fmt.Errorf("lddw of kind %d: not resolved", lo.Src)
}

// ctxLoads finds the loads whose base is the context.
func ctxLoads(code []ebpf.Insn) []bool {
	out := make([]bool, len(code))
	var f points.Flow
	f.Enter(nil)
	for i := 0; i < len(code); i++ {
		in := points.InsnAt(code, i)
		if in.Dst > 10 || in.Src > 10 {
			return out // Bind refuses it
		}
		if in.IsWide() {
			i++
		}
		out[in.At] = in.IsLoad() && f.R[in.Src].Kind == points.Ctx
		f.Step(&in, points.Hint{})
		f.Acc = f.Acc[:0]
	}
	return out
}

// aluOps maps an operation to its opcodes with a constant and a register;
// opALU stands for the rarer ones.
var aluOps = map[uint8][2]opcode{
	ebpf.ClassALU64 | ebpf.ALUMov:  {opMovK, opMovX},
	ebpf.ClassALU64 | ebpf.ALUAdd:  {opAddK, opAddX},
	ebpf.ClassALU64 | ebpf.ALUSub:  {opALU, opSubX},
	ebpf.ClassALU64 | ebpf.ALUMul:  {opMulK, opMulX},
	ebpf.ClassALU64 | ebpf.ALUAnd:  {opAndK, opAndX},
	ebpf.ClassALU64 | ebpf.ALUOr:   {opOrK, opOrX},
	ebpf.ClassALU64 | ebpf.ALUXor:  {opXorK, opXorX},
	ebpf.ClassALU64 | ebpf.ALULsh:  {opLshK, opLshX},
	ebpf.ClassALU64 | ebpf.ALURsh:  {opRshK, opRshX},
	ebpf.ClassALU64 | ebpf.ALUArsh: {opArshK, opALU},
	ebpf.ClassALU | ebpf.ALUMov:    {opMovK, opMov32X},
	ebpf.ClassALU | ebpf.ALUAdd:    {opAdd32K, opAdd32X},
	ebpf.ClassALU | ebpf.ALUAnd:    {opAnd32K, opAnd32X},
	ebpf.ClassALU | ebpf.ALUOr:     {opALU, opOr32X},
	ebpf.ClassALU | ebpf.ALULsh:    {opLsh32K, opALU},
	ebpf.ClassALU | ebpf.ALURsh:    {opRsh32K, opALU},
}

func aluOp(in ebpf.Insn) opcode {
	if in.Off != 0 {
		return opALU
	}
	if in.Op == ebpf.ClassALU|ebpf.ALUEnd|ebpf.SrcX {
		switch in.Imm {
		case 16:
			return opBE16
		case 32:
			return opBE32
		}
	}
	p, ok := aluOps[in.Op&^ebpf.SrcX]
	if !ok {
		return opALU
	}
	if in.Op&ebpf.SrcX != 0 {
		return p[1]
	}
	return p[0]
}
