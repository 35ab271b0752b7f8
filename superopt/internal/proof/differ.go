package proof

import (
	"fmt"
	"slices"
	"sort"

	"jitnic/host/points"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/trace"
)

// newAccess says which access of the rewrite the original never makes. Of the
// stack any is good that stays in the frame; where the address is known that is
// the checker's business, but it doesn't follow a selected one.
func (m *Machine) newAccess(a, b []Access) string {
	of := accesses{all: a, exact: make(map[Access]bool, len(a))}
	for _, e := range a {
		e.top = false
		of.exact[e] = true
	}
	for i := range b {
		x := &b[i]
		if x.rg == StackRegion {
			if off, strays := m.strays(a, x); strays {
				return fmt.Sprintf("accesses the stack at offset %d, which the original does not", off)
			}
			continue
		}
		e := *x
		e.top = false
		if of.exact[e] { // most are
			continue
		}
		base, c := m.B.SplitAdd(x.off)
		if (x.rg == ContextRegion || x.rg == -1) && !of.sometimes(e) && !m.ctxAllowed(x, c, base) {
			return fmt.Sprintf("accesses %d bytes of the context at %d, which the original does not", x.n, int64(c))
		}
		for k := range uint64(x.n) {
			guards := of.guards(m.B, accessedByte{x.rg, base, c + k, x.store})
			if !slices.ContainsFunc(guards, func(g bv.Term) bool { return g == m.One || g == x.guard || m.implies(x.guard, g) }) {
				return fmt.Sprintf("accesses a byte at offset %d the original does not", int64(c+k))
			}
		}
	}
	return ""
}

// accesses are those of the original, for the question whether a byte is among them.
type accesses struct {
	all   []Access
	exact map[Access]bool // but for top
	bytes map[accessedByte][]bv.Term
}

// accessedByte is one that is read, or one that is written.
type accessedByte struct {
	rg    int
	base  bv.Term
	at    uint64
	store bool
}

// sometimes says whether the original makes the access at all.
func (a *accesses) sometimes(x Access) bool {
	return slices.ContainsFunc(a.all, func(e Access) bool {
		e.guard, e.top = x.guard, x.top
		return e == x
	})
}

// guards are the conditions under which the original accesses a byte: what it
// writes may be read too.
func (a *accesses) guards(b *bv.Builder, at accessedByte) []bv.Term {
	if a.bytes == nil {
		a.bytes = map[accessedByte][]bv.Term{}
		for i := range a.all {
			x := &a.all[i]
			base, c := b.SplitAdd(x.off)
			for k := range uint64(x.n) {
				k := accessedByte{x.rg, base, c + k, false}
				a.bytes[k] = append(a.bytes[k], x.guard)
				if k.store = true; x.store {
					a.bytes[k] = append(a.bytes[k], x.guard)
				}
			}
		}
	}
	return a.bytes[at]
}

// strays says whether an access of the stack may be outside of the frame, where the
// original, which makes those of a, has none, and at which offset. Above the frame
// of a trace stand those of calls, and what is selected from; what the gaps between
// them hold is reached by r10 alone (trace.FrameStride).
func (m *Machine) strays(a []Access, x *Access) (int64, bool) {
	var few [4]int64
	for _, c := range m.places(x.off, few[:0]) {
		last := c + int64(x.n) - 1
		if c >= -trace.FrameSize && last < 0 {
			continue
		}
		if !x.top && (gap(c) || gap(last)) {
			return c, true
		}
		for k := c; k <= last; k++ {
			if !slices.ContainsFunc(a, func(x Access) bool {
				return x.rg == StackRegion && slices.ContainsFunc(m.places(x.off, nil), func(o int64) bool { return o <= k && k < o+int64(x.n) })
			}) {
				return c, true
			}
		}
	}
	return 0, false
}

// gap says whether a byte lies between two frames.
func gap(at int64) bool {
	return at < -trace.FrameSize || at >= 0 && at%trace.FrameStride < trace.FrameStride-trace.FrameSize
}

// places adds to out the constants that off selects from; none where it is no such
// choice.
func (m *Machine) places(off bv.Term, out []int64) []int64 {
	b := m.B
	if k, ok := b.IsConst(off); ok {
		return append(out, int64(k))
	}
	if _, x, y, ok := m.alternatives(off); ok {
		return m.places(y, m.places(x, out))
	}
	return out
}

// implies: x is g and something more.
func (m *Machine) implies(x, g bv.Term) bool {
	if x == g {
		return true
	}
	if m.B.Op(x) == bv.OpAnd {
		for _, a := range m.B.Args(x) {
			if m.implies(a, g) {
				return true
			}
		}
	}
	return false
}

// ctxAllowed lists context accesses of a width the original need not have
// used, over bytes that it did: the control block of an skb may be written by
// double words (bpf_skb_is_valid_access, net/core/filter.c), and the flat
// contexts of tracing programs are read in any aligned width
// (tp_prog_is_valid_access and others, kernel/trace/bpf_trace.c).
func (m *Machine) ctxAllowed(x *Access, c uint64, base bv.Term) bool {
	if x.rg != ContextRegion || base != 0 {
		return false
	}
	switch m.p.Kind {
	case ir.KindSKB:
		return x.n == 8 && c >= 48 && c+8 <= 68 && c%8 == 0
	case ir.KindTracing:
		return c%uint64(x.n) == 0 && !x.store
	}
	return false
}

// mark is how far a region had been written at one point.
type mark struct {
	ver bv.Term
	n   int
}

// differ is the predicate "the two sets of exits disagree on what matters".
func (m *Machine) differ(a, b map[int]exitState, out func(int) *dataflow.Live) (bv.Term, string) {
	return m.differFrom(a, b, out, nil)
}

// differFrom is differ where both came from one state: what was written up to
// it they share, and the bytes either wrote since are all that may differ.
func (m *Machine) differFrom(a, b map[int]exitState, out func(int) *dataflow.Live, from []mark) (bv.Term, string) {
	t := m.B
	labels := map[int]bool{}
	for l := range a {
		labels[l] = true
	}
	for l := range b {
		labels[l] = true
	}
	var order []int
	for l := range labels {
		order = append(order, l)
	}
	sort.Ints(order)
	diff := m.zero
	for _, l := range order {
		x, okx := a[l]
		y, oky := b[l]
		switch {
		case !okx:
			diff = t.OrB(diff, y.pc)
			continue
		case !oky:
			diff = t.OrB(diff, x.pc)
			continue
		}
		if x.pc != y.pc {
			diff = t.OrB(diff, t.Not(t.Bin(bv.OpEq, x.pc, y.pc)))
		}
		d := m.zero
		ne := func(p, q bv.Term) {
			if p != q {
				d = t.OrB(d, t.Not(t.Bin(bv.OpEq, p, q)))
			}
		}
		lv := out(l)
		for r := 0; r < 11; r++ {
			if lv.Regs>>r&1 == 0 {
				continue
			}
			p, q := x.st.R[r], y.st.R[r]
			if p == 0 { // the original can't read it later on any path
				continue
			}
			if q == 0 {
				return 0, fmt.Sprintf("leaves r%d unreadable", r)
			}
			if l == -1 && r == 0 && !m.p.Sub && len(m.p.Entry) == 1 && m.p.Kind != ir.KindConst { // a verdict has 32 bits (bpf_prog_run)
				p, q = t.Extract(p, 0, 32), t.Extract(q, 0, 32)
			}
			ne(p, q)
		}
		ne(x.st.world, y.st.world)
		for rg := range x.st.mem {
			p, q := &x.st.mem[rg], &y.st.mem[rg]
			if rg != StackRegion {
				ne(p.ver, q.ver)
			}
			seen := map[bv.Term]bool{}
			shared := sharedWrites(p, q)
			for _, side := range [2]*region{p, q} {
				since := 0
				if from != nil && side.ver == from[rg].ver {
					since = from[rg].n
				}
				for _, w := range side.writes[since:] {
					if m.stopped != nil && m.stopped.Load() {
						return m.One, "" // nobody asks for it any more
					}
					if seen[w.off] {
						continue
					}
					seen[w.off] = true
					if p.ver == q.ver && !m.mayHit(p.writes[shared:], w.off) && !m.mayHit(q.writes[shared:], w.off) {
						continue // both have there what they shared
					}
					if rg == StackRegion {
						if k, ok := t.IsConst(w.off); ok {
							lo, ok := points.StackBytes(int64(k), 1)
							if ok && lv.Stack[lo>>6]>>(lo&63)&1 == 0 || !ok && (m.line || m.p.Trace) && l == -1 && !m.p.Goes { // frames above end with a trace
								continue
							}
						}
					}
					ne(m.getByte(x.st, rg, w.off), m.getByte(y.st, rg, w.off))
				}
			}
		}
		diff = t.OrB(diff, t.AndB(x.pc, d))
	}
	return diff, ""
}

// sharedWrites is how many writes two regions have in common from the beginning.
func sharedWrites(p, q *region) int {
	n := 0
	for n < len(p.writes) && n < len(q.writes) && p.writes[n] == q.writes[n] {
		n++
	}
	return n
}

// mayHit says whether any of the writes may be at off.
func (m *Machine) mayHit(writes []memWrite, off bv.Term) bool {
	base, at := m.B.SplitAdd(off)
	for i := range writes {
		if k, ok := m.B.IsConst(m.hits(&writes[i], off, base, at)); !ok || k != 0 {
			return true
		}
	}
	return false
}
