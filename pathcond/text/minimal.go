package text

import (
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// Minimal drops the predicates of a condition over b that follow from the others:
// `pkt.len >= 14` where `pkt.len >= 34` stays, `eth.type != 0x8100` where
// `eth.type == 0x0800` stays. What is left is equivalent, in the same order,
// and each predicate is one of the condition's own.
func Minimal(b *bv.Builder, cond []pathcond.Pred) []pathcond.Pred {
	keep := append([]pathcond.Pred(nil), cond...)
	// From the end: what those behind it imply. Recording has left out what
	// those before it imply, but not every condition comes from there.
	keep = sweep(b, keep, true)
	keep = sweep(b, keep, false)
	if len(keep) > maxLeaveOneOut {
		return keep
	}
	for i := 0; i < len(keep); i++ {
		f := pathcond.NewFacts(b)
		for j, p := range keep {
			if j != i {
				f.Learn(p.Term, p.Want)
			}
		}
		if v, ok := f.Known(keep[i].Term); ok && v == keep[i].Want {
			keep = append(keep[:i], keep[i+1:]...)
			i--
		}
	}
	return keep
}

// maxLeaveOneOut is how long a condition may be to try each predicate against
// all the others, which is quadratic.
const maxLeaveOneOut = 256

// sweep keeps what doesn't follow from what was kept so far.
func sweep(b *bv.Builder, cond []pathcond.Pred, backward bool) []pathcond.Pred {
	f := pathcond.NewFacts(b)
	drop := make([]bool, len(cond))
	for k := range cond {
		i := k
		if backward {
			i = len(cond) - 1 - k
		}
		p := cond[i]
		if v, ok := f.Known(p.Term); ok && v == p.Want {
			drop[i] = true
			continue
		}
		f.Learn(p.Term, p.Want)
	}
	out := cond[:0]
	for i, p := range cond {
		if !drop[i] {
			out = append(out, p)
		}
	}
	return out
}
