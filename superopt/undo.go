package superopt

import (
	"fmt"
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
	p    *Prog
	what string
}

// maxUndone is how many rewrites are taken back before the layers are no more
// asked for others in their place.
const maxUndone = 4

// keep begins the log of steps where the whole program can be proved.
func (o *optimizer) keep(original *Prog) {
	if original.modelled() {
		o.steps = []step{{p: o.p}}
	}
}

// settle is the verdict over the whole program, after what it is against was
// taken back; again runs the layers anew.
func (o *optimizer) settle(original *Prog, again func()) string {
	whole := o.wholeVerdict(original)
	for strings.HasPrefix(whole, "refuted") || o.undone > 0 && o.undone < 2*maxUndone && whole != "proved" && o.ctx.Err() == nil {
		last := o.p
		good, bad := 0, len(o.steps)-1 // the original is equal to itself
		for bad-good > 1 {
			mid := (good + bad) / 2
			o.p = o.steps[mid].p
			if o.wholeVerdict(original) == "proved" {
				good = mid
			} else {
				bad = mid
			}
		}
		if o.refused == nil {
			o.refused = map[string]bool{}
		}
		o.refused[o.steps[bad].what] = true
		o.undone++
		if o.log != nil {
			o.log("undone, cost %g -> %g: %s: %s", o.cost(last), o.cost(o.steps[good].p), o.steps[bad].what, whole)
		}
		o.p = o.steps[good].p
		o.steps = o.steps[:good+1]
		o.pathTried, o.trail = nil, nil
		o.analyse()
		if o.undone < maxUndone {
			again()
		}
		whole = o.wholeVerdict(original)
	}
	if o.undone > 0 && whole != "proved" { // interrupted, for one
		o.p = original
		o.analyse()
	}
	return whole
}

// rewriteText says what q changes of p: at which slots of the input, from what,
// to what. It is the same wherever else the program was changed before.
func rewriteText(p, q *Prog) string {
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
		if b.Op == Nop {
			w.WriteString("nothing; ")
		} else {
			fmt.Fprintf(&w, "%v; ", b.Insn)
		}
	}
	return w.String()
}
