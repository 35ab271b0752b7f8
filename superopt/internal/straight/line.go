package straight

import (
	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
)

// maxRounds is how often all walks are taken at most: each round but the last
// makes the code shorter or simpler.
const maxRounds = 12

// maxLeftOut is how many rewrites the whole proof may be against, before the
// code is left as it is.
const maxLeftOut = 4

// Run improves the gate's program where it is straight. What it takes is proved.
func Run(o *rewrite.Gate) {
	line := o.Prover.Line(o.Prog, &o.Known.In[0], o.Assume)
	if line == nil {
		return
	}
	defer func() { o.Stats.Steps += line.M.Steps }()
	bar := map[change]bool{} // rewrites left out
	for len(bar) <= maxLeftOut {
		l := newLine(o, line, bar)
		l.run()
		if l.made == 0 {
			return
		}
		if o.TakeLine(line, l.prog, l.wants) {
			return
		}
		// The rewrite that the proof is against: the last one of the shortest
		// beginning that isn't proved.
		good, bad := 0, l.made
		for bad-good > 1 {
			mid := (good + bad) / 2
			t := newLine(o, line, bar)
			t.fuel = mid
			t.run()
			if o.LineProved(line, t.prog, t.wants) {
				good = mid
			} else {
				bad = mid
			}
		}
		t := newLine(o, line, bar)
		t.fuel = bad
		t.run()
		bar[t.last] = true
	}
}

// line is code being rewritten.
type line struct {
	o    *rewrite.Gate
	m    *proof.Machine
	b    *bv.Builder
	from *proof.Line
	prog *ir.Prog

	bar  map[change]bool
	made int    // rewrites so far
	fuel int    // how many are made at most
	last change // the last of them

	at  []place
	mem *memory // scratch of demand
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

func newLine(o *rewrite.Gate, from *proof.Line, bar map[change]bool) *line {
	l := &line{o: o, m: from.M, b: from.M.B, from: from, prog: o.Prog.Clone(), bar: bar, fuel: 1 << 30}
	l.at = make([]place, len(l.prog.Insts))
	l.mem = new(memory)
	return l
}

// run takes all walks until none changes anything.
func (l *line) run() {
	for range maxRounds {
		n := l.made
		l.forward()
		l.demand()
		l.stores()
		l.copies()
		l.rules()
		l.compact()
		if l.made == n || l.o.Ctx.Err() != nil {
			break
		}
	}
	l.forward()
	l.demand()
}

// change names a rewrite: what becomes of the instruction that stood at a slot.
type change struct {
	slot int32
	in   ebpf.Insn
}

// may says whether a rewrite is to be made, that leaves in at place i.
func (l *line) may(i int, in ebpf.Insn) bool {
	c := change{l.prog.Insts[i].Slot, in}
	if l.made >= l.fuel || l.bar[c] {
		return false
	}
	l.made++
	l.last = c
	return true
}

// put makes the instruction at i another one.
func (l *line) put(i int, in ir.Inst) bool {
	if !l.may(i, in.Insn) {
		return false
	}
	in.To, in.Slot = -1, l.prog.Insts[i].Slot
	l.prog.Insts[i] = in
	return true
}

// drop empties place i.
func (l *line) drop(i int) bool {
	if !l.may(i, ebpf.Insn{}) {
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
func (l *line) facts(i int, f *dataflow.Facts) {
	f.Reached = true
	for r, t := range l.at[i].regs {
		f.R[r] = dataflow.Value{}
		if t == 0 {
			continue
		}
		f.R[r] = dataflow.Top()
		if l.m.Pointer(t) {
			f.R[r].Kind = dataflow.Anything
			continue
		}
		f.R[r].Min, f.R[r].Max = l.b.Bounds(t)
		f.R[r] = f.R[r].Norm()
	}
}
