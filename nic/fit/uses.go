package fit

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// use is one thing a trace or condition asks of the device.
type use struct {
	what  useKind
	name  string // helper or instruction class
	m     int32  // map, -1: none, or not known
	place Place
}

type useKind uint8

const (
	useHelper useKind = iota
	useInsn           // an instruction of a class
	useMap            // a map, however it is used
	useStore          // a store into a map's value
	useAtomic         // an atomic add to a map's value
	useUpdate         // a helper that changes a map
)

// pointer is what a register is known to hold.
type pointer struct {
	kind pointerKind
	m    int32 // of mapPtr and value: the map's index, -1 where it isn't known
}

type pointerKind uint8

const (
	other pointerKind = iota
	stackPtr
	mapPtr
	valuePtr
)

// usesOf walks a trace. What a store touches is known from where its address
// comes from; where that is lost, from the recording, if the trace still has
// it.
func usesOf(t *trace.Trace, path int32) []use {
	var out []use
	var r [11]pointer
	r[10] = pointer{kind: stackPtr}
	spills := map[int16]pointer{}
	meta := t.Meta
	if len(meta) != len(t.Code) {
		meta = nil
	}
	var classes []string
	for i := 0; i < len(t.Code); i++ {
		in := t.Code[i]
		at := Place{Path: path, Slot: i, Prog: -1, Insn: -1}
		if meta != nil {
			at.Prog, at.Insn = meta[i].Prog, meta[i].PC
		}
		if in.Dst > 10 || in.Src > 10 && in.Class() != ebpf.ClassLD {
			continue // no instruction: every engine refuses the trace
		}
		classes = classesOf(in, classes[:0])
		for _, c := range classes {
			out = append(out, use{useInsn, c, -1, at})
		}
		switch {
		case in.IsWide():
			r[in.Dst] = pointer{}
			switch in.Src {
			case ebpf.PseudoMapFD:
				r[in.Dst] = pointer{mapPtr, in.Imm}
			case ebpf.PseudoMapValue:
				r[in.Dst] = pointer{valuePtr, in.Imm}
				out = append(out, use{useMap, "", in.Imm, at})
			}
			i++
		case in.IsLoad():
			base := r[in.Src]
			r[in.Dst] = pointer{}
			if base.kind == stackPtr && in.Src == 10 && in.Size() == 8 {
				r[in.Dst] = spills[in.Off]
			}
		case in.IsStore():
			base := r[in.Dst]
			if base.kind == other && meta != nil && meta[i].Mem == trace.MemMap {
				base = pointer{valuePtr, meta[i].Map}
			}
			switch {
			case base.kind == valuePtr && in.IsAtomic() && isLoadAcquire(in):
				// reads only
			case base.kind == valuePtr && in.IsAtomic() && in.Imm == ebpf.AtomicAdd:
				out = append(out, use{useAtomic, "", base.m, at})
			case base.kind == valuePtr:
				out = append(out, use{useStore, "", base.m, at})
			case base.kind == stackPtr && in.Dst == 10:
				delete(spills, in.Off)
				if in.Class() == ebpf.ClassSTX && in.Size() == 8 && !in.IsAtomic() {
					spills[in.Off] = r[in.Src]
				}
			}
			if in.IsAtomic() {
				switch {
				case isLoadAcquire(in):
					r[in.Dst] = pointer{}
				case in.Imm == ebpf.AtomicCmpXchg:
					r[0] = pointer{}
				case in.Imm&ebpf.AtomicFetch != 0:
					r[in.Src] = pointer{}
				}
			}
		case in.Op == ebpf.OpCall:
			m := int32(-1)
			if meta != nil {
				m = meta[i].Map
			}
			if m < 0 && r[1].kind == mapPtr {
				m = r[1].m
			}
			if m < 0 && r[2].kind == mapPtr { // perf_event_output and its kind
				m = r[2].m
			}
			out = append(out, use{useHelper, helperName(in.Imm), m, at})
			if m >= 0 {
				out = append(out, use{useMap, "", m, at})
			}
			ret := pointer{}
			switch in.Imm {
			case ebpf.FnMapLookupElem, ebpf.FnMapLookupPercpuElem:
				ret = pointer{valuePtr, m}
			case ebpf.FnMapUpdateElem, ebpf.FnMapDeleteElem, ebpf.FnMapPushElem, ebpf.FnMapPopElem:
				out = append(out, use{useUpdate, ebpf.HelperName(in.Imm), m, at})
			}
			r = [11]pointer{0: ret, 6: r[6], 7: r[7], 8: r[8], 9: r[9], 10: r[10]}
		case in.Class() == ebpf.ClassALU64:
			r[in.Dst] = moved(in, r[in.Dst], r[in.Src])
		case in.Class() == ebpf.ClassALU:
			r[in.Dst] = pointer{}
		}
	}
	return out
}

// moved is what an ALU64 instruction makes of pointers: moved and shifted ones
// stay what they are.
func moved(in ebpf.Insn, dst, src pointer) pointer {
	if in.Op&ebpf.SrcX == 0 {
		src = pointer{}
	}
	switch {
	case in.ALUOp() == ebpf.ALUMov && in.Off == 0:
		return src
	case in.ALUOp() == ebpf.ALUAdd && dst.kind == other:
		return src
	case in.ALUOp() == ebpf.ALUAdd, in.ALUOp() == ebpf.ALUSub && src.kind == other:
		return dst
	}
	return pointer{}
}

func isLoadAcquire(in ebpf.Insn) bool { return in.Imm == ebpf.AtomicLoadAcq }

// helperName is the kernel's name of a helper, or its number.
func helperName(id int32) string {
	if s := ebpf.HelperName(id); s != "helper" {
		return s
	}
	return fmt.Sprintf("helper %d", id)
}

// condUses lists the maps and helpers that deciding a condition needs. Their
// place is the predicate's.
func condUses(b *bv.Builder, cond []pathcond.Pred, path int32) []use {
	var out []use
	seen := map[bv.Term]bool{}
	var at Place
	var walk func(t bv.Term)
	walk = func(t bv.Term) {
		if seen[t] {
			return
		}
		seen[t] = true
		switch b.Op(t) {
		case bv.OpFun:
			id, arg := b.K(t)&0xffff, int32(b.K(t)>>16)
			switch id {
			case pathcond.FunLookup:
				out = append(out, use{useHelper, ebpf.HelperName(ebpf.FnMapLookupElem), arg, at}, use{useMap, "", arg, at})
			case pathcond.FunPresent, pathcond.FunCount, pathcond.FunRoom:
				out = append(out, use{useMap, "", arg, at})
			case pathcond.FunFib:
				out = append(out, use{useHelper, ebpf.HelperName(ebpf.FnFibLookup), -1, at})
			}
		case bv.OpInput:
			if h := latched(b.K(t)); h != 0 {
				out = append(out, use{useHelper, ebpf.HelperName(h), -1, at})
			}
		}
		for _, x := range b.Args(t) {
			walk(x)
		}
	}
	for _, p := range cond {
		at = Place{Path: path, Slot: -1, Prog: p.Prog, Insn: p.PC}
		walk(p.Term)
	}
	return out
}

// latched is the number of the helper that gives a program a latched input.
func latched(id uint64) int32 {
	switch {
	case id == pathcond.InTime:
		return ebpf.FnKtimeGetNs
	case id == pathcond.InBoot:
		return ebpf.FnKtimeGetBootNs
	case id == pathcond.InCoarse:
		return ebpf.FnKtimeGetCoarseNs
	case id == pathcond.InJiffies:
		return ebpf.FnJiffies64
	case id == pathcond.InCPU:
		return ebpf.FnGetSmpProcessorId
	case id >= pathcond.InRand && id < pathcond.InVersion:
		return ebpf.FnGetPrandomU32
	}
	return 0 // a field of the context, a version
}
