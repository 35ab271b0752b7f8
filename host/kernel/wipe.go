package kernel

import (
	"jitnic/host/ebpf"
	"jitnic/host/loader"
)

// wipeStacks puts stores of zeros in front of every function, for as much of
// the stack as it uses. Two programs that leave bytes of their stack as they
// find them, padding of a key for one, then find the same.
//
//	function at 0:  *(u64 *)(r10 -8) = 0; *(u64 *)(r10 -16) = 0; …; as before
//
// Calls go to the stores, jumps to where they went. What can't be addressed any
// more (a jump of more than 16 bits) leaves the code as it was.
func wipeStacks(code []ebpf.Insn, funcs []loader.Func) ([]ebpf.Insn, []loader.Func) {
	const store = ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeDW
	var out []ebpf.Insn
	at := make([]int, len(code)+1)    // where an instruction went
	called := make(map[int]int)       // where a function begins
	from := make([]int, 0, len(code)) // which instruction stands at a place, -1 for a store
	moved := append([]loader.Func{}, funcs...)
	next := 0
	for pc := range code {
		if next < len(funcs) && funcs[next].Start == pc {
			called[pc] = len(out)
			moved[next].Start = len(out)
			for off := int16(8); off <= stackUse(code[pc:funcs[next].End]); off += 8 {
				out = append(out, ebpf.Insn{Op: store, Dst: 10, Off: -off})
				from = append(from, -1)
			}
			if next > 0 {
				moved[next-1].End = called[pc]
			}
			next++
		}
		at[pc] = len(out)
		out = append(out, code[pc])
		from = append(from, pc)
	}
	at[len(code)] = len(out)
	if len(moved) > 0 {
		moved[len(moved)-1].End = len(out)
	}
	for to := 0; to < len(out); to++ {
		pc, in := from[to], &out[to]
		switch {
		case pc < 0:
		case in.IsWide():
			c, ok := ebpf.Callee(code, pc)
			if start, known := called[c]; ok && known {
				in.Imm = int32(start - to - 1)
			} else if ok {
				return code, funcs
			}
			to++
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal:
			c, _ := ebpf.Callee(code, pc)
			start, known := called[c]
			if !known {
				return code, funcs
			}
			in.Imm = int32(start - to - 1)
		case in.Op == ebpf.OpJA32:
			if t := pc + 1 + int(in.Imm); t >= 0 && t <= len(code) {
				in.Imm = int32(at[t] - to - 1)
			}
		case (in.Class() == ebpf.ClassJMP || in.Class() == ebpf.ClassJMP32) && in.Op != ebpf.OpCall && in.Op != ebpf.OpCallX && in.Op != ebpf.OpExit:
			t := pc + 1 + int(in.Off)
			if t < 0 || t > len(code) {
				continue
			}
			off := at[t] - to - 1
			if off != int(int16(off)) {
				return code, funcs
			}
			in.Off = int16(off)
		}
	}
	return out, moved
}

// stackUse guesses how many bytes of its stack a function uses: what is
// addressed through r10, and what is taken off a copy of it. A multiple of 8.
func stackUse(code []ebpf.Insn) int16 {
	const copyOf, add = ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, ebpf.ClassALU64 | ebpf.ALUAdd
	deepest := int32(0)
	var copied [16]bool
	copied[10] = true
	for i := range code {
		in := &code[i]
		switch in.Class() {
		case ebpf.ClassLDX:
			if in.Src == 10 {
				deepest = min(deepest, int32(in.Off))
			}
		case ebpf.ClassST, ebpf.ClassSTX:
			if in.Dst == 10 {
				deepest = min(deepest, int32(in.Off))
			}
		case ebpf.ClassALU64:
			switch {
			case in.Op == copyOf:
				copied[in.Dst] = copied[in.Src]
			case in.Op == add && copied[in.Dst] && in.Imm >= -512:
				deepest = min(deepest, in.Imm)
			}
		}
	}
	return int16(-deepest+7) &^ 7
}
