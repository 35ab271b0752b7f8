package trace

import (
	"jitnic/host/ebpf"
)

// Trace is the straight-line code of one path: no jumps, ends in exit. Calls
// of subprograms are inlined, each frame's stack at its own offset below r10.
// It is a blueprint: nic makes an executable of it.
type Trace struct {
	// Code is eBPF in slots, wide instructions in two. Stack offsets reach
	// from -FrameSize to
	// FrameStride*(Frames-1).
	Code []ebpf.Insn
	// Raw is the number of instructions the path executed, jumps and calls
	// included; Straight is that without jumps, before dead-code elimination.
	// Len is what Code has now (a wide instruction counts once).
	Raw, Straight int
	// MinLen is how long, in bytes, every packet is at least that satisfies the
	// condition; 0 where nobody worked it out.
	MinLen int
	// Meta says per slot of Code where it came from; nil after a rewrite that
	// doesn't keep it.
	Meta []Meta
}

// Stack layout of a trace, in bytes from r10 (the top of frame 0), the
// interpreter's own: frame i stands FrameStride*i above, and the gap above each
// frame is where inlined calls save registers.
const (
	FrameSize   = 512
	FrameStride = 1024
	Frames      = 8
)

// Meta says where a slot of a trace came from, and what it touched when the
// path was recorded.
type Meta struct {
	Prog, PC int32   // program and slot; PC -1: made by the recorder
	Mem      MemKind // what a load or store touches
	Selected bool    // of a load or store: its address was selected, and on other packets it may touch the stack
	Map      int32   // of MemMap, and of a call: the map's index; else -1
	Addr     uint64  // of a stack access: the address
	Reads    []Span  // of a call: the stack bytes it reads
	Writes   []Span  // of a call: the stack bytes it writes
	Keep     bool    // an effect: never dead
	Result   bool    // of a call: only its result matters, so dead with it
	Args     uint8   // of a call: how many of r1..r5 it reads
	Found    uint32  // of a look-up: the term of its result (pathcond/bv.Term) where that is what the map held before the run, else 0
}

// MemKind is what memory an access touches.
type MemKind uint8

// The kinds of memory.
const (
	MemNone MemKind = iota
	MemCtx
	MemPacket
	MemStack
	MemMap
	MemOther
)

// Span is bytes [Addr, Addr+N) of flat memory.
type Span struct {
	Addr uint64
	N    uint32
}

// Len counts instructions, a wide one once.
func Len(code []ebpf.Insn) int {
	n := 0
	for i := 0; i < len(code); i++ {
		n++
		if code[i].IsWide() {
			i++
		}
	}
	return n
}

// Len is the number of instructions of the trace.
func (t *Trace) Len() int { return Len(t.Code) }
