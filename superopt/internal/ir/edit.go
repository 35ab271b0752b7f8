package ir

import (
	"fmt"
	"math/bits"
	"slices"

	"jitnic/host/ebpf"
)

// DropUncalled takes out functions that nothing calls any more: the verifier
// refuses code it can't reach.
func (p *Prog) DropUncalled() {
	if len(p.Entry) < 2 {
		return
	}
	end := func(e int32) int32 {
		n := int32(len(p.Insts))
		for _, x := range p.Entry {
			if x > e && x < n {
				n = x
			}
		}
		return n
	}
	called := map[int32]bool{p.Entry[0]: true}
	for work := []int32{p.Entry[0]}; len(work) > 0; {
		e := work[len(work)-1]
		work = work[:len(work)-1]
		for i := e; i < end(e); i++ {
			in := &p.Insts[i]
			if (in.Op == ebpf.OpCall || in.Op == ebpf.OpLDDW) && in.To >= 0 && !called[in.To] {
				called[in.To] = true
				work = append(work, in.To)
			}
		}
	}
	var keep []int32
	for _, e := range p.Entry {
		if called[e] {
			keep = append(keep, e)
			continue
		}
		for i := e; i < end(e); i++ {
			p.Insts[i] = Empty()
		}
	}
	if len(keep) < len(p.Entry) {
		p.Entry = keep
		p.Compact()
	}
}

// LeavesFunction names a jump, or the end of a function, that leads into another
// one; "" where there is none. The program had none before [s, e) was changed.
func (p *Prog) LeavesFunction(s, e int) string {
	if p.endsFunction(e-1) || slices.ContainsFunc(p.Entry, func(x int32) bool { return int32(s) < x && x < int32(e) }) {
		return p.leavesFunction()
	}
	for i := s; i < e; i++ {
		in := &p.Insts[i]
		if !in.Jumps() {
			continue
		}
		to := int(in.To)
		for to < len(p.Insts) && p.Insts[to].Op == Nop {
			to++
		}
		if to == len(p.Insts) || p.function(to) != p.function(i) {
			return fmt.Sprintf("insn %d: jumps into another function", i)
		}
	}
	return ""
}

// function is where the function begins that instruction i is in.
func (p *Prog) function(i int) (begin int32) {
	for _, e := range p.Entry {
		if e <= int32(i) {
			begin = max(begin, e)
		}
	}
	return begin
}

// endsFunction says whether what stands from instruction i to the end of its
// function is no more than i and empty places.
func (p *Prog) endsFunction(i int) bool {
	for i++; i < len(p.Insts) && !slices.Contains(p.Entry, int32(i)); i++ {
		if p.Insts[i].Op != Nop {
			return false
		}
	}
	return true
}

// leavesFunction is LeavesFunction of all of the program.
func (p *Prog) leavesFunction() string {
	c := p.Clone()
	c.Compact()
	start := make([]bool, len(c.Insts)+1)
	for _, e := range c.Entry {
		start[e] = true
	}
	fn := make([]int, len(c.Insts)+1)
	for i := range c.Insts {
		if i > 0 {
			fn[i] = fn[i-1]
		}
		if start[i] && i > 0 {
			fn[i]++
			if !c.Insts[i-1].Ends() {
				return fmt.Sprintf("insn %d: falls into another function", i-1)
			}
		}
	}
	for i := range c.Insts {
		if in := &c.Insts[i]; in.Jumps() && (int(in.To) >= len(c.Insts) || fn[in.To] != fn[i]) {
			return fmt.Sprintf("insn %d: jumps into another function", i)
		}
	}
	return ""
}

// LoopFree says whether every jump goes forward.
func (p *Prog) LoopFree() bool {
	for i := range p.Insts {
		if p.Insts[i].Jumps() && int(p.Insts[i].To) <= i {
			return false
		}
	}
	return true
}

// Modelled says whether the whole program can be proved at once.
func (p *Prog) Modelled() bool {
	if !p.LoopFree() || len(p.Entry) > 1 {
		return false
	}
	for i := range p.Insts {
		if p.Barrier(&p.Insts[i]) || p.Insts[i].Op == ebpf.OpLDDW && p.Insts[i].Src > ebpf.PseudoMapValue {
			return false
		}
	}
	return true
}

// Reads gives the registers whose values the instruction uses: bit n for rn.
func (in *Inst) Reads() uint16 {
	if in.Op == Nop {
		return 0
	}
	return uint16(in.Insn.Reads())
}

// Writes gives the registers the instruction changes, those a call clobbers too.
func (in *Inst) Writes() uint16 {
	if in.Op == Nop {
		return 0
	}
	return uint16(in.Insn.Writes())
}

// Needs gives the registers whose values matter before the instruction: those it
// reads, of a call that proofs don't follow all of r1 to r5 that hold anything.
func (in *Inst) Needs(holds func(r int) bool) uint16 {
	reads := in.Reads()
	if in.Op != ebpf.OpCallX && (in.Op != ebpf.OpCall || HelperOf(in) != nil) {
		return reads
	}
	for r := 1; r <= 5; r++ {
		if reads |= 1 << r; !holds(r) {
			reads &^= 1 << r
		}
	}
	return reads
}

// DefReg is the register an instruction sets besides memory; -1 none (calls
// and packet loads, which clobber several, are not asked).
func DefReg(in *Inst) int {
	if w := in.Writes(); w != 0 && w&(w-1) == 0 {
		return bits.TrailingZeros16(w)
	}
	return -1
}

// MovImm sets r to v, sign-extended.
func MovImm(r uint8, v int32) Inst {
	return Inst{Insn: ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: r, Imm: v}, To: -1, Slot: -1}
}

// MovReg copies all of s to d.
func MovReg(d, s uint8) Inst {
	return Inst{Insn: ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: d, Src: s}, To: -1, Slot: -1}
}

// MovConst is the cheapest instruction that sets r to v; ok is false where
// that takes a wide load.
func MovConst(r uint8, v uint64) (Inst, bool) {
	if v == uint64(int64(int32(v))) {
		return MovImm(r, int32(v)), true
	}
	if v>>32 == 0 {
		in := MovImm(r, int32(v))
		in.Op = ebpf.ClassALU | ebpf.ALUMov
		return in, true
	}
	return Inst{}, false
}

// SizeOp is the size bits of an access of n bytes.
func SizeOp(n int) uint8 {
	switch n {
	case 1:
		return ebpf.SizeB
	case 2:
		return ebpf.SizeH
	case 4:
		return ebpf.SizeW
	}
	return ebpf.SizeDW
}

// Pad brings the program to n slots with jumps to the next instruction, put
// before the last one.
func (p *Prog) Pad(n int) {
	for p.Slots() < n {
		last := len(p.Insts) - 1
		p.Insts = append(p.Insts, p.Insts[last])
		p.Insts[last] = Inst{Insn: ebpf.Insn{Op: ebpf.OpJA}, To: int32(last + 1), Slot: -1}
	}
}

// SlotsFrom gives the program in kernel slots, and for each the slot of the
// input it stands for, -1 an invented one.
func (p *Prog) SlotsFrom() ([]ebpf.Insn, []int, error) {
	slots, at, err := p.Layout()
	if err != nil {
		return nil, nil, err
	}
	from := make([]int, len(slots))
	seen := map[int32]bool{}
	for i := range p.Insts {
		for k := at[i]; k < at[i+1]; k++ {
			from[k] = -1
			if s := p.Insts[i].Slot; s >= 0 && !seen[s] {
				from[k] = int(s + k - at[i])
			}
		}
		if at[i+1] > at[i] && p.Insts[i].Slot >= 0 {
			seen[p.Insts[i].Slot] = true
		}
	}
	return slots, from, nil
}
