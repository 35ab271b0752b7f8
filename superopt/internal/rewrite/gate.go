package rewrite

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rules"
)

// Gate holds one program while it is being improved. Every change goes
// through Try: cheaper, as safe, proved.
type Gate struct {
	Ctx     context.Context
	Options *Options
	Stats   *Stats
	Prover  *proof.Prover
	log     func(format string, args ...any)

	Prog   *ir.Prog           // as it is now
	Known  *dataflow.Analysis // of it
	Free   bool               // no loops: one instruction runs once at most
	draft  *ir.Prog           // a copy of Prog for the next proposal
	copied *ir.Prog           // the program of which it is one
	room   []ir.Inst          // memory of a program that nobody holds, for the next copy
	// followed is what the last look for problems found out of a program, which may be
	// the next one.
	followed *dataflow.Change

	Pricing
	questions
	route
	history
	Notes
}

// questions are what needs no second answer.
type questions struct {
	banned map[[sha256.Size]byte]bool // not proved, or not safe: by a digest of the question, of which there are many
	text   []byte                     // of the last question
	Bad    map[string]bool            // problems the original has already
}

// Notes are what passes keep between their runs.
type Notes struct {
	// From is where a pass goes on after a success: what lies before was tried.
	From      int
	PathTried *ir.Prog // the pass path-branch found nothing more in it
	Book      rules.RuleBook
	// Exhausted are the questions to which enumeration knows the answer: no code that
	// the search could find is cheaper and equal.
	Exhausted map[string]bool
}

// New is a program as it comes in, followed and priced; its prover is
// the caller's to close.
func New(ctx context.Context, p *ir.Prog, opt *Options, assume proof.Assumption) (*Gate, error) {
	summed, cost, err := opt.costOf(p)
	if err != nil {
		return nil, err
	}
	if err := p.Wellformed(); err != nil {
		return nil, err
	}
	o := &Gate{Ctx: ctx, Options: opt, Stats: &Stats{}, log: opt.Log, Prog: p.Clone(), Pricing: Pricing{Cost: cost, summed: summed},
		questions: questions{banned: map[[sha256.Size]byte]bool{}, Bad: map[string]bool{}}, route: route{Assume: assume}, Notes: Notes{Exhausted: map[string]bool{}}}
	o.Prover = proof.NewProver(uint32(opt.Seed))
	o.Prover.FailLimit = opt.FailLimit
	if opt.Accel != nil {
		o.Prover.Accel = *opt.Accel
	}
	if opt.RLimit != 0 {
		o.Prover.RLimit = opt.RLimit
	}
	if opt.Tier == 1 {
		o.Known = dataflow.Line(o.Prog) // and only that is asked
	} else {
		o.Refresh()
		o.learn(o.Prog)
	}
	for _, b := range o.Known.Problems {
		o.Bad[b.What], o.Bad[b.Kind()] = true, true
	}
	return o, nil
}

// Assumption is what holds before a fragment that begins at s.
func (o *Gate) Assumption(s int) proof.Assumption {
	if o.Assume == nil || s != 0 {
		return nil
	}
	return o.Assume
}

// Progress tells who asked for it how far it is.
func (o *Gate) Progress() {
	o.Options.Progress(Progress{Best: o.Cost(o.Prog), Proposals: o.Stats.Proposals, Proved: o.Prover.Proved, Refuted: o.Prover.Refuted, Unknown: o.Prover.Unknown})
}

// Refresh takes note of a new program: it is put in order, followed anew, and
// kept for undo and for the best few.
func (o *Gate) Refresh() {
	s, e := 0, len(o.Prog.Insts)
	if o.Known != nil {
		s, e = o.Known.Changed(o.Prog, s, e)
	}
	o.refresh(s, e)
}

// refresh is Refresh of a program of which [s, e) are new.
func (o *Gate) refresh(s, e int) {
	if o.steps != nil {
		o.stepped(s, e)
	}
	followed := o.followed
	o.followed = nil
	if o.Known != nil && o.Known.Update(o.Prog, s, e, followed) {
		o.Free = o.Prog.LoopFree()
	} else {
		o.Prog.Compact()
		o.Prog.DropUncalled()
		o.Prog.Number()
		o.priced = nil
		o.Analyse()
	}
	o.remember()
}

// Analyse finds out what is to be known of the program as it is.
func (o *Gate) Analyse() {
	o.Known = dataflow.Analyse(o.Prog)
	o.Known.Liveness()
	o.Free = o.Prog.LoopFree()
}

// LiveAt is what must agree where a fragment is left.
func (o *Gate) LiveAt(label int) *dataflow.Live {
	if label < 0 || label >= len(o.Prog.Insts) {
		l := dataflow.AtExit(o.Prog)
		return &l
	}
	return &o.Known.Before[label]
}

// Edit changes instructions [s, e) of a copy; the length stays, with nops.
type Edit func(q *ir.Prog)

// Try proposes a rewrite of [s, e). level says how much cheaper it must be: a
// rewrite of equal cost is taken only where the pass knows it can't undo what
// another did (enable).
func (o *Gate) Try(pass string, s, e int, enable bool, f Edit) bool {
	if o.Ctx.Err() != nil {
		return false
	}
	return o.propose(s, e, f, func(q *ir.Prog) bool { return o.consider(pass, s, e, enable, q) })
}

// Take is Try of a rewrite that is right by construction: it changes where control
// goes only to places that hold the same code. Nothing is left for a solver to
// decide; WholeVerdict proves the program again at the end.
func (o *Gate) Take(pass string, s, e int, enable bool, f Edit) bool {
	return o.propose(s, e, f, func(q *ir.Prog) bool {
		st := o.Stats.Pass(pass)
		st.Proposed++
		before, after := o.prices(o.Prog, q, s, e)
		if after > before || after == before && !enable || !o.InWindows(q) || o.unsafe(q, s, e) != "" {
			return false
		}
		o.Prover.Proved++
		o.Prover.ByTerms++
		o.accept(st, s, e, q, before, after)
		return true
	})
}

// propose makes f's edit of [s, e) in a draft, which is the program where taken
// says so.
func (o *Gate) propose(s, e int, f Edit, taken func(q *ir.Prog) bool) bool {
	p := o.Prog
	if o.copied != p {
		o.newDraft()
	}
	q := o.draft
	f(q)
	if !taken(q) {
		copy(q.Insts[s:e], p.Insts[s:e])
		return false
	}
	o.draft, o.copied = nil, nil
	if o.steps == nil && o.Assume == nil { // else the log of steps and trails hold it
		o.room = p.Insts
	}
	return true
}

// accept makes q the program, which differs in [s, e) alone.
func (o *Gate) accept(st *PassStats, s, e int, q *ir.Prog, before, after float64) {
	st.Accepted++
	if after < before {
		st.Better++
	}
	if a, b := o.Known.Changed(q, 0, min(len(q.Insts), large)); a < b && (a < s || b > e) { // of most programs that is all
		panic(fmt.Sprintf("pass %s changed [%d,%d) in a window [%d,%d)", st.Name, a, b, s, e))
	}
	o.taken(o.Prog, q, s, e)
	o.Prog = q
	o.refresh(s, e)
}

// newDraft makes the draft a copy of the program.
func (o *Gate) newDraft() {
	if o.draft != nil {
		o.room = o.draft.Insts
	}
	q := *o.Prog
	q.Insts = append(o.room[:0], o.Prog.Insts...)
	q.Entry = slices.Clone(o.Prog.Entry)
	o.draft, o.copied, o.room = &q, o.Prog, nil
}

func (o *Gate) consider(pass string, s, e int, enable bool, q *ir.Prog) bool {
	st := o.Stats.Pass(pass)
	p, from, to := o.Prog, s, e
	before, after := o.prices(p, q, from, to)
	if after > before || after == before && !enable {
		return false
	}
	if !o.InWindows(q) {
		return false
	}
	var tr *proof.Trail
	if o.Assume != nil && o.Prover.Accel.Windows {
		tr = o.trailOf()
	}
	if tr == nil && (o.Assume != nil || !o.Prover.Accel.Windows && o.Prog.Modelled()) {
		// A trace is proved from its beginning, where its condition holds; without
		// modular windows every proof is one of the whole program.
		if o.Prog.Modelled() {
			s, e = 0, len(o.Prog.Insts)
		}
	}
	first := s
	if tr != nil {
		first = 0 // all that comes before is part of the question
	}
	k := sha256.Sum256(o.question(first, e, q))
	if o.banned[k] { // the same question, answered before
		return false
	}
	st.Proposed++
	var v proof.Verdict
	if tr != nil {
		v = o.Prover.Along(tr, &proof.Task{Old: o.Prog, New: q, S: s, E: e, Out: o.LiveAt, LoopFree: o.Free}, o.Known.In, o.holds)
	} else {
		v = o.Prover.Equivalent(&proof.Task{Old: o.Prog, New: q, S: s, E: e, Pre: o.Known.In[s], Out: o.LiveAt, LoopFree: o.Free, Assume: o.Assumption(s)})
	}
	if _, ok := v.(proof.Proved); !ok {
		o.banned[k] = true
		if o.log != nil {
			o.log("%s [%d,%d): %+v", pass, s, e, v)
		}
		return false
	}
	if why := o.unsafe(q, from, to); why != "" {
		st.Unsafe++
		o.banned[k] = true
		if o.log != nil {
			o.log("%s [%d,%d): proved, but %s", pass, s, e, why)
		}
		return false
	}
	if o.log != nil {
		o.log("%s [%d,%d) accepted, cost %g -> %g", pass, s, e, before, after)
	}
	o.From = max(0, s-12)
	o.accept(st, from, to, q, before, after)
	if o.Options.Progress != nil {
		o.Progress()
	}
	return true
}

// InWindows says whether what q changes lies in the windows asked for.
func (o *Gate) InWindows(q *ir.Prog) bool {
	if len(o.Options.Windows) == 0 {
		return true
	}
	for i := range q.Insts {
		a, b := o.Prog.Insts[i], q.Insts[i]
		if a == b || a.Slot < 0 {
			continue
		}
		ok := false
		for _, w := range o.Options.Windows {
			ok = ok || int(a.Slot) >= w[0] && int(a.Slot) < w[1]
		}
		if !ok {
			return false
		}
	}
	return true
}

// Unsafe says what the verifier would refuse in q that it did not in the
// program so far.
func (o *Gate) Unsafe(q *ir.Prog) string {
	s, e := o.Known.Changed(q, 0, len(q.Insts))
	return o.unsafe(q, s, e)
}

// unsafe is Unsafe of a q that is the program but for [s, e).
func (o *Gate) unsafe(q *ir.Prog, s, e int) string {
	o.followed = nil
	if len(o.refused) > 0 && slices.ContainsFunc(o.refused, func(r Rewrite) bool { return slices.Equal(r, between(o.Prog, q, 0, len(q.Insts))) }) {
		return "the proof of the whole program was against it"
	}
	if len(q.Entry) > 1 && o.calls(s, e) { // a function that q alone doesn't call goes with the call
		c := q.Clone()
		if c.DropUncalled(); len(c.Entry) < len(q.Entry) {
			return cmp.Or(o.malformed(c, 0, len(c.Insts)), o.worse(dataflow.Analyse(c).Problems))
		}
	}
	if why := o.malformed(q, s, e); why != "" {
		return why
	}
	problems, ok := o.Known.ProblemsOf(q, s, e)
	why := o.worse(problems)
	if why == "" && !ok {
		problems, o.followed = o.Known.ProblemsAfter(q, s, e)
		why = o.worse(problems)
	}
	return why
}

// calls says whether anything in [s, e) of the program calls a function, or takes
// its address.
func (o *Gate) calls(s, e int) bool {
	return slices.ContainsFunc(o.Prog.Insts[s:e], func(in ir.Inst) bool { return in.To >= 0 && !in.Jumps() })
}

// worse names the first problem that the original has not; "" where there is
// none.
func (o *Gate) worse(problems []dataflow.Problem) string {
	for _, p := range problems {
		if !o.Bad[p.What] {
			return p.String()
		}
	}
	return ""
}

// malformed says what the verifier would refuse before it follows any path
// (check_subprogs, resolve_pseudo_ldimm64 and the field checks) in [s, e) of q:
// an encoding that isn't one, and control that leaves its function. Selects are a
// trace's alone, and begin in no program that has none.
func (o *Gate) malformed(q *ir.Prog, s, e int) string {
	turns := len(q.Insts) != len(o.Prog.Insts)
	for i := s; i < e; i++ {
		in := &q.Insts[i]
		if i < len(o.Prog.Insts) {
			old := &o.Prog.Insts[i]
			if *in == *old {
				continue
			}
			turns = turns || in.Turns() || old.Turns()
		}
		if in.Op == ir.Nop || in.Fixed {
			continue
		}
		var hi *ebpf.Insn
		if in.IsWide() {
			hi = &ebpf.Insn{Imm: in.Hi}
		}
		if what := in.Encoding(hi, in.IsSelect() && o.Prog.HasSelect()); what != "" {
			return fmt.Sprintf("insn %d: %s", i, what)
		}
	}
	if len(q.Entry) < 2 || !turns {
		return ""
	}
	return q.LeavesFunction(s, e)
}

// Blocks gives the straight runs [s, e) that end behind From: no jump into or out
// of the middle, no barrier inside. It is good for the program as it is.
func (o *Gate) Blocks() iter.Seq[[2]int] {
	return func(yield func([2]int) bool) {
		p, known := o.Prog, o.Known
		apart := func(in *ir.Inst) bool { return p.Barrier(in) || in.Jumps() || in.Op == ebpf.OpExit }
		s := min(o.From, len(p.Insts))
		for s > 0 && !known.Target(s) && !apart(&p.Insts[s-1]) && !p.Insts[s-1].Ends() {
			s--
		}
		for i := s; i <= len(p.Insts); i++ {
			if i < len(p.Insts) && (i == s || !known.Target(i) && !p.Insts[i-1].Ends()) && !apart(&p.Insts[i]) {
				continue
			}
			if i > s && i > o.From && !yield([2]int{s, i}) {
				return
			}
			if s = i; i < len(p.Insts) && apart(&p.Insts[i]) {
				s++
			}
		}
	}
}
