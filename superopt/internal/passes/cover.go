package passes

import (
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/rewrite"
)

// coverReach is how many instructions lie between a store that goes and the
// one that does its work.
const coverReach = 48

// passStoreCover: a store of a constant to the stack goes where another store,
// made wider, leaves the same bytes: what it adds is zeros, or is written again
// before anybody reads it. The other may come before or after it, or in one of
// the branches that follow, where the rest of them never read the bytes.
func passStoreCover(o *rewrite.Gate) bool {
	p := o.Prog
	type store struct {
		at, lo, n int // the bytes [lo, lo+n) of the frame
	}
	var all []store
	for i := range p.Insts {
		in := &p.Insts[i]
		if !o.Known.In[i].Reached || !in.IsStore() || in.IsAtomic() || in.Fixed {
			continue
		}
		v := &o.Known.In[i].R[in.Dst]
		if v.Kind != points.Stack || v.Base != 0 {
			continue
		}
		if lo, ok := points.StackBytes(v.Off+int64(in.Off), in.Size()); ok {
			all = append(all, store{i, lo, in.Size()})
		}
	}
	near := 0 // the first within reach of gone
	for _, gone := range all {
		if _, ok := storedConst(o, gone.at); !ok {
			continue
		}
		for all[near].at+coverReach <= gone.at {
			near++
		}
		for _, w := range all[near:] {
			if w.at >= gone.at+coverReach {
				break
			}
			s, e := min(gone.at, w.at), max(gone.at, w.at)+1
			if w.at == gone.at || e <= o.From || hasBarrier(p, s, e) || enteredWithin(o, s, e) {
				continue
			}
			for n := 2 * w.n; n <= 8; n *= 2 {
				if w.lo%n != 0 || w.lo+n <= gone.lo || gone.lo+gone.n <= w.lo {
					continue
				}
				if tryOnce(o, "store-cover", s, e, func(q *ir.Prog) {
					q.Insts[gone.at] = ir.Empty()
					x := &q.Insts[w.at]
					x.Op = x.Op&^0x18 | ir.SizeOp(n)
				}) {
					return true
				}
			}
		}
	}
	return false
}

// enteredWithin says whether anything outside [s, e) leads past its first
// instruction: what is proved of the run from s says nothing of such a way.
func enteredWithin(o *rewrite.Gate, s, e int) bool {
	for t := s + 1; t < e; t++ {
		for _, i := range o.Known.From(t) {
			if int(i) < s || int(i) >= e {
				return true
			}
		}
	}
	return isEntry(o.Prog, s+1, e)
}
