package superopt

import (
	"context"
	"fmt"
	"math/rand/v2"

	"jitnic/host/ebpf"
	"jitnic/superopt/z3"
)

// optimizer holds one program while it is being improved. Every change goes
// through try: cheaper, as safe, proved.
type optimizer struct {
	ctx    context.Context
	p      *Prog
	a      *analysis
	cost   CostFunc
	pr     *Prover
	opt    *Options
	rng    *rand.Rand
	stats  *Stats
	free   bool // no loops: one instruction runs once at most
	banned map[string]bool
	// from is where a pass goes on after a success: what lies before was tried.
	from      int
	pathTried *Prog           // passPathBranch found nothing more in it
	bad       map[string]bool // problems the original has already
	// assume is a trace's path condition, nil for programs.
	assume assumption
	trail  *trail // the trace as it is, followed
	// holds is one assignment under which assume does; looked for once.
	holds    map[uint64]uint64
	modelled bool
	log      func(format string, args ...any)
	// ruleIndex is of the store's version ruleVersion.
	// opCost is what an opcode costs alone; additive: the cost of a program is
	// their sum.
	opCost   [256]float64
	additive bool
	// past are the programs on the way here, where more than one is wanted.
	past []*Prog
	// steps are all programs on the way here, where the whole can be proved at the
	// end; refused are the rewrites it was against.
	steps       []step
	refused     map[string]bool
	undone      int
	ruleIndex   *ruleIndex
	ruleVersion int
}

func (o *optimizer) refresh() {
	what := ""
	if o.steps != nil {
		what = rewriteText(o.steps[len(o.steps)-1].p, o.p)
	}
	o.p.Compact()
	o.p.dropUncalled()
	if o.steps != nil {
		o.steps = append(o.steps, step{o.p, what})
	}
	o.analyse()
	o.remember()
}

// analyse finds out what is to be known of the program as it is.
func (o *optimizer) analyse() {
	o.a = analyse(o.p)
	o.a.liveness()
	o.free = o.p.loopFree()
}

// liveAt is what must agree where a fragment is left.
func (o *optimizer) liveAt(label int) *live {
	if label < 0 || label >= len(o.p.Insts) {
		l := &live{regs: 1}
		if len(o.p.Entry) > 1 || o.p.Sub {
			l.regs |= 1<<6 | 1<<7 | 1<<8 | 1<<9
			l.allStack()
		}
		return l
	}
	return &o.a.before[label]
}

// edit changes instructions [s, e) of a copy; the length stays, with nops.
type edit func(q *Prog)

// try proposes a rewrite of [s, e). level says how much cheaper it must be: a
// rewrite of equal cost is taken only where the pass knows it can't undo what
// another did (enable).
func (o *optimizer) try(pass string, s, e int, enable bool, f edit) bool {
	if o.ctx.Err() != nil {
		return false
	}
	q := o.p.Clone()
	f(q)
	return o.consider(pass, s, e, enable, q)
}

func (o *optimizer) consider(pass string, s, e int, enable bool, q *Prog) bool {
	st := o.stats.pass(pass)
	before, after := o.cost(o.p), o.cost(q)
	if after > before || after == before && !enable {
		return false
	}
	if !o.inWindows(q) {
		return false
	}
	var tr *trail
	if o.assume != nil && o.pr.Accel.Windows {
		tr = o.trailOf()
	}
	if tr == nil && (o.assume != nil || !o.pr.Accel.Windows && o.p.modelled()) {
		// A trace is proved from its beginning, where its condition holds; without
		// modular windows every proof is one of the whole program.
		if o.p.modelled() {
			s, e = 0, len(o.p.Insts)
		}
	}
	first := s
	if tr != nil {
		first = 0 // all that comes before is part of the question
	}
	k := o.key(first, e, q)
	if o.banned[k] { // the same question, answered before
		return false
	}
	st.Proposed++
	var v z3.Verdict
	if tr != nil {
		v = o.onTrail(tr, s, e, q)
	} else {
		v = o.pr.Equivalent(&task{old: o.p, new: q, s: s, e: e, pre: &o.a.in[s], out: o.liveAt, loopFree: o.free, assume: o.assumption(s)})
	}
	if _, ok := v.(z3.Proved); !ok {
		o.banned[k] = true
		if o.log != nil {
			o.log("%s [%d,%d): %+v", pass, s, e, v)
		}
		return false
	}
	if why := o.unsafe(q); why != "" {
		st.Unsafe++
		o.banned[k] = true
		if o.log != nil {
			o.log("%s [%d,%d): proved, but %s", pass, s, e, why)
		}
		return false
	}
	st.Accepted++
	if after < before {
		st.Better++
	}
	if o.log != nil {
		o.log("%s [%d,%d) accepted, cost %g -> %g", pass, s, e, before, after)
	}
	o.from = max(0, s-12)
	o.p = q
	o.refresh()
	if o.opt.Progress != nil {
		o.progress()
	}
	return true
}

// inWindows says whether what q changes lies in the windows asked for.
func (o *optimizer) inWindows(q *Prog) bool {
	if len(o.opt.Windows) == 0 {
		return true
	}
	for i := range q.Insts {
		a, b := o.p.Insts[i], q.Insts[i]
		if a == b || a.Slot < 0 {
			continue
		}
		ok := false
		for _, w := range o.opt.Windows {
			ok = ok || int(a.Slot) >= w[0] && int(a.Slot) < w[1]
		}
		if !ok {
			return false
		}
	}
	return true
}

// unsafe says what the verifier would refuse in q that it did not in the
// program so far.
func (o *optimizer) unsafe(q *Prog) string {
	if len(o.refused) > 0 && o.refused[rewriteText(o.p, q)] {
		return "the proof of the whole program was against it"
	}
	if len(q.Entry) > 1 { // a function that q alone doesn't call goes with the call
		c := q.Clone()
		if c.dropUncalled(); len(c.Entry) < len(q.Entry) {
			q = c
		}
	}
	if why := o.malformed(q); why != "" {
		return why
	}
	problems, ok := o.a.problemsOf(q)
	if !ok {
		problems = analyse(q).problems
	}
	for _, p := range problems {
		if !o.bad[problemText(p)] {
			return p
		}
	}
	return ""
}

// malformed says what the verifier would refuse before it follows any path
// (check_subprogs, resolve_pseudo_ldimm64 and the field checks): an encoding
// that isn't one, and control that leaves its function.
func (o *optimizer) malformed(q *Prog) string {
	for i := range q.Insts {
		in := &q.Insts[i]
		if in.Op == Nop || in.Fixed || i < len(o.p.Insts) && *in == o.p.Insts[i] {
			continue
		}
		var hi *ebpf.Insn
		if in.IsWide() {
			hi = &ebpf.Insn{Imm: in.Hi}
		}
		if err := in.Insn.Check(hi); err != nil {
			return fmt.Sprintf("insn %d: %v", i, err)
		}
	}
	if len(q.Entry) < 2 || o.p.leavesFunction() != "" {
		return ""
	}
	return q.leavesFunction()
}

// dropUncalled takes out functions that nothing calls any more: the verifier
// refuses code it can't reach.
func (p *Prog) dropUncalled() {
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
			p.Insts[i] = nop()
		}
	}
	if len(keep) < len(p.Entry) {
		p.Entry = keep
		p.Compact()
	}
}

// leavesFunction names a jump, or the end of a function, that leads into
// another one; "" where there is none.
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
			if !c.Insts[i-1].ends() {
				return fmt.Sprintf("insn %d: falls into another function", i-1)
			}
		}
	}
	for i := range c.Insts {
		if in := &c.Insts[i]; in.jumps() && (int(in.To) >= len(c.Insts) || fn[in.To] != fn[i]) {
			return fmt.Sprintf("insn %d: jumps into another function", i)
		}
	}
	return ""
}

// problemText drops the instruction number, which moves.
func problemText(p string) string {
	for i := range p {
		if p[i] == ':' {
			return p[i:]
		}
	}
	return p
}

// blocks gives the straight runs [s, e): no jump into or out of the middle,
// no barrier inside.
func (o *optimizer) blocks() [][2]int {
	all := o.allBlocks()
	for i, b := range all {
		if b[1] > o.from {
			return all[i:]
		}
	}
	return nil
}

func (o *optimizer) allBlocks() [][2]int {
	p := o.p
	start := make([]bool, len(p.Insts)+1)
	for _, e := range p.Entry {
		start[e] = true
	}
	for i := range p.Insts {
		in := &p.Insts[i]
		if in.jumps() {
			start[in.To] = true
			start[i+1] = true
		}
		if in.ends() {
			start[i+1] = true
		}
	}
	var out [][2]int
	s := 0
	for i := 0; i <= len(p.Insts); i++ {
		stop := i == len(p.Insts) || start[i]
		bar := !stop && (p.barrier(&p.Insts[i]) || p.Insts[i].jumps() || p.Insts[i].Op == ebpf.OpExit)
		if stop || bar {
			if i > s {
				out = append(out, [2]int{s, i})
			}
			s = i
			if bar {
				s = i + 1
			}
		}
	}
	return out
}

// defReg is the register an instruction sets besides memory; -1 none (calls
// are not asked).
func defReg(in *Inst) int {
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64, ebpf.ClassLDX:
		return int(in.Dst)
	case ebpf.ClassLD:
		if in.Op == ebpf.OpLDDW {
			return int(in.Dst)
		}
	case ebpf.ClassSTX:
		if in.IsAtomic() && in.Imm == ebpf.AtomicLoadAcq {
			return int(in.Dst)
		}
		if in.IsAtomic() && in.Imm&ebpf.AtomicFetch != 0 {
			if in.Imm == ebpf.AtomicCmpXchg {
				return 0
			}
			return int(in.Src)
		}
	}
	return -1
}

// reads gives the registers an instruction reads; of calls, all arguments.
func reads(in *Inst) uint16 {
	switch in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		var m uint16
		op := in.ALUOp()
		if op != ebpf.ALUMov {
			m |= 1 << in.Dst
		}
		if in.Op&ebpf.SrcX != 0 && op != ebpf.ALUEnd && op != ebpf.ALUNeg {
			m |= 1 << in.Src
		}
		return m
	case ebpf.ClassLDX:
		return 1 << in.Src
	case ebpf.ClassST:
		return 1 << in.Dst
	case ebpf.ClassSTX:
		m := uint16(1<<in.Dst | 1<<in.Src)
		if in.IsAtomic() && in.Imm == ebpf.AtomicCmpXchg {
			m |= 1
		}
		return m
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		switch in.Op {
		case ebpf.OpExit:
			return 1
		case ebpf.OpJA, ebpf.OpJA32:
			return 0
		case ebpf.OpCall, ebpf.OpCallX:
			if h := helperOf(in.Imm); h != nil && in.Src == ebpf.CallHelper {
				m := uint16(0)
				for k, a := range h.args {
					if a != argNone {
						m |= 1 << (k + 1)
					}
				}
				return m
			}
			return 0x3e
		}
		m := uint16(1 << in.Dst)
		if in.Op&ebpf.SrcX != 0 {
			m |= 1 << in.Src
		}
		return m
	case ebpf.ClassLD:
		if in.Op != ebpf.OpLDDW && in.Op != Nop {
			return 1<<6 | 1<<in.Src
		}
	}
	return 0
}

// defs gives the registers an instruction changes.
func defs(in *Inst) uint16 {
	if in.Op == ebpf.OpCall || in.Op == ebpf.OpCallX || in.Class() == ebpf.ClassLD && in.Op != ebpf.OpLDDW && in.Op != Nop {
		return 0x3f
	}
	if r := defReg(in); r >= 0 {
		return 1 << r
	}
	return 0
}

func movImm(r uint8, v int32) Inst {
	return Inst{Insn: ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: r, Imm: v}, To: -1, Slot: -1}
}

func movReg(d, s uint8) Inst {
	return Inst{Insn: ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: d, Src: s}, To: -1, Slot: -1}
}

// movConst is the cheapest instruction that sets r to v; ok is false where
// that takes a wide load.
func movConst(r uint8, v uint64) (Inst, bool) {
	if v == uint64(int64(int32(v))) {
		return movImm(r, int32(v)), true
	}
	if v>>32 == 0 {
		in := movImm(r, int32(v))
		in.Op = ebpf.ClassALU | ebpf.ALUMov
		return in, true
	}
	return Inst{}, false
}

func sizeOp(n int) uint8 {
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
