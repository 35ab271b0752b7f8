package rewrite

import (
	"fmt"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
)

// The proof of the whole program is a net under those of windows. Where it
// finds a difference, one of these rested on something that isn't so: the
// rewrite is looked for by bisection, taken back and never taken again, and the
// layers go on from the program before it. From then on nothing is kept but
// what the whole proof proves.

// step is one program on the way to the result, and the rewrite that made it of
// the one before.
type step struct {
	what  Rewrite
	p     *ir.Prog // nil: what edits make of the one before
	edits []edit
}

// edit puts an instruction in a place.
type edit struct {
	at int
	in ir.Inst
}

// keepEvery is how many steps of a large program go by until one is kept whole.
const keepEvery = 64

// large is from how many instructions on a program is.
const large = 1000

// history is the way here.
type history struct {
	// Past are the programs on it, where more than one result is wanted.
	Past []*ir.Prog
	// steps are all of them, where the whole can be proved at the end; refused are
	// the rewrites that proof was against, Undone how many.
	steps   []step
	last    *ir.Prog // of the last step
	refused []Rewrite
	Undone  int
}

// MaxUndone is how many rewrites are taken back before the layers are no more
// asked for others in their place.
const MaxUndone = 4

// Keep begins the log of steps where the whole program can be proved.
func (o *Gate) Keep(original *ir.Prog) {
	if original.Modelled() {
		o.steps, o.last = []step{{p: o.Prog}}, o.Prog
	}
}

// stepped adds the program as it is now, not yet put in order; where it is as long as
// the last one, it is that but for [from, to). Its instructions stay as they are from
// then on.
func (o *Gate) stepped(from, to int) {
	p := o.Prog
	s := step{what: between(o.last, p, from, to), p: p}
	if len(p.Insts) >= large && len(o.steps)%keepEvery != 0 && len(p.Insts) == len(o.last.Insts) {
		s.p = nil
		for i := from; i < to; i++ {
			if p.Insts[i] != o.last.Insts[i] {
				s.edits = append(s.edits, edit{i, p.Insts[i]})
			}
		}
	}
	o.steps, o.last = append(o.steps, s), p
}

// program is the one of step k.
func (h *history) program(k int) *ir.Prog {
	from := k
	for h.steps[from].p == nil {
		from--
	}
	p := h.steps[from].p
	for _, s := range h.steps[from+1 : k+1] {
		p = p.Clone()
		for _, e := range s.edits {
			p.Insts[e.at] = e.in
		}
		p.Compact()
		p.DropUncalled()
	}
	return p
}

// Settle is the verdict over the whole program, after what it is against was
// taken back; again runs the layers anew.
func (o *Gate) Settle(original *ir.Prog, again func()) Whole {
	whole := o.WholeVerdict(original)
	for whole.Refuted() || o.Undone > 0 && o.Undone < 2*MaxUndone && !whole.Proved() && o.Ctx.Err() == nil {
		last := o.Prog
		good, bad := 0, len(o.steps)-1 // the original is equal to itself
		for bad-good > 1 {
			mid := (good + bad) / 2
			o.Prog = o.program(mid)
			if o.WholeVerdict(original).Proved() {
				good = mid
			} else {
				bad = mid
			}
		}
		o.refused = append(o.refused, o.steps[bad].what)
		o.Undone++
		if o.log != nil {
			o.log("undone, cost %g -> %g: %s: %s", o.Cost(last), o.Cost(o.program(good)), o.steps[bad].what, whole)
		}
		o.Prog = o.program(good)
		o.steps, o.last = o.steps[:good+1], o.Prog
		o.PathTried, o.trail = nil, nil
		o.Analyse()
		if o.Undone < MaxUndone {
			again()
		}
		whole = o.WholeVerdict(original)
	}
	if o.Undone > 0 && !whole.Proved() { // interrupted, for one
		o.Prog = original
		o.Analyse()
	}
	return whole
}

// Rewrite is what one program changes of another, instruction by instruction.
// It is the same wherever else the program was changed before.
type Rewrite []change

// change is what became of the instruction at a slot of the input.
type change struct {
	slot     int32
	old, new ebpf.Insn // new: empty where it is gone
}

// between is the rewrite that makes q of p, which differ in [s, e) alone; all of q
// where one is longer.
func between(p, q *ir.Prog, s, e int) Rewrite {
	var r Rewrite
	if len(p.Insts) != len(q.Insts) {
		for i := range q.Insts {
			r = append(r, change{slot: q.Insts[i].Slot, new: q.Insts[i].Insn})
		}
		return r
	}
	for i := s; i < e; i++ {
		a, b := &p.Insts[i], &q.Insts[i]
		if a.Insn == b.Insn && a.Hi == b.Hi && a.To == b.To {
			continue
		}
		c := change{slot: a.Slot, old: a.Insn}
		if b.Op != ir.Nop {
			c.new = b.Insn
		}
		r = append(r, c)
	}
	return r
}

// String prints the changes: at which slot, from what, to what.
func (r Rewrite) String() string {
	var w strings.Builder
	for _, c := range r {
		fmt.Fprintf(&w, "%d: %v -> ", c.slot, c.old)
		if c.new == (ebpf.Insn{}) {
			w.WriteString("nothing; ")
		} else {
			fmt.Fprintf(&w, "%v; ", c.new)
		}
	}
	return w.String()
}
