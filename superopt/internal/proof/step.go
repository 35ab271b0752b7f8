package proof

import (
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
)

// exitState is what reaches one place outside the fragment.
type exitState struct {
	pc bv.Term
	st *State
}

// Run follows the fragment. Exits are keyed by target index; the end of the
// program by -1.
func (m *Machine) Run(p *ir.Prog, s, e int, start *State) (map[int]exitState, []Access, error) {
	order, err := order(p, s, e)
	if err != nil {
		return nil, nil, err
	}
	in := map[int]*State{s: start}
	out := map[int]exitState{}
	var acc []Access
	flow := func(to int, st *State) {
		if st.PC == m.zero {
			return
		}
		if to >= s && to < e && to != s {
			if old := in[to]; old != nil {
				st = m.merge(old, st)
			}
			in[to] = st
			return
		}
		if old, ok := out[to]; ok {
			st = m.merge(old.st, st)
		}
		out[to] = exitState{st.PC, st}
	}
	for _, i := range order {
		if m.stopped != nil && m.stopped.Load() {
			return nil, nil, errInterrupted
		}
		st := in[i]
		if st == nil {
			continue
		}
		delete(in, i)
		ins := &p.Insts[i]
		switch {
		case ins.Op == ebpf.OpExit:
			flow(-1, st)
		case ins.IsGoto():
			flow(int(ins.To), st)
		case ins.IsCondJump():
			if int(ins.To) == i+1 { // both ways lead there
				flow(i+1, st)
				continue
			}
			c, err := m.cond(ins, st)
			if err != nil {
				return nil, nil, fmt.Errorf("insn %d: %w", i, err)
			}
			if m.OnBranch != nil {
				m.OnBranch(i, st.PC, c)
			}
			yes, no := st.Clone(), st
			yes.PC = m.B.AndB(st.PC, c)
			no.PC = m.B.AndB(st.PC, m.B.Not(c))
			flow(int(ins.To), yes)
			flow(i+1, no)
		default:
			if err := m.Step(p, i, ins, st, &acc); err != nil {
				if !m.Havoc {
					return nil, nil, fmt.Errorf("insn %d: %w", i, err)
				}
				m.forget(ins, st)
			}
			flow(i+1, st)
		}
	}
	return out, acc, nil
}

// forget is the step of an instruction that isn't modelled: all it could
// change is unknown after it.
func (m *Machine) forget(in *ir.Inst, s *State) {
	unknown := func() bv.Term {
		m.fresh++
		return m.B.Input(1<<56|m.fresh, 64, bv.Fact{})
	}
	d := in.Writes()
	for r := range s.R {
		if d>>r&1 != 0 {
			s.R[r] = unknown()
		}
	}
	if in.IsLoad() || in.Op == ebpf.OpLDDW || in.Class() == ebpf.ClassALU || in.Class() == ebpf.ClassALU64 {
		return
	}
	s.world = unknown()
	for i := range s.mem {
		s.mem[i] = region{ver: unknown()}
	}
	s.NoteKnown()
	s.stale = true
}

// order is a topological order of the instructions of [s, e) reachable from s.
func order(p *ir.Prog, s, e int) ([]int, error) {
	if run := straight(p, s, e); run != nil {
		return run, nil
	}
	state := make(map[int]uint8, e-s)
	var post []int
	var visit func(i int) error
	visit = func(i int) error {
		if i < s || i >= e {
			return nil
		}
		switch state[i] {
		case 1:
			return errLoop
		case 2:
			return nil
		}
		state[i] = 1
		in := &p.Insts[i]
		if in.Jumps() {
			if int(in.To) == s {
				return errLoop
			}
			if err := visit(int(in.To)); err != nil {
				return err
			}
		}
		if !in.Ends() {
			if err := visit(i + 1); err != nil {
				return err
			}
		}
		state[i] = 2
		post = append(post, i)
		return nil
	}
	if err := visit(s); err != nil {
		return nil, err
	}
	for i, j := 0, len(post)-1; i < j; i, j = i+1, j-1 {
		post[i], post[j] = post[j], post[i]
	}
	return post, nil
}

// straight is the order of instructions that all go on with the next, up to one
// that ends; nil where others are among them.
func straight(p *ir.Prog, s, e int) []int {
	run := make([]int, 0, e-s)
	for i := s; i < e; i++ {
		if p.Insts[i].Jumps() {
			return nil
		}
		if run = append(run, i); p.Insts[i].Ends() {
			break
		}
	}
	return run
}

// merge joins two states that exclude each other.
func (m *Machine) merge(a, b *State) *State {
	t := m.B
	c := a.PC
	n := &State{PC: t.OrB(a.PC, b.PC), mem: make([]region, len(a.mem)), world: t.Ite(c, a.world, b.world), known: a.known, stale: a.stale || b.stale}
	for i := range n.R {
		if a.R[i] != 0 && b.R[i] != 0 {
			n.R[i] = m.choose(c, a.R[i], b.R[i])
		}
	}
	for i := range n.mem {
		x, y := a.mem[i], b.mem[i]
		k := 0
		if x.ver == y.ver {
			for k < len(x.writes) && k < len(y.writes) && x.writes[k] == y.writes[k] {
				k++
			}
		}
		w := append([]memWrite(nil), x.writes[:k]...)
		for _, e := range x.writes[k:] {
			e.guard = t.AndB(a.PC, e.guard)
			w = append(w, e)
		}
		for _, e := range y.writes[k:] {
			e.guard = t.AndB(b.PC, e.guard)
			w = append(w, e)
		}
		n.mem[i] = region{t.Ite(c, x.ver, y.ver), w}
	}
	return n
}

// choose is c ? x : y, with a common base kept outside.
func (m *Machine) choose(c, x, y bv.Term) bv.Term {
	if x == y {
		return x
	}
	r1, o1, e1 := m.Locate(x)
	r2, o2, e2 := m.Locate(y)
	if e1 == nil && e2 == nil && r1 == r2 && r1 < rgMap {
		return m.B.Bin(bv.OpAdd, m.base(r1), m.B.Ite(c, o1, o2))
	}
	return m.B.Ite(c, x, y)
}

func (m *Machine) reg(s *State, r uint8) (bv.Term, error) {
	if s.R[r] == 0 {
		return 0, &refusedError{fmt.Sprintf("r%d is not readable", r)}
	}
	return s.R[r], nil
}

func (m *Machine) cond(in *ir.Inst, s *State) (bv.Term, error) {
	b := m.B
	x, err := m.reg(s, in.Dst)
	if err != nil {
		return 0, err
	}
	y := b.Const(uint64(int64(in.Imm)), 64)
	if in.Op&ebpf.SrcX != 0 {
		if y, err = m.reg(s, in.Src); err != nil {
			return 0, err
		}
	}
	c, ok := pathcond.Branch(b, in.Insn, x, y)
	if !ok {
		return 0, fmt.Errorf("jump %#02x not modelled", in.Op)
	}
	return c, nil
}

// ALUTerm is the result of an ALU instruction, whose meaning is pathcond's; x
// and y are the operands, 64 bits, and 0 where it has no such operand.
func (m *Machine) ALUTerm(in *ir.Inst, x, y bv.Term) (bv.Term, error) {
	switch in.ALUOp() {
	case ebpf.ALUDiv, ebpf.ALUMod:
		if in.Off != 0 && in.Off != 1 {
			return 0, fmt.Errorf("opcode %#02x with offset %d", in.Op, in.Off)
		}
	}
	if x == 0 {
		x = y
	}
	if y == 0 {
		y = x
	}
	t, ok := pathcond.ALU(m.B, in.Insn, x, y)
	if !ok {
		return 0, fmt.Errorf("opcode %#02x not modelled", in.Op)
	}
	return t, nil
}

// Step follows one instruction that is no jump, in s, and notes what it touches.
func (m *Machine) Step(p *ir.Prog, i int, in *ir.Inst, s *State, acc *[]Access) error {
	b := m.B
	m.Steps++
	if in.Fixed {
		return fmt.Errorf("the loader still changes it")
	}
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		var x, y bv.Term
		var err error
		if in.Dst == 10 {
			return fmt.Errorf("r10 is read-only")
		}
		if in.IsSelect() {
			return m.selects(s, in)
		}
		if op := in.ALUOp(); op != ebpf.ALUMov {
			if x, err = m.reg(s, in.Dst); err != nil {
				return err
			}
		}
		switch {
		case in.ALUOp() == ebpf.ALUEnd || in.ALUOp() == ebpf.ALUNeg:
		case in.Op&ebpf.SrcX != 0:
			if y, err = m.reg(s, in.Src); err != nil {
				return err
			}
		default:
			y = b.Const(uint64(int64(in.Imm)), 64)
		}
		t, err := m.ALUTerm(in, x, y)
		if err != nil {
			return err
		}
		if same, ok := m.lemmas[t]; ok {
			t = same
		}
		s.R[in.Dst] = t
		return nil
	case ebpf.ClassLD:
		switch {
		case in.Op == ir.Nop:
		case in.Op != ebpf.OpLDDW:
			return fmt.Errorf("packet load not modelled")
		case in.Src == ebpf.PseudoNone:
			s.R[in.Dst] = b.Const(in.Const64(), 64)
		case in.Src == ebpf.PseudoMapFD:
			s.R[in.Dst] = b.Input(inMapPtr+uint64(in.Imm), 64, addrFact)
		case in.Src == ebpf.PseudoMapValue:
			s.R[in.Dst] = b.Bin(bv.OpAdd, b.Input(inGlobal+uint64(in.Imm), 64, addrFact), b.Const(uint64(int64(in.Hi)), 64))
		default:
			return fmt.Errorf("wide load of kind %d not modelled", in.Src)
		}
		return nil
	case ebpf.ClassLDX:
		t, err := m.load(s, in.Src, int64(in.Off), in.Size(), acc)
		if err != nil {
			return err
		}
		if in.Mode() == ebpf.ModeMEMSX {
			s.R[in.Dst] = b.SExt(t, 64)
		} else {
			s.R[in.Dst] = b.ZExt(t, 64)
		}
		return nil
	case ebpf.ClassST, ebpf.ClassSTX:
		if in.IsAtomic() {
			return m.atomic(s, in, acc)
		}
		v := b.Const(uint64(int64(in.Imm)), 64)
		if in.Class() == ebpf.ClassSTX {
			var err error
			if v, err = m.reg(s, in.Src); err != nil {
				return err
			}
		}
		a, err := m.reg(s, in.Dst)
		if err != nil {
			return err
		}
		first := len(*acc)
		err = m.storeAt(s, b.Bin(bv.OpAdd, a, b.Const(uint64(int64(in.Off)), 64)), v, in.Size(), m.One, acc, 0)
		byTop((*acc)[first:], in.Dst)
		return err
	}
	if in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper {
		return m.call(p, in, s)
	}
	return fmt.Errorf("opcode %#02x not modelled", in.Op)
}

// selects follows a select. All three registers are read, whichever counts.
func (m *Machine) selects(s *State, in *ir.Inst) error {
	var of [3]bv.Term
	for k, r := range [3]uint8{in.Dst, in.Src, in.Cond()} {
		var err error
		if of[k], err = m.reg(s, r); err != nil {
			return err
		}
	}
	s.R[in.Dst] = m.Select(of[0], of[1], of[2])
	return nil
}

// Select is what a select leaves: src where cond isn't 0, else dst.
func (m *Machine) Select(dst, src, cond bv.Term) bv.Term {
	b := m.B
	switch c := b.Bin(bv.OpEq, cond, b.Const(0, 64)); c {
	case m.One:
		return dst
	case m.zero:
		return src
	default:
		return m.choose(b.Not(c), src, dst)
	}
}
