package pathcond

import (
	"jitnic/pathcond/bv"
	"jitnic/pcaps/splitmix"
)

// Whether a branch's ways can be taken together, and what that asks, is the same for
// all paths that come to it in the same way: it is found out once. What it follows
// from is the program, the settings, and what was chosen so far; what registers hold
// is part of the question all the same, as two ways are told apart by hash.

// weighed is what became of a branch: a region with the predicates under which it is
// left to each target, or none.
type weighed struct {
	r       *region
	asks    []bv.Term
	selects []bool
	left    []string // why the regions tried before it were not taken
}

// approach is a way to a branch.
type approach struct {
	where     [2]int32 // program and instruction
	predicate int      // the settings
	merge     bool
	a, b      uint64
}

// mostWeighed bounds what is kept; then it is begun anew.
const mostWeighed = 1 << 14

// approach names the way to the branch at hand.
func (x *exec) approach() approach {
	k := approach{where: [2]int32{x.step.Prog, x.step.PC}, predicate: x.c.Predicate, merge: x.c.Merge}
	k.a, k.b = x.chosen, ^x.chosen
	add := func(v uint64) {
		k.a = splitmix.Mix(k.a ^ v)
		k.b = splitmix.Mix(k.b + v)
	}
	add(uint64(x.path.Table)<<32 | uint64(len(x.frames)))
	add(uint64(len(x.packet.stores))<<32 | uint64(len(x.other.stores)))
	add(uint64(x.opaque)<<32 | uint64(len(x.out.code)))
	add(bv.Bit(x.frags > 0))
	for _, t := range x.r {
		add(uint64(t))
	}
	return k
}

// weighed finds out what becomes of the branch at hand, or knows it.
func (x *exec) weighed(g *graph) *weighed {
	if x.c.Specialise { // what is folded depends on what maps hold, and how often they changed
		return x.weighs(g)
	}
	k := x.approach()
	w, ok := x.c.weighed[k]
	if !ok {
		w = x.weighs(g)
		if len(x.c.weighed) >= mostWeighed {
			clear(x.c.weighed)
		}
		x.c.weighed[k] = w
	}
	return w
}
