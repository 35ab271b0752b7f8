package ebpf

import "slices"

// Regs is a set of registers: bit n for rn.
type Regs uint16

// Has says whether register r is in the set.
func (s Regs) Has(r uint8) bool { return s>>r&1 != 0 }

// Before is what is live before something that reads and writes registers,
// where the set is what is live after it.
func (s Regs) Before(reads, writes Regs) Regs { return s&^writes | reads }

// args are r1 to r5, what calls take and clobber.
const args = Regs(0x3e)

// Reads returns the registers whose values an instruction uses: of a helper's
// call its arguments, of other calls all of r1 to r5.
func (i Insn) Reads() Regs {
	dst, src := Regs(1)<<i.Dst, Regs(1)<<i.Src
	switch i.Class() {
	case ClassALU, ClassALU64:
		var s Regs
		if i.ALUOp() != ALUMov {
			s |= dst
		}
		if i.Op&SrcX != 0 && i.ALUOp() != ALUEnd {
			s |= src
		}
		if i.IsSelect() {
			s |= 1 << i.Cond()
		}
		return s
	case ClassLDX:
		return src
	case ClassST:
		return dst
	case ClassSTX:
		if i.IsAtomic() {
			switch i.Imm {
			case AtomicCmpXchg:
				return dst | src | 1
			case AtomicLoadAcq:
				return src
			}
		}
		return dst | src
	case ClassLD:
		switch i.Mode() {
		case ModeABS:
			return 1 << 6 // the socket buffer
		case ModeIND:
			return 1<<6 | src
		}
		return 0
	}
	switch i.Op {
	case OpExit:
		return 1
	case OpCall:
		if h := i.Called(); h != nil {
			return h.ArgRegs()
		}
		return args
	case OpCallX:
		return args | dst
	}
	if !i.IsCondJump() || i.Op == OpMayGo {
		return 0
	}
	if i.Op&SrcX != 0 {
		return dst | src
	}
	return dst
}

// Writes returns the registers an instruction changes; a call leaves nothing
// in r1 to r5.
func (i Insn) Writes() Regs {
	switch w := writes[i.Op]; w {
	case toDst:
		return 1 << i.Dst
	case byImm:
		return i.atomicWrites()
	default:
		return w
	}
}

// writes is what Writes says, by opcode: a set, or one of two rules.
var writes = func() (w [256]Regs) {
	for op := range w {
		switch i := (Insn{Op: uint8(op)}); i.Class() {
		case ClassALU, ClassALU64, ClassLDX:
			w[op] = toDst
		case ClassSTX:
			if i.IsAtomic() {
				w[op] = byImm
			}
		case ClassLD:
			if w[op] = args | 1; i.Mode() == ModeIMM {
				w[op] = toDst
			}
		}
	}
	w[OpCall], w[OpCallX] = args|1, args|1
	return w
}()

const (
	toDst = Regs(1) << (15 - iota) // the instruction's Dst
	byImm                          // which atomic operation it is says
)

func (i Insn) atomicWrites() Regs {
	switch {
	case i.Imm == AtomicCmpXchg:
		return 1
	case i.Imm == AtomicLoadAcq:
		return 1 << i.Dst
	case i.Imm&AtomicFetch != 0 && i.Imm != AtomicStRel:
		return 1 << i.Src
	}
	return 0
}

// Next appends to dst the slots that control may reach right after the
// instruction at pc within its function: the next one, a jump's target. Calls
// go on behind themselves; exit goes nowhere.
func Next(insns []Insn, pc int, dst []int) []int {
	in := insns[pc]
	switch {
	case in.Op == OpExit:
		return dst
	case in.Op == OpJA:
		return append(dst, pc+1+int(in.Off))
	case in.Op == OpJA32:
		return append(dst, pc+1+int(in.Imm))
	case in.IsWide():
		return append(dst, pc+2)
	case in.IsCondJump():
		if in.Off == 0 {
			return append(dst, pc+1)
		}
		return append(dst, pc+1, pc+1+int(in.Off))
	}
	return append(dst, pc+1)
}

// Callee returns the first slot of the function that the instruction at pc
// calls or takes the address of.
func Callee(insns []Insn, pc int) (int, bool) {
	in := insns[pc]
	if in.Op == OpCall && in.Src == CallLocal || in.IsWide() && in.Src == PseudoFunc {
		return pc + 1 + int(in.Imm), true
	}
	return 0, false
}

// Reachable marks the slots that control can reach from the entry, functions
// that are called included; of a wide instruction both. The program must be
// valid (see [Validate]).
func Reachable(insns []Insn) []bool {
	seen := make([]bool, len(insns))
	work := []int{0}
	for len(work) > 0 {
		pc := work[len(work)-1]
		work = work[:len(work)-1]
		if pc < 0 || pc >= len(insns) || seen[pc] {
			continue
		}
		seen[pc] = true
		if insns[pc].IsWide() && pc+1 < len(insns) {
			seen[pc+1] = true
		}
		work = Next(insns, pc, work)
		if c, ok := Callee(insns, pc); ok {
			work = append(work, c)
		}
	}
	return seen
}

// Block is a basic block: slots [Start, End), entered only at Start and left
// only at the end, to the blocks of index Succ.
type Block struct {
	Start, End int
	Succ       []int
}

// Blocks cuts a valid program into basic blocks, by Start. Functions share no
// blocks; calls don't end one. Code that can't be reached is cut as well.
func Blocks(insns []Insn) []Block {
	leader := make([]bool, len(insns)+1)
	leader[0] = true
	var next []int
	for pc := 0; pc < len(insns); pc++ {
		in := insns[pc]
		if c, ok := Callee(insns, pc); ok {
			leader[c] = true
		}
		if in.IsWide() {
			pc++
			continue
		}
		if in.Op == OpExit || in.Jumps() {
			leader[pc+1] = true
			for _, t := range Next(insns, pc, next[:0]) {
				leader[t] = true
			}
		}
	}
	var blocks []Block
	at := make([]int, len(insns)+1)
	for pc := range insns {
		if leader[pc] {
			at[pc] = len(blocks)
			blocks = append(blocks, Block{Start: pc})
		}
		blocks[len(blocks)-1].End = pc + 1
	}
	for b := range blocks {
		// The last instruction: step over wide ones from the start.
		pc := blocks[b].Start
		for pc+width(insns[pc]) < blocks[b].End {
			pc += width(insns[pc])
		}
		for _, t := range Next(insns, pc, next[:0]) {
			if t < len(insns) && !slices.Contains(blocks[b].Succ, at[t]) {
				blocks[b].Succ = append(blocks[b].Succ, at[t])
			}
		}
	}
	return blocks
}

func width(i Insn) int {
	if i.IsWide() {
		return 2
	}
	return 1
}
