package ir

import (
	"errors"
	"fmt"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
)

// Kind is what a program is attached to.
type Kind = ebpf.ContextKind

// The kinds of program.
const (
	KindOther   = ebpf.ContextOther
	KindXDP     = ebpf.ContextXDP
	KindSKB     = ebpf.ContextSKB
	KindTracing = ebpf.ContextTracing
	KindCgroup  = ebpf.ContextCgroup
	KindConst   = ebpf.ContextNumber
)

// Nop is the opcode of an empty place in [Prog.Insts]. It never leaves the
// optimiser: Compact drops it.
const Nop = uint8(0)

// Inst is one instruction of the optimiser's form: a wide load is one
// instruction, and jumps name their target by index.
type Inst struct {
	ebpf.Insn
	Hi   int32 // second slot's Imm of a wide load
	To   int32 // target of a jump, call of a subprogram or callback load: index in Insts; else -1
	Slot int32 // where it stood in the input, in slots; -1 for an invented one
	// Fixed: the loader will still change it (a relocation nothing is known of),
	// so it stays as it is and windows stop at it.
	Fixed bool
}

// Prog is a program in the optimiser's form.
type Prog struct {
	Name  string
	Kind  Kind
	Insts []Inst
	Maps  []*maps.Spec
	Entry []int32 // first instruction of each function, the main one first
	Sub   bool    // a subprogram: any arguments, all of r0 is its result
	Trace bool    // a trace: its path condition has checked the bytes of the packet that it touches
	// Goes says that a trace goes on in another one, which finds what it leaves in
	// stack memory, its own frame and what stands above.
	Goes bool
	// Resumes says that a trace finds the stack memory as another one has left it.
	Resumes bool
	ids     []int32 // nil, or what Number gave
}

// Number gives every instruction a name that stays with its place when others
// are taken out. Without it a name is an index.
func (p *Prog) Number() {
	p.ids = make([]int32, len(p.Insts))
	for i := range p.ids {
		p.ids[i] = int32(i)
	}
}

// ID is the name of the instruction at index i.
func (p *Prog) ID(i int) int32 {
	if i < len(p.ids) {
		return p.ids[i]
	}
	return int32(i)
}

// FromSlots takes a linked program (kernel slots) apart. Map loads carry an
// index into specs.
func FromSlots(name string, kind Kind, insns []ebpf.Insn, specs []*maps.Spec) (*Prog, error) {
	return FromSlotsFixed(name, kind, insns, specs, nil)
}

// FromTrace is FromSlots of a trace's code, in which selects may stand.
func FromTrace(code []ebpf.Insn, specs []*maps.Spec) (*Prog, error) {
	return fromSlots("trace", KindXDP, code, specs, nil, true)
}

// FromSlotsFixed is FromSlots with slots that must stay as they are.
func FromSlotsFixed(name string, kind Kind, insns []ebpf.Insn, specs []*maps.Spec, fixed map[int]bool) (*Prog, error) {
	return fromSlots(name, kind, insns, specs, fixed, false)
}

func fromSlots(name string, kind Kind, insns []ebpf.Insn, specs []*maps.Spec, fixed map[int]bool, selects bool) (*Prog, error) {
	p := &Prog{Name: name, Kind: kind, Maps: specs, Entry: []int32{0}}
	index := make([]int32, len(insns)+1)
	for i := 0; i < len(insns); i++ {
		index[i] = int32(len(p.Insts))
		in := Inst{Insn: insns[i], To: -1, Slot: int32(i), Fixed: fixed[i]}
		if in.Op == 0 {
			return nil, fmt.Errorf("program %q: insn %d: opcode 0 is the second half of a wide load, not an instruction", name, i)
		}
		var hi *ebpf.Insn
		if in.IsWide() {
			if i+1 >= len(insns) || insns[i+1].Op != 0 {
				return nil, fmt.Errorf("program %q: insn %d: wide load without its second slot", name, i)
			}
			hi = &insns[i+1]
			in.Hi = hi.Imm
			index[i+1] = -1
			i++
		}
		if msg := in.Encoding(hi, selects); msg != "" && !in.Fixed {
			return nil, fmt.Errorf("program %q: insn %d: %s", name, in.Slot, msg)
		}
		p.Insts = append(p.Insts, in)
	}
	index[len(insns)] = int32(len(p.Insts))
	for i := range p.Insts {
		in := &p.Insts[i]
		rel, ok := relTarget(in.Insn)
		if !ok || in.Fixed {
			continue
		}
		t := int(in.Slot) + 1 + rel
		if t < 0 || t >= len(insns) || index[t] < 0 {
			return nil, fmt.Errorf("program %q: insn %d: jump to slot %d, where no instruction begins", name, in.Slot, t)
		}
		in.To = index[t]
		if in.Op == ebpf.OpCall || in.Op == ebpf.OpLDDW {
			p.addEntry(in.To)
		}
	}
	if err := p.Wellformed(); err != nil {
		return nil, err
	}
	return p, nil
}

// Wellformed says what the verifier would refuse before it follows any path
// (check_subprogs, kernel/bpf/verifier.c): no instructions, control that runs
// off the end, or that leaves its function otherwise than by a call.
func (p *Prog) Wellformed() error {
	bad := func(i int, what string) error {
		if i >= 0 && i < len(p.Insts) && p.Insts[i].Slot >= 0 {
			i = int(p.Insts[i].Slot)
		}
		return fmt.Errorf("program %q: insn %d: %s", p.Name, i, what)
	}
	last := -1
	for i := range p.Insts {
		in := &p.Insts[i]
		if in.Op == Nop {
			continue
		}
		last = i
		if t := int(in.To); t >= len(p.Insts) || t < 0 && in.Jumps() && !in.Fixed {
			return bad(i, "it leads out of the program")
		}
	}
	if last < 0 {
		return fmt.Errorf("program %q: no instructions", p.Name)
	}
	if !p.Insts[last].Ends() {
		return bad(last, "the last instruction is neither exit nor goto")
	}
	if what := p.LeavesFunction(0, len(p.Insts)); what != "" {
		return fmt.Errorf("program %q: %s", p.Name, what)
	}
	return nil
}

func (p *Prog) addEntry(at int32) {
	for _, e := range p.Entry {
		if e == at {
			return
		}
	}
	p.Entry = append(p.Entry, at)
}

// relTarget gives the slots from the next instruction to the target.
func relTarget(in ebpf.Insn) (int, bool) {
	switch {
	case in.IsCondJump() || in.Op == ebpf.OpJA:
		return int(in.Off), true
	case in.Op == ebpf.OpJA32:
		return int(in.Imm), true
	case in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal:
		return int(in.Imm), true
	case in.Op == ebpf.OpLDDW && in.Src == ebpf.PseudoFunc:
		return int(in.Imm), true
	}
	return 0, false
}

// Encoding says what is wrong with the encoding of an instruction, "" where
// nothing is: nothing unknown is ever read as a nop. hi is the second slot of a
// wide one. A select is an instruction where selects says so.
func (in *Inst) Encoding(hi *ebpf.Insn, selects bool) string {
	if in.IsSelect() && selects && in.Dst < 10 && in.Src <= 10 {
		return ""
	}
	var e *ebpf.InsnError
	if errors.As(in.Check(hi), &e) {
		return e.Msg
	}
	return ""
}

// HasSelect says whether any instruction is a select: of a trace, then, whose
// executors know more of them.
func (p *Prog) HasSelect() bool {
	for i := range p.Insts {
		if p.Insts[i].IsSelect() {
			return true
		}
	}
	return false
}

// Clone copies the program; maps are shared.
func (p *Prog) Clone() *Prog {
	q := *p
	q.Insts = append([]Inst(nil), p.Insts...)
	q.Entry = append([]int32(nil), p.Entry...)
	return &q
}

// Slots is the program's length as the kernel and K2 count it: a wide load
// is two, a nop none.
func (p *Prog) Slots() int {
	n := 0
	for i := range p.Insts {
		n += SlotsOf(&p.Insts[i])
	}
	return n
}

// SlotsOf is how many slots the instruction takes: a wide load two, an empty
// place none.
func SlotsOf(in *Inst) int {
	switch in.Op {
	case Nop:
		return 0
	case ebpf.OpLDDW:
		return 2
	}
	return 1
}

// Compact drops the nops and renumbers every target. It gives the new index of
// each instruction, for a nop that of the one behind it; nil where there are no
// nops.
func (p *Prog) Compact() (index []int32) {
	s := 0
	for s < len(p.Insts) && p.Insts[s].Op != Nop {
		s++
	}
	if s == len(p.Insts) {
		return nil
	}
	index = make([]int32, len(p.Insts)+1)
	n := int32(0)
	for i := range p.Insts {
		index[i] = n
		if p.Insts[i].Op != Nop {
			n++
		}
	}
	index[len(p.Insts)] = n
	ids := p.ids // others may share them
	if ids != nil {
		p.ids = make([]int32, n)
	}
	for i := range p.Insts {
		in := p.Insts[i]
		if in.Op == Nop {
			continue
		}
		if in.To >= 0 {
			in.To = index[in.To]
		}
		p.Insts[index[i]] = in
		if ids != nil {
			p.ids[index[i]] = ids[i]
		}
	}
	p.Insts = p.Insts[:n]
	for i, e := range p.Entry {
		p.Entry[i] = index[e]
	}
	return index
}

// ToSlots puts the program back into kernel slots. It fails where a jump has
// become longer than its field.
func (p *Prog) ToSlots() ([]ebpf.Insn, error) {
	out, _, err := p.Layout()
	return out, err
}

// Layout is ToSlots with the slot where each instruction starts (nops: where
// the next one does).
func (p *Prog) Layout() ([]ebpf.Insn, []int32, error) {
	at := make([]int32, len(p.Insts)+1)
	n := int32(0)
	for i := range p.Insts {
		at[i] = n
		n += int32(SlotsOf(&p.Insts[i]))
	}
	at[len(p.Insts)] = n
	out := make([]ebpf.Insn, 0, n)
	for i := range p.Insts {
		in := p.Insts[i]
		if in.Op == Nop {
			continue
		}
		if in.To >= 0 {
			rel := at[in.To] - at[i] - 1
			switch {
			case in.Op == ebpf.OpJA32 || in.Op == ebpf.OpCall || in.Op == ebpf.OpLDDW:
				in.Imm = rel
			case rel != int32(int16(rel)):
				return nil, nil, fmt.Errorf("program %q: insn %d: jump over %d slots does not fit", p.Name, at[i], rel)
			default:
				in.Off = int16(rel)
			}
		}
		out = append(out, in.Insn)
		if in.Op == ebpf.OpLDDW {
			out = append(out, ebpf.Insn{Imm: in.Hi})
		}
	}
	return out, at, nil
}

// Empty empties a place.
func Empty() Inst { return Inst{To: -1, Slot: -1} }

// IsJumpNext says whether the instruction at i is a jump to what comes next.
func IsJumpNext(in *Inst, i int) bool {
	return in.IsGoto() && int(in.To) == i+1
}

// Const64 is the constant of a plain wide load.
func (in *Inst) Const64() uint64 { return uint64(uint32(in.Imm)) | uint64(uint32(in.Hi))<<32 }

// Turns says whether control may go on elsewhere than with the next instruction.
func (in *Inst) Turns() bool { return in.Jumps() || in.Ends() || in.To >= 0 }

// Barrier says whether the instruction is outside what the proofs model:
// windows stop at it.
func (p *Prog) Barrier(in *Inst) bool {
	if in.Fixed {
		return true
	}
	switch in.Class() {
	case ebpf.ClassLD:
		return in.Op != ebpf.OpLDDW && in.Op != Nop || in.Op == ebpf.OpLDDW && in.Src > ebpf.PseudoMapValue
	case ebpf.ClassJMP:
		if in.Op == ebpf.OpCall {
			if in.Src != ebpf.CallHelper {
				return true
			}
			h := HelperOf(in)
			return h == nil || h.Flow == ebpf.TailCalls
		}
		return in.Op == ebpf.OpCallX || in.Op == ebpf.OpMayGo
	case ebpf.ClassSTX:
		return in.IsAtomic() && in.Imm >= ebpf.AtomicLoadAcq
	}
	return false
}

// String prints the program, one instruction a line, with its index.
func (p *Prog) String() string {
	var b strings.Builder
	for i := range p.Insts {
		fmt.Fprintf(&b, "%4d: %s\n", i, p.Insts[i].String())
	}
	return b.String()
}

// AppendSlots adds the program's slots to buf, jumps and all, for who prices
// or looks at them: a jump too long for its field keeps the low bits of its
// distance. It allocates nothing where buf has room and there are no jumps.
func (p *Prog) AppendSlots(buf []ebpf.Insn) []ebpf.Insn {
	var at []int32
	for i := range p.Insts {
		if p.Insts[i].To >= 0 {
			at = make([]int32, len(p.Insts)+1)
			n := int32(0)
			for k := range p.Insts {
				at[k] = n
				n += int32(SlotsOf(&p.Insts[k]))
			}
			at[len(p.Insts)] = n
			break
		}
	}
	for i := range p.Insts {
		in := &p.Insts[i]
		if in.Op == Nop {
			continue
		}
		x := in.Insn
		if in.To >= 0 && at != nil && int(in.To) < len(at) {
			rel := at[in.To] - at[i] - 1
			if in.Op == ebpf.OpJA32 || in.Op == ebpf.OpCall || in.Op == ebpf.OpLDDW {
				x.Imm = rel
			} else {
				x.Off = int16(rel)
			}
		}
		buf = append(buf, x)
		if in.Op == ebpf.OpLDDW {
			buf = append(buf, ebpf.Insn{Imm: in.Hi})
		}
	}
	return buf
}
