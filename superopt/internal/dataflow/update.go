package dataflow

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
)

// A rewrite changes a few instructions of what may be thousands, and what is
// known changes near them. Update follows just that: it gives what Analyse and
// Liveness would, value for value, in time that goes with what changed. What it
// can't follow, a change that reaches a loop or what a function is called with,
// is left to them.

// Update is the analysis of q, which Compact made of edited, a copy of a's
// program with other instructions in the same places; index is what Compact
// gave. a is spent. Instructions must have been given names (Prog.Number).
func (a *Analysis) Update(edited, q *ir.Prog, index []int32) *Analysis {
	u, ok := a.carry(edited, q, index)
	if ok && u.forward() {
		if !u.backward() {
			u.new.Liveness()
		}
		return u.new
	}
	b := Analyse(q)
	b.Liveness()
	return b
}

// update is an analysis on its way to another program.
type update struct {
	p, q *ir.Prog  // before and after
	new  *Analysis // of q
	// from lists the jumps to each place, ascending: from[first[i]:first[i+1]].
	from, first []int32
	looping     []bool // places in loops, or between the ends of one
	callee      []bool // where functions begin that are called
	changed     []bool // instructions that are new, or lead elsewhere
	in          []bool // places to be joined anew
	moved       []bool // places whose facts are new
	live        []bool // places whose liveness is to be found anew
}

// carry moves what was known to the places of q and marks what is in doubt.
func (a *Analysis) carry(edited, q *ir.Prog, index []int32) (*update, bool) {
	p, n := a.p, len(q.Insts)
	if a.Before == nil || len(edited.Insts) != len(p.Insts) || len(q.Entry) != len(p.Entry) || int(index[len(p.Insts)]) != n {
		return nil, false
	}
	u := &update{p: p, q: q, new: &Analysis{p: q, In: make([]*points.Facts, n+1), Live: make([]Live, n), Before: make([]Live, n+1)},
		changed: make([]bool, n+1), in: make([]bool, n+1), moved: make([]bool, n+1), live: make([]bool, n+1)}
	u.jumps()
	for i := range p.Insts {
		to := int(index[i])
		old, now := &p.Insts[i], &edited.Insts[i]
		if now.Op != ir.Nop {
			u.new.In[to], u.new.Live[to], u.new.Before[to] = a.In[i], a.Live[i], a.Before[i]
			if *old == *now {
				continue
			}
			u.changed[to], u.live[to] = true, true
		} else { // gone: what comes behind is come to from before it
			u.in[to] = true
			u.came(to)
		}
		if old.To >= 0 {
			u.in[index[old.To]] = true
		}
		if now.To >= 0 {
			u.in[index[now.To]] = true
		}
		if next := int(index[i+1]); !old.Ends() || !now.Ends() {
			u.in[next] = true
		}
	}
	u.new.In[n] = nowhere
	for _, at := range a.Problems {
		if edited.Insts[at.Insn].Op != ir.Nop {
			u.new.Problems = append(u.new.Problems, Problem{int(index[at.Insn]), at.What})
		}
	}
	return u, true
}

// jumps finds who leads where, and what lies in loops.
func (u *update) jumps() {
	q, n := u.q, len(u.q.Insts)
	u.first, u.looping, u.callee = make([]int32, n+2), make([]bool, n+1), make([]bool, n+1)
	for i := range q.Insts {
		in := &q.Insts[i]
		if in.Jumps() {
			u.first[in.To+1]++
			for k := int(in.To); k <= i; k++ {
				u.looping[k] = true
			}
		} else if in.To >= 0 && in.Op == ebpf.OpCall {
			u.callee[in.To] = true
		}
	}
	for i := range n + 1 {
		u.first[i+1] += u.first[i]
	}
	u.from = make([]int32, u.first[n+1])
	fill := slices.Clone(u.first)
	for i := range q.Insts {
		if in := &q.Insts[i]; in.Jumps() {
			u.from[fill[in.To]] = int32(i)
			fill[in.To]++
		}
	}
}

// forward brings the facts up to date; false where they must be found anew.
func (u *update) forward() bool {
	n := len(u.q.Insts)
	root := map[int]int{}
	for _, i := range roots(u.q) {
		root[int(u.q.Entry[i])] = i
	}
	for i := range n {
		if u.in[i] {
			if u.looping[i] || u.callee[i] {
				return false
			}
			f := u.join(i, root)
			if *f != *u.new.In[i] {
				u.new.In[i], u.moved[i] = f, true
			}
		}
		if !u.changed[i] && !u.moved[i] {
			continue
		}
		// all that is behind it is in doubt
		in := &u.q.Insts[i]
		if in.To >= 0 && in.Op != ebpf.OpLDDW {
			if int(in.To) <= i || in.Op == ebpf.OpCall {
				return false
			}
			u.in[in.To] = true
		}
		if !in.Ends() {
			u.in[i+1] = true
		}
		u.live[i] = true
	}
	again := func(i int) bool { return i < n && (u.changed[i] || u.moved[i]) }
	u.new.Problems = slices.DeleteFunc(u.new.Problems, func(p Problem) bool { return again(p.Insn) })
	for i := range n {
		if again(i) && u.new.In[i].Reached {
			u.new.Problems = complaints(u.q, i, u.new.In[i], u.new.Problems)
		}
	}
	slices.SortStableFunc(u.new.Problems, func(a, b Problem) int { return a.Insn - b.Insn })
	return true
}

// join gathers what holds on all edges to place i, in the order Analyse meets
// them: a function's own beginning, then by place.
func (u *update) join(i int, root map[int]int) *points.Facts {
	at := joining{f: nowhere}
	if r, ok := root[i]; ok {
		f := EntryFacts(u.q, r)
		at.push(&f)
	}
	follow := func(k int) {
		if f := u.new.In[k]; f.Reached {
			edges(u.q, k, f, func(to int, f *points.Facts) {
				if to == i {
					at.push(f)
				}
			})
		}
	}
	for _, k := range u.from[u.first[i]:u.first[i+1]] {
		if int(k) != i-1 {
			follow(int(k))
		}
	}
	if i > 0 {
		follow(i - 1)
	}
	return at.f
}

// came puts the liveness in doubt of all places that lead to i.
func (u *update) came(i int) {
	mark := func(k int) {
		u.live[k] = true
		for c := max(0, k-ir.AskedWithin); c < k; c++ { // a call's failing path may lead there
			if u.q.Insts[c].Op == ebpf.OpCall {
				u.live[c] = true
			}
		}
	}
	if i > 0 {
		mark(i - 1)
	}
	for _, k := range u.from[u.first[i]:u.first[i+1]] {
		mark(int(k))
	}
}

// backward brings the liveness up to date; false where it must be found anew.
func (u *update) backward() bool {
	a := u.new
	for i := len(u.q.Insts) - 1; i >= 0; i-- {
		if u.changed[i] { // it may be what asks for a call's result
			for c := max(0, i-ir.AskedWithin); c < i; c++ {
				u.live[c] = u.live[c] || u.q.Insts[c].Op == ebpf.OpCall
			}
		}
		if !u.live[i] {
			continue
		}
		if u.looping[i] {
			return false
		}
		before := a.liveAt(i)
		if before != a.Before[i] {
			a.Before[i] = before
			u.came(i)
		}
	}
	a.targets()
	return true
}
