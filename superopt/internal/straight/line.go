package straight

import (
	"slices"
	"sync"

	"jitnic/host/points"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
)

// maxRounds is how often all walks are taken at most: each round but the last
// makes the code shorter or simpler.
const maxRounds = 12

// attempts are what is tried in turn until the proof of the whole isn't against
// it: what reorders code, and what terms can't follow, goes first.
var attempts = []struct{ transfers, rules bool }{{true, true}, {true, false}, {false, true}, {false, false}}

// Run improves the gate's program where it is straight. What it takes is proved.
func Run(o *rewrite.Gate) {
	line := o.Prover.Line(o.Prog, o.Known.In[0], o.Assume)
	if line == nil {
		return
	}
	s := scratches.Get().(*scratch)
	defer func() {
		scratches.Put(s)
		o.Stats.Steps += line.M.Steps
		o.Prover.NoSolver = false
		line.M.Release()
	}()
	for i, a := range attempts {
		l := newLine(o, line, s)
		l.useTransfers, l.useRules = a.transfers, a.rules && o.Options.Runs('r')
		l.run()
		if l.made == 0 || o.TakeLine(line, l.prog, l.wants) {
			return
		}
		if o.Ctx.Err() != nil {
			return
		}
		o.Prover.NoSolver = i < len(attempts)-2 // the solver is asked about the first, and about the last
	}
	o.Prover.NoSolver = true
	leaveOut(o, line, s)
}

// leaveOut finds the rewrite that the proof is against, the last one of the
// shortest beginning that isn't proved, and takes what comes before it.
func leaveOut(o *rewrite.Gate, of *proof.Line, s *scratch) {
	upTo := func(fuel int) *line {
		l := newLine(o, of, s)
		l.fuel = fuel
		l.run()
		return l
	}
	good, bad := 0, upTo(1<<30).made
	for bad-good > 1 && o.Ctx.Err() == nil {
		mid := (good + bad) / 2
		if l := upTo(mid); o.LineProved(of, l.prog, l.wants) {
			good = mid
		} else {
			bad = mid
		}
	}
	if good > 0 {
		l := upTo(good)
		o.TakeLine(of, l.prog, l.wants)
	}
}

// line is code being rewritten.
type line struct {
	o    *rewrite.Gate
	m    *proof.Machine
	b    *bv.Builder
	from *proof.Line
	prog *ir.Prog

	useTransfers, useRules bool
	made                   int // rewrites so far
	fuel                   int // how many are made at most

	*scratch
}

// place is what is known about one instruction of the code as it is.
type place struct {
	known   bool        // the walk came by: what follows is of the code as it is
	outside bool        // it isn't modelled
	regs    [11]bv.Term // before it
	foot    proof.Footprint
	after   *proof.State // of a store
	want    [11]uint64   // bits wanted after it
	bytes   uint8        // of a store: which bytes of the 8 around it are wanted
}

// scratch is memory that one line after another uses.
type scratch struct {
	at    []place
	mem   memory          // of demand
	snaps proof.Snapshots // of places
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func newLine(o *rewrite.Gate, from *proof.Line, s *scratch) *line {
	l := &line{o: o, m: from.M, b: from.M.B, from: from, prog: o.Prog.Clone(), fuel: 1 << 30, scratch: s}
	l.at = slices.Grow(l.at[:0], len(l.prog.Insts))[:len(l.prog.Insts)]
	clear(l.at)
	return l
}

// run takes all walks until none changes anything.
func (l *line) run() {
	for range maxRounds {
		n := l.made
		l.forward()
		l.demand()
		l.stores()
		if m := l.made; !l.useTransfers || l.transfers() == m { // else registers are wanted longer than is known
			l.copies()
			l.rules()
		}
		l.compact()
		if l.made == n {
			return // what is known is of the code as it is
		}
		if l.o.Ctx.Err() != nil {
			break
		}
	}
	l.forward()
	l.demand()
}

// may says whether the next rewrite is to be made.
func (l *line) may() bool {
	if l.made >= l.fuel {
		return false
	}
	l.made++
	return true
}

// put makes the instruction at i another one.
func (l *line) put(i int, in ir.Inst) bool {
	if !l.may() {
		return false
	}
	in.To, in.Slot = -1, l.prog.Insts[i].Slot
	l.prog.Insts[i] = in
	return true
}

// drop empties place i.
func (l *line) drop(i int) bool {
	if !l.may() {
		return false
	}
	l.prog.Insts[i] = ir.Empty()
	return true
}

// compact closes the gaps.
func (l *line) compact() {
	n := 0
	for i := range l.prog.Insts {
		if l.prog.Insts[i].Op != ir.Nop {
			l.prog.Insts[n] = l.prog.Insts[i]
			n++
		}
	}
	l.prog.Insts = l.prog.Insts[:n]
}

// wants is which registers are read after instruction i.
func (l *line) wants(i int) uint16 {
	var r uint16
	for k, w := range l.at[i].want {
		if w != 0 {
			r |= 1 << k
		}
	}
	return r
}

// start is the state each walk begins with, and begins again with behind what
// isn't modelled.
func (l *line) start(piece int) *proof.State { return l.from.Pieces[piece].Start.Clone() }

// facts are what a rule asks about registers.
func (l *line) facts(i int, f *points.Facts) {
	f.Reached = true
	for r, t := range l.at[i].regs {
		f.R[r] = points.Value{}
		if t == 0 {
			continue
		}
		f.R[r] = points.Top()
		if l.m.Pointer(t) {
			f.R[r].Kind = points.Anything
			continue
		}
		f.R[r].Min, f.R[r].Max = l.b.Bounds(t)
		f.R[r].Number = f.R[r].Number.Norm()
	}
}
