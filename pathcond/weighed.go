package pathcond

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/pcaps/splitmix"
	"jitnic/trace"
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
	kept    []*kept  // by target: what taking them together does, where that is known
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

// kept is what following a region to a target did to an execution.
type kept struct {
	learnt  []bv.Term
	code    []ebpf.Insn
	meta    []trace.Meta
	stack   []overwritten // bytes as they are since
	r       [11]bv.Term
	opaque  int
	origins []origin
}

// done takes down what following a region did since there were so many instructions and
// origins; nil: the next that comes there must do it himself.
func (w *weave) done(code, origins int) *kept {
	x := w.x
	if w.varies || x.from != nil {
		return nil
	}
	w.leave()
	k := &kept{learnt: w.learnt(), code: slices.Clone(x.out.code[code:]), meta: slices.Clone(x.out.meta[code:])}
	for _, b := range x.c.room.stores {
		k.stack = append(k.stack, overwritten{b.at, x.stack[b.at]})
	}
	k.r, k.opaque, k.origins = x.r, x.opaque, slices.Clone(x.origins[origins:])
	return k
}

// again does it to an execution that has come there in the same way.
func (x *exec) again(k *kept) {
	for _, p := range k.learnt {
		x.f.learn(p)
	}
	x.out.code, x.out.meta = append(x.out.code, k.code...), append(x.out.meta, k.meta...)
	for _, b := range k.stack {
		x.setByte(b.at, b.was)
	}
	x.r, x.opaque, x.origins = k.r, k.opaque, append(x.origins, k.origins...)
}
