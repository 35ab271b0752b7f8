package rewrite

import (
	"fmt"
	"jitnic/superopt/internal/ir"
	"strings"
)

// The proof of the whole program is a net under those of windows. Where it
// finds a difference, one of these rested on something that isn't so: the
// rewrite is looked for by bisection, taken back and never taken again, and the
// layers go on from the program before it. From then on nothing is kept but
// what the whole proof proves.

// step is one program on the way to the result, and the rewrite that made it of
// the one before.
type step struct {
	p    *ir.Prog
	what string
}

// MaxUndone is how many rewrites are taken back before the layers are no more
// asked for others in their place.
const MaxUndone = 4

// Keep begins the log of steps where the whole program can be proved.
func (o *Gate) Keep(original *ir.Prog) {
	if original.Modelled() {
		o.steps = []step{{p: o.Prog}}
	}
}

// Settle is the verdict over the whole program, after what it is against was
// taken back; again runs the layers anew.
func (o *Gate) Settle(original *ir.Prog, again func()) string {
	whole := o.WholeVerdict(original)
	for strings.HasPrefix(whole, "refuted") || o.Undone > 0 && o.Undone < 2*MaxUndone && whole != "proved" && o.Ctx.Err() == nil {
		last := o.Prog
		good, bad := 0, len(o.steps)-1 // the original is equal to itself
		for bad-good > 1 {
			mid := (good + bad) / 2
			o.Prog = o.steps[mid].p
			if o.WholeVerdict(original) == "proved" {
				good = mid
			} else {
				bad = mid
			}
		}
		if o.refused == nil {
			o.refused = map[string]bool{}
		}
		o.refused[o.steps[bad].what] = true
		o.Undone++
		if o.log != nil {
			o.log("undone, cost %g -> %g: %s: %s", o.Cost(last), o.Cost(o.steps[good].p), o.steps[bad].what, whole)
		}
		o.Prog = o.steps[good].p
		o.steps = o.steps[:good+1]
		o.PathTried, o.trail = nil, nil
		o.analyse()
		if o.Undone < MaxUndone {
			again()
		}
		whole = o.WholeVerdict(original)
	}
	if o.Undone > 0 && whole != "proved" { // interrupted, for one
		o.Prog = original
		o.analyse()
	}
	return whole
}

// rewriteText says what q changes of p: at which slots of the input, from what,
// to what. It is the same wherever else the program was changed before.
func rewriteText(p, q *ir.Prog) string {
	if len(p.Insts) != len(q.Insts) {
		return q.String()
	}
	var w strings.Builder
	for i := range p.Insts {
		a, b := &p.Insts[i], &q.Insts[i]
		if a.Insn == b.Insn && a.Hi == b.Hi && a.To == b.To {
			continue
		}
		fmt.Fprintf(&w, "%d: %v -> ", a.Slot, a.Insn)
		if b.Op == ir.Nop {
			w.WriteString("nothing; ")
		} else {
			fmt.Fprintf(&w, "%v; ", b.Insn)
		}
	}
	return w.String()
}
