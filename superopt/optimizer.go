package superopt

import (
	"context"
	"fmt"
	"math"

	"jitnic/host/ebpf"
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
	// opCost is what an opcode costs alone; additive: the cost of a program is
	// their sum.
	opCost   [256]float64
	additive bool
	// past are the programs on the way here, where more than one is wanted.
	past []*Prog
	// steps are all programs on the way here, where the whole can be proved at the
	// end; refused are the rewrites it was against.
	steps   []step
	refused map[string]bool
	undone  int
	book    ruleBook
}

// newOptimizer is a program as it comes in, followed and priced; its prover is
// the caller's to close.
func newOptimizer(ctx context.Context, p *Prog, opt *Options, assume assumption) (*optimizer, error) {
	cost, err := opt.costFunc()
	if err != nil {
		return nil, err
	}
	o := &optimizer{ctx: ctx, p: p.Clone(), cost: cost, opt: opt, banned: map[string]bool{}, bad: map[string]bool{}, assume: assume, log: opt.Log, stats: &Stats{}}
	o.pr = NewProver(uint32(opt.Seed))
	o.pr.FailLimit = opt.FailLimit
	if opt.Accel != nil {
		o.pr.Accel = *opt.Accel
	}
	if opt.RLimit != 0 {
		o.pr.RLimit = opt.RLimit
	}
	o.refresh()
	o.learnCost()
	for _, b := range o.a.problems {
		o.bad[problemText(b)] = true
	}
	return o, nil
}

// assumption is what holds before a fragment that begins at s.
func (o *optimizer) assumption(s int) assumption {
	if o.assume == nil || s != 0 {
		return nil
	}
	return o.assume
}

// progress tells who asked for it how far it is.
func (o *optimizer) progress() {
	o.opt.Progress(Progress{Best: o.cost(o.p), Proposals: o.stats.Proposals, Proved: o.pr.Proved, Refuted: o.pr.Refuted, Unknown: o.pr.Unknown})
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
	var v Verdict
	if tr != nil {
		v = o.pr.along(tr, &task{old: o.p, new: q, s: s, e: e, out: o.liveAt, loopFree: o.free}, o.a.in, o.holds)
	} else {
		v = o.pr.Equivalent(&task{old: o.p, new: q, s: s, e: e, pre: &o.a.in[s], out: o.liveAt, loopFree: o.free, assume: o.assumption(s)})
	}
	if _, ok := v.(Proved); !ok {
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

// learnCost asks the cost function what each opcode costs alone, and whether
// that says what the program costs: whether it is a sum over instructions.
func (o *optimizer) learnCost() {
	one := &Prog{Insts: make([]Inst, 1), Maps: o.p.Maps, Entry: []int32{0}}
	for op := 1; op < 256; op++ {
		one.Insts[0] = emptyInst()
		one.Insts[0].Op = uint8(op)
		o.opCost[op] = o.cost(one)
	}
	var sum float64
	for i := range o.p.Insts {
		sum += o.opCost[o.p.Insts[i].Op]
	}
	o.additive = math.Abs(sum-o.cost(o.p)) < 1e-6*(1+math.Abs(sum))
}
