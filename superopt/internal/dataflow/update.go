package dataflow

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
)

// A rewrite changes a few instructions of what may be thousands, and what is
// known changes near them. Update follows just that, in time that goes with what
// changed. Outside of loops it gives what Analyse and Liveness would, value for
// value. In a loop what was known is kept where it still holds: it may be less
// than they would find (Stale), and it never is more than holds, as every edge of
// the program agrees with it. A change that goes round a loop is left to them.

// Update is the analysis of q, which Compact made of edited, a copy of a's
// program with other instructions in the same places; index is what Compact
// gave. Instructions must have been given names (Prog.Number). What a held goes
// over into it: a is no good afterwards.
func (a *Analysis) Update(edited, q *ir.Prog, index []int32) *Analysis {
	if u := a.follow(edited, q, index, a); u != nil {
		if !u.backward() {
			u.new.Liveness()
		}
		return u.new
	}
	b := Analyse(q)
	b.Liveness()
	return b
}

// ProblemsAfter is the problems of q, as Update would find them.
func (a *Analysis) ProblemsAfter(edited, q *ir.Prog, index []int32) []Problem {
	if u := a.follow(edited, q, index, nil); u != nil {
		return u.new.Problems
	}
	return Analyse(q).Problems
}

// follow brings facts and problems up to date; nil where they must be found anew.
// The memory of into, if not nil, is used for it.
func (a *Analysis) follow(edited, q *ir.Prog, index []int32, into *Analysis) *update {
	if u := a.carry(edited, q, index, into); u != nil && u.forward() {
		return u
	}
	return nil
}

// update is an analysis on its way to another program.
type update struct {
	q   *ir.Prog  // the program now
	new *Analysis // of q
	// from lists the jumps and calls to each place: from[first[i]:first[i+1]].
	from, first []int32
	changed     []bool // instructions that are new, or lead elsewhere
	in          []bool // places to be joined anew
	moved       []bool // places whose facts are new
	live        []bool // places whose liveness is to be found anew
}

// carry moves what was known to the places of q and marks what is in doubt; nil
// where the places don't answer to each other.
func (a *Analysis) carry(edited, q *ir.Prog, index []int32, into *Analysis) *update {
	p, n := a.p, len(q.Insts)
	if a.Before == nil || len(edited.Insts) != len(p.Insts) || len(q.Entry) != len(p.Entry) || int(index[len(p.Insts)]) != n {
		return nil
	}
	fresh := &Analysis{p: q, Stale: a.Stale}
	if into != nil { // places only move down: none is written before it is read
		fresh.In, fresh.Live, fresh.Before = into.In[:n+1], into.Live[:n], into.Before[:n+1]
	} else {
		fresh.In, fresh.Live, fresh.Before = make([]*points.Facts, n+1), make([]Live, n), make([]Live, n+1)
	}
	u := &update{q: q, new: fresh,
		changed: make([]bool, n+1), in: make([]bool, n+1), moved: make([]bool, n+1), live: make([]bool, n+1)}
	u.jumps()
	led := false // elsewhere than before
	for i := range p.Insts {
		to := int(index[i])
		old, now := &p.Insts[i], &edited.Insts[i]
		if now.Op != ir.Nop {
			if into == nil || to != i {
				u.new.In[to], u.new.Live[to], u.new.Before[to] = a.In[i], a.Live[i], a.Before[i]
			}
			if *old == *now {
				continue
			}
			u.changed[to], u.live[to] = true, true
		} else { // gone: what comes behind is come to from before it
			u.in[to] = true
			u.came(to)
		}
		led = led || old.To >= 0 || now.To >= 0 || old.Ends() != now.Ends()
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
	u.new.In[n], u.new.Before[n] = nowhere, Live{}
	if led {
		u.new.way = wayOf(q)
	} else {
		u.new.way = a.way.carried(index, func(i int32) bool { return edited.Insts[i].Op == ir.Nop }, n)
	}
	for _, at := range a.Problems {
		if edited.Insts[at.Insn].Op != ir.Nop {
			u.new.Problems = append(u.new.Problems, Problem{int(index[at.Insn]), at.What})
		}
	}
	return u
}

// jumps finds who leads where.
func (u *update) jumps() {
	q, n := u.q, len(u.q.Insts)
	u.first = make([]int32, n+2)
	for i := range q.Insts {
		if to := leads(q, i); to >= 0 {
			u.first[to+1]++
		}
	}
	for i := range n + 1 {
		u.first[i+1] += u.first[i]
	}
	u.from = make([]int32, u.first[n+1])
	fill := slices.Clone(u.first)
	for i := range q.Insts {
		if to := leads(q, i); to >= 0 {
			u.from[fill[to]] = int32(i)
			fill[to]++
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
	for _, at := range u.new.way.order {
		i := int(at)
		if u.in[i] {
			u.again(i, root)
		}
		if !u.changed[i] && !u.moved[i] {
			continue
		}
		// all that is behind it is in doubt
		u.new.Stale = u.new.Stale || u.new.way.loop[i]
		u.live[i] = true
		round := false
		next(u.q, i, func(to int32) {
			u.in[to] = true
			if u.new.way.pos[to] <= u.new.way.pos[i] {
				was := u.new.In[to]
				u.again(int(to), root)
				round = round || u.new.In[to] != was
			}
		})
		if round {
			return false
		}
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

// again finds out what holds before instruction i.
func (u *update) again(i int, root map[int]int) {
	from := joining{f: nowhere}
	if u.new.way.loop[i] {
		u.new.Stale = true
		if old := *u.new.In[i]; old.Reached {
			from = joining{f: &old, visits: 1}
		}
	}
	if f := u.join(from, i, root); *f != *u.new.In[i] {
		u.new.In[i], u.moved[i] = f, true
	}
}

// join adds to what holds at i what holds on all edges there, in the order
// Analyse meets them: a function's own beginning, then along the way.
func (u *update) join(at joining, i int, root map[int]int) *points.Facts {
	if r, ok := root[i]; ok {
		f := EntryFacts(u.q, r)
		at.push(&f)
	}
	from := append(make([]int32, 0, 8), u.from[u.first[i]:u.first[i+1]]...)
	if i > 0 && !u.q.Insts[i-1].Ends() && !slices.Contains(from, int32(i-1)) {
		from = append(from, int32(i-1))
	}
	slices.SortFunc(from, func(a, b int32) int { return int(u.new.way.pos[a] - u.new.way.pos[b]) })
	for _, k := range from {
		if f := u.new.In[k]; f.Reached {
			edges(u.q, int(k), f, func(to int, f *points.Facts) {
				if to == i {
					at.push(f)
				}
			})
		}
	}
	return at.f
}

// came puts the liveness in doubt of all places that lead to i.
func (u *update) came(i int) {
	mark := func(k int) {
		u.live[k] = true
		u.asked(k)
	}
	if i > 0 {
		mark(i - 1)
	}
	for _, k := range u.from[u.first[i]:u.first[i+1]] {
		mark(int(k))
	}
}

// asked puts the liveness in doubt of calls whose result instruction k may ask
// for: what is live before them depends on where their failing path leads.
func (u *update) asked(k int) {
	for c := max(0, k-ir.AskedWithin); c < k; c++ {
		if u.q.Insts[c].Op == ebpf.OpCall {
			u.live[c] = true
		}
	}
}

// fromBehind says whether a place that is before i on the way back leads there:
// a loop's end.
func (u *update) fromBehind(i int) bool {
	pos := u.new.way.pos
	for _, k := range u.from[u.first[i]:u.first[i+1]] {
		if pos[k] >= pos[i] {
			return true
		}
	}
	return i > 0 && !u.q.Insts[i-1].Ends() && pos[i-1] >= pos[i]
}

// backward brings the liveness up to date; false where it must be found anew.
func (u *update) backward() bool {
	a := u.new
	for i := range u.q.Insts {
		if u.changed[i] {
			u.asked(i)
		}
	}
	for k := len(a.way.order) - 1; k >= 0; k-- {
		i := int(a.way.order[k])
		if !u.live[i] {
			continue
		}
		before := a.liveAt(i)
		if before == a.Before[i] {
			continue
		}
		if a.way.loop[i] {
			a.Stale = true
			if before.without(&a.Before[i]) && u.fromBehind(i) {
				return false
			}
		}
		a.Before[i] = before
		u.came(i)
	}
	a.targets()
	return true
}
