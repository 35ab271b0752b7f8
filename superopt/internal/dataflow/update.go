package dataflow

import (
	"container/heap"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
)

// A rewrite changes a few instructions of what may be thousands, and what is
// known changes near them. Update follows just that, in time that goes with what
// changed, but for moving what stands behind an instruction that is gone. Outside
// of loops it gives what Analyse and Liveness would, value for value. In a loop
// what was known is kept where it still holds: it may be less than they would find
// (Stale), and it never is more than holds, as every edge of the program agrees
// with it. Where a change goes round a loop, that loop is followed anew.

// Update makes a the analysis of q, which is a's program with other instructions
// in [s, e), and puts q in order (Compact). Instructions must have been given names
// (Prog.Number). followed is what ProblemsAfter gave of it; nil: nothing. It says
// false, and has done nothing, where q must be followed anew: its places don't answer
// to a's, or functions are called no more.
func (a *Analysis) Update(q *ir.Prog, s, e int, followed *Change) bool {
	if a.Before == nil || len(q.Insts) != len(a.p.Insts) || len(q.Entry) != len(a.p.Entry) || a.dropped(q, s, e) {
		return false
	}
	c := followed
	if c == nil || c.a != a || c.q != q {
		c = a.follow(q, s, e)
	}
	c.keep()
	return true
}

// dropped says whether functions that a's program calls are called by none in q.
func (a *Analysis) dropped(q *ir.Prog, s, e int) bool {
	if len(q.Entry) < 2 || !slices.ContainsFunc(a.p.Insts[s:e], func(in ir.Inst) bool { return in.To >= 0 && !in.Jumps() }) {
		return false
	}
	r := q.Clone()
	r.DropUncalled()
	return len(r.Entry) < len(q.Entry)
}

// ProblemsAfter is the problems that q has and a's program has not, of which q is
// a copy with other instructions in [s, e); and what was found out for them, good
// until either changes.
func (a *Analysis) ProblemsAfter(q *ir.Prog, s, e int) ([]Problem, *Change) {
	if len(q.Insts) != len(a.p.Insts) || len(q.Entry) != len(a.p.Entry) {
		return Analyse(q).Problems, nil
	}
	c := a.follow(q, s, e)
	return c.problems, c
}

// Changed narrows [s, e) to what is other in q than in a's program; all of q where
// their places don't answer to each other.
func (a *Analysis) Changed(q *ir.Prog, s, e int) (int, int) {
	if len(q.Insts) != len(a.p.Insts) {
		return 0, len(q.Insts)
	}
	for s < e && a.p.Insts[s] == q.Insts[s] {
		s++
	}
	for e > s && a.p.Insts[e-1] == q.Insts[e-1] {
		e--
	}
	return s, e
}

// Change is a rewrite while it is followed: facts that are new beside those of the
// program before.
type Change struct {
	a        *Analysis
	q        *ir.Prog // the program now, with nops
	s, e     int      // where it is other than before
	led      bool     // elsewhere than before
	way      *way     // through q
	jumps    *jumps   // of q
	facts    map[int32]*points.Facts
	problems []Problem // of what changed
	places             // in doubt, the first on the way at the front
	stale    bool
	flow
	room points.Facts // for facts that turn out to be the old ones
}

// follow finds out what holds in q.
func (a *Analysis) follow(q *ir.Prog, s, e int) *Change {
	c := &Change{a: a, q: q, way: a.way, jumps: a.jumps, facts: map[int32]*points.Facts{}, flow: flow{p: q}}
	c.s, c.e = a.Changed(q, s, e)
	for i := c.s; i < c.e; i++ {
		if c.changed(i) {
			c.led = c.led || a.p.Insts[i].Turns() || q.Insts[i].Turns()
		}
	}
	if c.led {
		c.jumps = jumpsOf(q)
		if !c.stillOnWay() {
			c.way = wayOf(q)
		}
	}
	c.pos = c.way.pos
	for i := c.s; i < c.e; i++ {
		if !c.changed(i) {
			continue
		}
		c.ask(i)
		for _, p := range [2]*ir.Prog{a.p, q} {
			if to := p.Insts[i].To; to >= 0 {
				c.ask(int(to))
			}
			if !p.Insts[i].Ends() {
				c.ask(i + 1)
			}
		}
	}
	for i, ok := c.take(); ok; i, ok = c.take() {
		c.visit(i)
	}
	c.complain()
	return c
}

// changed says whether instruction i is new, or leads elsewhere.
func (c *Change) changed(i int) bool {
	return i >= c.s && i < c.e && c.a.p.Insts[i] != c.q.Insts[i]
}

// stillOnWay says whether the way through the program before is one through q: what
// is new is in no loop, and leads forward.
func (c *Change) stillOnWay() bool {
	for i := c.s; i < c.e; i++ {
		if !c.changed(i) {
			continue
		}
		if c.way.inLoop(i) || leads(c.q, i) == int32(i) {
			return false
		}
		ok := true
		next(c.q, i, func(to int32) { ok = ok && c.way.at(int(to)) > c.way.at(i) })
		if !ok {
			return false
		}
	}
	return true
}

// in is what holds before instruction i.
func (c *Change) in(i int) *points.Facts {
	if f := c.facts[int32(i)]; f != nil {
		return f
	}
	return c.a.In[i]
}

// ask puts what holds before i in doubt.
func (c *Change) ask(i int) {
	if i < len(c.q.Insts) {
		c.places.ask(i)
	}
}

// visit finds out what holds before i, and asks those behind it where that, or the
// instruction, is new.
func (c *Change) visit(i int) {
	moved := c.again(i)
	if !moved && !c.changed(i) {
		return
	}
	c.stale = c.stale || c.way.inLoop(i)
	round := false
	next(c.q, i, func(to int32) {
		if c.way.at(int(to)) > c.way.at(i) {
			c.ask(int(to))
		} else if !round && c.again(int(to)) {
			round = true
		}
	})
	if round {
		c.anew(i)
	}
}

// again finds out what holds before instruction i; it says whether that is new.
func (c *Change) again(i int) bool {
	from := place{Room: &c.room}
	if c.way.inLoop(i) {
		c.stale = true
		if old := c.in(i); old.Reached {
			from.Come(old, (*points.Facts).Meet, maxVisits)
		}
	}
	f := c.join(from, i, func(int32) bool { return true })
	if *f == *c.in(i) {
		return false
	}
	n := *f
	c.facts[int32(i)] = &n
	return true
}

// join adds to what holds at i what holds on all edges there from places that
// count, in the order Analyse meets them: a function's own beginning, then along
// the way.
func (c *Change) join(at place, i int, counts func(k int32) bool) *points.Facts {
	come := func(f *points.Facts) { at.Come(f, (*points.Facts).Meet, maxVisits) }
	if k := slices.Index(c.q.Entry, int32(i)); k >= 0 && rooted(c.q, k) {
		f := EntryFacts(c.q, k)
		come(&f)
	}
	from := append(make([]int32, 0, 8), c.jumps.to(i)...)
	if i > 0 && !c.q.Insts[i-1].Ends() && !slices.Contains(from, int32(i-1)) {
		from = append(from, int32(i-1))
	}
	slices.SortFunc(from, func(x, y int32) int { return int(c.way.at(int(x)) - c.way.at(int(y))) })
	for _, k := range from {
		if f := c.in(int(k)); f.Reached && counts(k) {
			c.edges(int(k), f, func(to int, f *points.Facts) {
				if to == i {
					come(f)
				}
			})
		}
	}
	return facts(&at)
}

// anew follows the loop in which i is as Analyse does, from what leads into it.
func (c *Change) anew(i int) {
	part := c.way.part(i)
	first := c.way.at(int(part[0]))
	// Places of the loop are numbered as they stand on the way.
	inside := func(i int32) (at int, ok bool) {
		at = int(c.way.at(int(i)) - first)
		return at, at >= 0 && at < len(part)
	}
	x := ebpf.NewFixed(len(part), maxVisits, (*points.Facts).Meet)
	for at, k := range part {
		f := c.join(place{Room: &c.room}, int(k), func(from int32) bool { _, ok := inside(from); return !ok })
		if f.Reached {
			x.Come(at, f)
		}
	}
	x.Settle(ebpf.InOrder(len(part)), func(at int, f *points.Facts) {
		c.edges(int(part[at]), f, func(to int, f *points.Facts) {
			if at, ok := inside(int32(to)); ok {
				x.Come(at, f)
			}
		})
	})
	for _, k := range part {
		delete(c.doubt, k)
	}
	for at, k := range part {
		if f := facts(&x.At[at]); *f != *c.in(int(k)) {
			c.facts[k] = f
		}
		if c.facts[k] != nil || c.changed(int(k)) {
			next(c.q, int(k), func(to int32) {
				if _, ok := inside(to); !ok {
					c.ask(int(to))
				}
			})
		}
	}
}

// complain finds the problems of what is new.
func (c *Change) complain() {
	for i := c.s; i < c.e; i++ {
		if f := c.a.In[i]; c.changed(i) && c.facts[int32(i)] == nil && f.Reached {
			c.problems = complaints(c.q, i, f, c.problems)
		}
	}
	for i, f := range c.facts {
		if f.Reached {
			c.problems = complaints(c.q, int(i), f, c.problems)
		}
	}
	slices.SortStableFunc(c.problems, func(x, y Problem) int { return x.Insn - y.Insn })
}

// keep makes c.a the analysis of c.q, put in order.
func (c *Change) keep() {
	a := c.a
	kept := slices.DeleteFunc(a.Problems, func(p Problem) bool { return c.changed(p.Insn) || c.facts[int32(p.Insn)] != nil })
	a.Problems = append(kept, c.problems...)
	slices.SortStableFunc(a.Problems, func(x, y Problem) int { return x.Insn - y.Insn })
	var doubt, gone []int32
	for i := c.s; i < c.e; i++ {
		switch {
		case c.q.Insts[i].Op == ir.Nop:
			gone = append(gone, int32(i))
		case c.changed(i):
			doubt = append(doubt, int32(i))
		}
	}
	for i, f := range c.facts {
		a.In[i] = f
		if c.q.Insts[i].Op != ir.Nop {
			doubt = append(doubt, i)
		}
	}
	a.p, a.way, a.jumps, a.Stale = c.q, c.way, c.jumps, a.Stale || c.stale
	index := c.q.Compact()
	if index != nil {
		a.compact(index, gone, c.led)
	}
	live := &liveness{a: a, places: places{pos: a.way.pos, back: true}}
	for _, i := range gone {
		live.came(int(index[i]))
	}
	for _, i := range doubt {
		if index != nil {
			i = index[i]
		}
		live.ask(int(i))
		live.asked(int(i))
	}
	live.run()
}

// compact moves what is known to where the instructions stand now: index gives
// that, gone is which are no more, led whether they led anywhere.
func (a *Analysis) compact(index, gone []int32, led bool) {
	n := int(index[len(index)-1])
	for i := int(gone[0]); i < len(index)-1; i++ {
		if to := int(index[i]); to < int(index[i+1]) {
			a.In[to], a.Live[to], a.Before[to] = a.In[i], a.Live[i], a.Before[i]
		}
	}
	a.In[n], a.Before[n] = nowhere, Live{}
	clear(a.In[n+1:])
	a.In, a.Live, a.Before = a.In[:n+1], a.Live[:n], a.Before[:n+1]
	kept := a.Problems[:0]
	for _, p := range a.Problems {
		if index[p.Insn] < index[p.Insn+1] {
			kept = append(kept, Problem{int(index[p.Insn]), p.What})
		}
	}
	a.Problems = kept
	a.way = a.way.carried(index)
	if led {
		a.jumps = jumpsOf(a.p)
	} else {
		a.jumps = a.jumps.carried(index)
	}
}

// places is a queue of the places in doubt, the first on the way at the front.
type places struct {
	list  []int32
	pos   []int32 // nil: the program's own order
	back  bool    // the last on the way at the front
	doubt map[int32]bool
}

// ask puts a place in doubt.
func (p *places) ask(i int) {
	if p.doubt == nil {
		p.doubt = map[int32]bool{}
	}
	if !p.doubt[int32(i)] {
		p.doubt[int32(i)] = true
		heap.Push(p, int32(i))
	}
}

// take gives the next place that is in doubt still, and is no more.
func (p *places) take() (i int, ok bool) {
	for len(p.list) > 0 {
		i := heap.Pop(p).(int32)
		if p.doubt[i] {
			delete(p.doubt, i)
			return int(i), true
		}
	}
	return 0, false
}

func (p *places) at(k int) int32 {
	x := p.list[k]
	if p.pos != nil {
		x = p.pos[x]
	}
	return x
}

func (p *places) Len() int { return len(p.list) }
func (p *places) Less(i, j int) bool {
	if p.back {
		i, j = j, i
	}
	return p.at(i) < p.at(j)
}
func (p *places) Swap(i, j int) { p.list[i], p.list[j] = p.list[j], p.list[i] }
func (p *places) Push(x any)    { p.list = append(p.list, x.(int32)) }
func (p *places) Pop() any {
	x := p.list[len(p.list)-1]
	p.list = p.list[:len(p.list)-1]
	return x
}

// liveness is what is live while it is brought up to date.
type liveness struct {
	a      *Analysis
	places // where what is live before them is in doubt
}

// came asks all places that lead to i.
func (l *liveness) came(i int) {
	l.before(i, func(k int) {
		l.ask(k)
		l.asked(k)
	})
}

// before calls f with the places that may lead to i.
func (l *liveness) before(i int, f func(k int)) {
	if i > 0 {
		f(i - 1)
	}
	for _, k := range l.a.jumps.to(i) {
		f(int(k))
	}
}

// asked asks the calls whose result instruction k may ask for: what is live before
// them depends on where their failing path leads.
func (l *liveness) asked(k int) {
	for c := max(0, k-ir.AskedWithin); c < k; c++ {
		if l.a.p.Insts[c].Op == ebpf.OpCall {
			l.ask(c)
		}
	}
}

// run brings the liveness up to date.
func (l *liveness) run() {
	a := l.a
	for i, ok := l.take(); ok; i, ok = l.take() {
		before := a.liveAt(i)
		if before == a.Before[i] {
			continue
		}
		if a.way.inLoop(i) {
			a.Stale = true
			if before.without(&a.Before[i]) && l.fromBehind(i) {
				l.anew(i)
				continue
			}
		}
		a.Before[i] = before
		l.before(i, func(k int) {
			if a.way.at(k) < a.way.at(i) {
				l.ask(k)
			}
			l.asked(k)
		})
	}
}

// fromBehind says whether a place that is before i on the way back leads there:
// a loop's end.
func (l *liveness) fromBehind(i int) bool {
	at := l.a.way.at(i)
	for _, k := range l.a.jumps.to(i) {
		if l.a.way.at(int(k)) >= at {
			return true
		}
	}
	return i > 0 && !l.a.p.Insts[i-1].Ends() && l.a.way.at(i-1) >= at
}

// anew finds what is live in the loop in which i is as Liveness does, from what is
// live where it is left.
func (l *liveness) anew(i int) {
	a, part := l.a, l.a.way.part(i)
	was := make([]Live, len(part))
	for x, k := range part {
		was[x], a.Before[k] = a.Before[k], Live{}
		delete(l.doubt, k)
	}
	for again := true; again; {
		again = false
		for x := len(part) - 1; x >= 0; x-- {
			k := int(part[x])
			if out := a.liveAt(k); out != a.Before[k] {
				a.Before[k], again = out, true
			}
		}
	}
	first := a.way.at(int(part[0]))
	for x, k := range part {
		if was[x] != a.Before[k] {
			l.before(int(k), func(k int) {
				if a.way.at(k) < first {
					l.ask(k)
					l.asked(k)
				}
			})
		}
	}
}
