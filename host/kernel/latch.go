package kernel

import (
	"encoding/binary"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

// Inputs are the answers that clock and random helpers give to one packet.
type Inputs struct {
	TimeNS   uint64 // ktime_get_ns, _boot_ns and _tai_ns
	CoarseNS uint64 // ktime_get_coarse_ns
	Jiffies  uint64 // jiffies64
	// Draw is the n-th random number; asked for the first Draws of a packet.
	Draw func(n uint64) uint32
}

// Draws is how many random numbers a packet can have before they repeat.
const Draws = 64

// Where the value of the latch map has what, in bytes: three clocks, the number
// of draws so far, the draws.
const (
	latchTime   = 0
	latchCoarse = 8
	latchJiff   = 16
	latchCount  = 24
	latchTask   = 32 // always 0: the idle task's
	latchDraws  = 40
	latchSize   = latchDraws + 8*Draws
)

// latched lists the answers ([ebpf.Helper.Answer]) that come from the map, and where
// from.
var latched = map[ebpf.Latch]int32{
	ebpf.LatchTime: latchTime, ebpf.LatchCoarse: latchCoarse, ebpf.LatchJiffies: latchJiff, ebpf.LatchRandom: latchDraws, ebpf.LatchTask: latchTask,
}

// latchCalls turns calls of latched helpers into calls of functions behind the
// code. Nothing in the code moves.
func (ms *Maps) latchCalls(code []ebpf.Insn, funcs []loader.Func) ([]ebpf.Insn, []loader.Func, error) {
	at := map[int32]int{} // helper: where its function starts
	n := len(code)
	for pc := 0; pc < n; pc++ {
		in := code[pc]
		if in.IsWide() {
			pc++
			continue
		}
		off, ok := latched[in.Called().Answer()]
		if !ok {
			continue
		}
		if ms.latch == nil {
			var err error
			if ms.latch, err = NewMap(&maps.Spec{Name: "latch", Type: cilium.Array, KeySize: 4, ValueSize: latchSize, Max: 1}); err != nil {
				return nil, nil, err
			}
		}
		start, ok := at[in.Imm]
		if !ok {
			start = len(code)
			at[in.Imm] = start
			code = append(code, latchFunc(off, ms.latch.FD())...)
			funcs = append(funcs, loader.Func{Start: start, End: len(code)})
		}
		code[pc] = ebpf.Insn{Op: ebpf.OpCall, Src: ebpf.CallLocal, Imm: int32(start - pc - 1)}
	}
	return code, funcs, nil
}

// latchFunc reads the map's value at off; of the draws the next one.
func latchFunc(off int32, fd int) []ebpf.Insn {
	const (
		load  = ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeDW
		store = ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeDW
		movX  = ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX
	)
	code := []ebpf.Insn{{Op: ebpf.OpLDDW, Dst: 1, Src: ebpf.PseudoMapValue, Imm: int32(fd)}, {}}
	if off != latchDraws {
		return append(code, ebpf.Insn{Op: load, Dst: 0, Src: 1, Off: int16(off)}, ebpf.Insn{Op: ebpf.OpExit})
	}
	return append(code,
		ebpf.Insn{Op: load, Dst: 2, Src: 1, Off: latchCount},
		ebpf.Insn{Op: movX, Dst: 3, Src: 2},
		ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd, Dst: 3, Imm: 1},
		ebpf.Insn{Op: store, Dst: 1, Src: 3, Off: latchCount},
		ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAnd, Dst: 2, Imm: Draws - 1},
		ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALULsh, Dst: 2, Imm: 3},
		ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcX, Dst: 1, Src: 2},
		ebpf.Insn{Op: load, Dst: 0, Src: 1, Off: latchDraws},
		ebpf.Insn{Op: ebpf.OpExit})
}

// Latch sets what the helpers of programs loaded with [Options.Latch] onto these
// maps say from now on.
func (ms *Maps) Latch(in Inputs) error {
	if ms.latch == nil {
		return nil
	}
	var v [latchSize]byte
	binary.LittleEndian.PutUint64(v[latchTime:], in.TimeNS)
	binary.LittleEndian.PutUint64(v[latchCoarse:], in.CoarseNS)
	binary.LittleEndian.PutUint64(v[latchJiff:], in.Jiffies)
	if in.Draw != nil {
		for n := range uint64(Draws) {
			binary.LittleEndian.PutUint64(v[latchDraws+8*n:], uint64(in.Draw(n)))
		}
	}
	return ms.latch.Update(make([]byte, 4), v[:], 0)
}
