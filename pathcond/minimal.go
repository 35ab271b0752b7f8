package pathcond

// Minimal drops the predicates of a condition that follow from the others:
// `pkt.len >= 14` where `pkt.len >= 34` stays, `eth.type != 0x8100` where
// `eth.type == 0x0800` stays. What is left is equivalent, in the same order,
// and each predicate is one of the condition's own.
func (c *Compiler) Minimal(cond []Pred) []Pred {
	keep := append([]Pred(nil), cond...)
	// From the end: what those behind it imply. Recording has left out what
	// those before it imply, but not every condition comes from there.
	keep = c.sweep(keep, true)
	keep = c.sweep(keep, false)
	if len(keep) > maxLeaveOneOut {
		return keep
	}
	for i := 0; i < len(keep); i++ {
		f := newFacts(c.B)
		for j, p := range keep {
			if j != i {
				f.learn(p.Term, p.Want)
			}
		}
		if v, ok := f.known(keep[i].Term); ok && v == keep[i].Want {
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
func (c *Compiler) sweep(cond []Pred, backward bool) []Pred {
	f := newFacts(c.B)
	drop := make([]bool, len(cond))
	for k := range cond {
		i := k
		if backward {
			i = len(cond) - 1 - k
		}
		p := cond[i]
		if v, ok := f.known(p.Term); ok && v == p.Want {
			drop[i] = true
			continue
		}
		f.learn(p.Term, p.Want)
	}
	out := cond[:0]
	for i, p := range cond {
		if !drop[i] {
			out = append(out, p)
		}
	}
	return out
}
