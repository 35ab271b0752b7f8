package pathcond

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/vm"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// Merging and predication. Where a branch would become part of the condition, its
// ways are followed from the program, to the places outside of its region
// (region.go) that they lead to. What becomes part of the condition is only which
// of the places it is: the ways that lead to one are one path.
//
// Where they come there in different states, the trace runs all of them, and
// selects (predication): what the branch decides is data then. Where they come in
// the same state, the trace has nothing of them (merging). A region with one place
// asks nothing.
//
// All ways are followed whichever the packet at hand takes, so every path that comes
// to the branch in the same way asks the same: conditions stay disjoint. Terms hold
// what the registers of the trace hold where a way is the one that counts; where
// ways come together a value that differs is ite(predicate, one, other).
//
// A way that doesn't count runs all the same, so nothing in it may fault or be seen.
// A load stands at an address that is good either way, or goes to a scratch slot
// instead; a store does so always, by a select of its address, and is never done by
// writing back what was there, but on the stack, which is the trace's own. What
// calls, other than look-ups of array elements, is in no region.

// quit leaves a region: a smaller one is tried.
type quit struct{ why string }

// weave is the execution of a region on behalf of one target, or of none.
type weave struct {
	x      *exec
	g      *graph
	r      *region
	step   *vm.Step // of the branch
	now    vm.Step  // that is executed
	target int      // or nowhere: all ways
	leads  []bool   // by block: it leads to the target
	always []bool   // by block: all ways to the target go through it
	known  []int    // by block: the only side that can be taken; -1: either
	pred   []bv.Term
	at     int      // the block being executed
	facts  []*Facts // by block, at its end
	regs   [][11]val
	over   []int    // by block: the nearest block that all ways to it go through; -1
	guards []guard  // by block, where they are known (term)
	conds  []guard  // likewise
	in     [][]edge // by block, and of the target: the ways that lead there
	nodes  []node
	slots  int16
	varies bool // what it does isn't told by the way to the branch alone: addresses are the run's
}

// val is a value: an index of weave.nodes; 0: none.
type val int32

// guard is a number that is not 0 where something counts, or 0 where it does;
// v 0: it always counts.
type guard struct {
	v    val
	want bool
	term bv.Term
}

// Regions counts the branches that merging and predication looked at.
type Regions struct {
	Merged int            // whose ways became one without a select
	Joined int            // made data
	Left   map[string]int // left branches, by reason
}

func (r *Regions) left(why string) {
	if r.Left == nil {
		r.Left = map[string]int{}
	}
	r.Left[why]++
}

// tries bounds the regions tried for one branch.
const tries = 8

// limits are those of the regions that the settings ask for.
func (c *Compiler) limits() limits {
	l := limits{size: c.Predicate, targets: 1}
	if c.Merge {
		l.targets, l.size = maxWays, max(l.size, maxSame)
	}
	return l
}

// maxSame is how many instructions ways may have that turn out to do the same.
const maxSame = 8

// follows says whether branches are followed to all sides.
func (c *Compiler) follows() bool { return c.Predicate > 0 || c.Merge }

// together takes ways of the branch at hand together if it can: it then says true,
// and execution goes on where the packet's way leads.
func (x *exec) together(in ebpf.Insn, p bv.Term) bool {
	c := x.c
	if !c.follows() || x.quiet != nil {
		return false
	}
	if _, ok := x.f.Known(p); ok || x.b.Opaque(p) || in.Op == ebpf.OpMayGo || len(x.frames) >= trace.Frames {
		return false
	}
	g := c.graphOf(x.step.Prog)
	w := x.weighed(g)
	for _, why := range w.left {
		c.Regions.left(why)
	}
	if w.r == nil {
		return false
	}
	if x.taken(g, w.r) < 0 {
		c.Regions.left("the run ends in it")
		return false
	}
	x.take(g, w)
	return true
}

// weighs tries regions of the branch at hand, the largest first.
func (x *exec) weighs(g *graph) *weighed {
	w := &weighed{}
	var not []int
	for range tries {
		r := g.region(int(x.step.PC), x.c.limits(), not)
		if r == nil {
			break
		}
		kept := make([]*kept, len(r.targets))
		asks, selects, bad, why := x.weigh(g, r, kept)
		if why == "" {
			w.r, w.asks, w.selects, w.kept = r, asks, selects, kept
			break
		}
		w.left = append(w.left, why)
		if bad <= 0 {
			break
		}
		not = append(not, r.blocks[bad].pc)
	}
	return w
}

// weigh follows a region to each of its targets, and leaves everything as it was.
// It gives the predicate under which ways lead to each, and by target whether the
// trace selects, and puts into done what following it to a target does, where that is
// the same for all that come there. Where that can't be it says why, and at which block.
func (x *exec) weigh(g *graph, r *region, done []*kept) (asks []bv.Term, selects []bool, bad int, why string) {
	var w *weave
	run := func(target int) string {
		undo := x.mark()
		defer undo()
		code, origins := len(x.out.code), len(x.origins)
		w = x.weave(g, r, target)
		return w.try(func() {
			w.run()
			if target == nowhere {
				return
			}
			more := w.mark()
			if more > 0 && x.c.Predicate <= 0 {
				panic(quit{"its ways differ where they come together"})
			}
			selects[target] = more > 0
			w.write()
			x.step = w.step
			done[target] = w.done(code, origins)
		})
	}
	selects = make([]bool, len(r.targets))
	reach := []bv.Term{x.b.Bool(true)}
	if len(r.targets) > 1 {
		if why = run(nowhere); why != "" {
			return nil, nil, w.at, why
		}
		reach = w.reach()
	}
	for t := range r.targets {
		asks = append(asks, reach[t])
		if x.b.Opaque(reach[t]) {
			return nil, nil, len(r.blocks) - 1, "a branch on what can't be known before the run"
		}
		if v, ok := x.b.IsConst(reach[t]); ok && v == 0 {
			continue
		}
		if why = run(t); why != "" {
			if w.at == len(r.blocks) {
				w.at--
			}
			return nil, nil, w.at, why
		}
	}
	return asks, selects, 0, ""
}

// take makes the place that the run's way leads to part of the condition, and
// executes the ways that lead to it.
func (x *exec) take(g *graph, at *weighed) {
	t := x.taken(g, at.r)
	ask := func() {
		for i, p := range at.asks[:min(t+1, len(at.asks)-1)] { // the last is where no other is
			x.decide(p, i == t, WhyBranch)
		}
	}
	if k := at.kept[t]; k != nil {
		ask()
		x.again(k)
	} else {
		x.follow(g, at.r, t, ask)
	}
	if at.selects[t] {
		x.c.Regions.Joined++
		x.path.Predicated++
	} else {
		x.c.Regions.Merged++
		x.path.Merged++
	}
	x.resume = at.r.targets[t]
}

// follow executes the ways that lead to a target.
func (x *exec) follow(g *graph, r *region, t int, ask func()) {
	step, facts := x.step, x.f
	w := x.weave(g, r, t)
	why := w.try(func() { w.run(); w.mark(); w.write() })
	x.step, x.f = step, facts
	if why != "" {
		x.abort(trace.ReasonInternal, why)
	}
	x.code = g.code
	ask()
	for _, p := range w.learnt() {
		x.f.learn(p)
	}
	w.leave()
}

// taken is the target that the recorded run came to; -1: none.
func (x *exec) taken(g *graph, r *region) int {
	in := map[int]bool{}
	for _, b := range r.blocks[1:] {
		for pc := b.pc; pc <= b.last; pc++ {
			in[pc] = true
		}
	}
	for i := x.index + 1; i < len(x.rec.Steps); i++ {
		st := &x.rec.Steps[i]
		if st.Frame != x.step.Frame || in[int(st.PC)] {
			continue
		}
		for t, slot := range r.targets {
			if g.stops(int(st.PC), slot) {
				return t
			}
		}
		return -1
	}
	return -1
}

// mark remembers the state of an execution; what it returns goes back to it.
func (x *exec) mark() (undo func()) {
	r, packet := x.r, len(x.packet.stores)
	var logs map[int]int
	for i, m := range x.maps {
		if n := len(m.log.stores); n > 0 {
			keep(&logs, i, n)
		}
	}
	x.noteStack()
	code, opaque, origins, step, facts, text := len(x.out.code), x.opaque, len(x.origins), x.step, x.f, x.code
	return func() {
		x.r, x.opaque, x.step, x.f, x.code = r, opaque, step, facts, text
		x.origins = x.origins[:origins]
		for _, b := range slices.Backward(x.c.room.stores) {
			x.stack[b.at] = b.was
		}
		x.noting = false
		x.packet.stores = x.packet.stores[:packet]
		for i, m := range x.maps {
			m.log.stores = m.log.stores[:logs[i]]
		}
		x.out.code, x.out.meta = x.out.code[:code], x.out.meta[:code]
	}
}

// weave prepares the execution of a region: there is one at a time.
func (x *exec) weave(g *graph, r *region, target int) *weave {
	n := len(r.blocks)
	w := &x.c.room.weave
	*w = weave{x: x, g: g, r: r, step: x.step, target: target, known: fresh(w.known, n), pred: fresh(w.pred, n), facts: fresh(w.facts, n),
		regs: fresh(w.regs, n), over: fresh(w.over, n), guards: fresh(w.guards, n+1), conds: fresh(w.conds, n+1), in: emptied(w.in, n+1), nodes: fresh(w.nodes, 1), slots: firstSlot}
	p := r.to(target)
	w.leads, w.always = p.leads, p.always
	return w
}

// try runs f, and says why it was left.
func (w *weave) try(f func()) (why string) {
	x := w.x
	x.quiet = w
	defer func() {
		x.quiet, x.active = nil, 0
		if e := recover(); e != nil {
			q, ok := e.(quit)
			if !ok {
				panic(e)
			}
			why = q.why
		}
	}()
	f()
	return ""
}

// sides are the sides of block i that can be taken, and lead to the target.
func (w *weave) sides(i int) []int {
	which := 0
	b := &w.r.blocks[i]
	for k, to := range b.to {
		if k == 1 && !w.r.parts(i) || w.known[i] >= 0 && k != w.known[i] || w.target != nowhere && !reaches(to, w.target, w.leads) {
			continue
		}
		which |= 1 << k
	}
	return sidesOf[which]
}

// sidesOf lists the bits of a number.
var sidesOf = [4][]int{nil, {0}, {1}, {0, 1}}

// edge is a way into a block: from a block, by a side.
type edge struct{ from, side int }

// ways adds those out of block i.
func (w *weave) ways(i int, out [][]edge) {
	for _, k := range w.sides(i) {
		to := w.r.blocks[i].to[k]
		at := len(w.r.blocks)
		if t, isTarget := to.target(); !isTarget {
			at = int(to)
		} else if w.target != nowhere && t != w.target {
			continue
		}
		out[at] = append(out[at], edge{i, k})
	}
}

// run executes the blocks in order.
func (w *weave) run() {
	x, n := w.x, len(w.r.blocks)
	in := w.in
	for i := range w.known {
		w.known[i] = -1
	}
	for i := 0; i <= n; i++ {
		w.at = i
		if i == n && w.target == nowhere {
			return
		}
		if i > 0 && len(in[i]) == 0 {
			if i == n {
				panic(quit{"no way leads there"})
			}
			continue
		}
		if i < n && !w.leads[i] {
			continue
		}
		regs := w.enter(i, in[i])
		if i == n {
			w.regs = append(w.regs, regs)
			return
		}
		b := &w.r.blocks[i]
		if i > 0 {
			x.active = 0
			if !w.always[i] {
				x.active = w.counts(i).term
				if v, ok := x.b.IsConst(x.active); ok && v == 1 {
					x.active = 0
				}
			}
		}
		w.regs[i] = regs
		w.block(b, i)
		w.facts[i] = x.f
		w.ways(i, in)
	}
}

// enter gives the registers at the begin of block i, and its facts.
func (w *weave) enter(i int, in []edge) (regs [11]val) {
	x := w.x
	if i == 0 {
		w.over[0] = -1
		live := w.g.live[w.r.blocks[0].pc]
		each(live, func(n uint8) { regs[n] = w.add(node{kind: nEntry, reg: n, term: x.r[n]}) })
		regs[10] = w.add(node{kind: nFrame, term: x.r[10]})
		x.f = x.f.child()
		return regs
	}
	over := w.dominator(in)
	live := ebpf.Regs(0)
	if i < len(w.r.blocks) {
		w.over[i] = over
		live = w.g.live[w.r.blocks[i].pc]
	} else {
		live = w.g.after(w.r.targets[w.target])
	}
	x.f = w.facts[over].child()
	if len(in) == 1 {
		e := in[0]
		if w.pred[e.from] != 0 && w.known[e.from] < 0 {
			x.f.learn(w.side(e))
		}
	}
	regs[10] = w.regs[over][10]
	each(live, func(n uint8) { regs[n] = w.meet(over, in, n) })
	return regs
}

// side is the predicate under which a way is taken.
func (w *weave) side(e edge) bv.Term {
	if e.side == 1 {
		return w.pred[e.from]
	}
	return w.x.b.Not(w.pred[e.from])
}

// dominator is the nearest block that all of these ways come from.
func (w *weave) dominator(in []edge) int {
	at := in[0].from
	for _, e := range in[1:] {
		for b := e.from; b != at; {
			if b > at {
				b = w.over[b]
			} else {
				at = w.over[at]
			}
		}
	}
	return at
}

// meet is what register n holds where ways come together: selects, by the branches
// from block over on.
func (w *weave) meet(over int, in []edge, n uint8) val {
	first := w.regs[in[0].from][n]
	same := true
	for _, e := range in {
		same = same && w.regs[e.from][n] == first
	}
	if same {
		return first
	}
	return w.tree(over, in, func(e edge) val { return w.regs[e.from][n] })
}

// tree selects among the values that ways bring.
func (w *weave) tree(over int, in []edge, of func(e edge) val) val {
	memo := map[int]val{}
	var arm func(i int) val
	arm = func(i int) val {
		if v, ok := memo[i]; ok {
			return v
		}
		var got [2]val
		for _, k := range w.sides(i) {
			if slices.Contains(in, edge{i, k}) {
				got[k] = of(edge{i, k})
			} else if to := w.r.blocks[i].to[k]; to >= 0 {
				got[k] = arm(int(to))
			}
		}
		v := got[0]
		switch {
		case got[0] == 0:
			v = got[1]
		case got[1] != 0:
			v = w.pick(w.cond(i), got[1], got[0])
		}
		memo[i] = v
		return v
	}
	return arm(over)
}

// counts is the guard of block i: where it is on the packet's way.
func (w *weave) counts(i int) guard {
	if i == 0 || w.always[i] {
		return guard{term: w.x.b.Bool(true)}
	}
	if g := w.guards[i]; g.term != 0 {
		return g
	}
	var in []edge
	for k := range w.r.blocks[:i] {
		if w.leads[k] && w.facts[k] != nil {
			for _, s := range w.sides(k) {
				if w.r.blocks[k].to[s] == way(i) {
					in = append(in, edge{k, s})
				}
			}
		}
	}
	over := w.over[i]
	g := w.counts(over)
	if len(in) == 1 && len(w.sides(in[0].from)) == 2 {
		c := w.cond(in[0].from)
		if in[0].side == 0 {
			c = guard{c.v, !c.want, w.x.b.Not(c.term)}
		}
		g = w.both(g, c)
	} else if len(in) > 1 {
		g = w.both(g, w.some(over, in))
	}
	w.guards[i] = g
	return g
}

// some is the guard of ways that come together, of all that block over leads to.
func (w *weave) some(over int, in []edge) guard {
	b := w.x.b
	memo := map[int]guard{}
	var arm func(i int) guard
	arm = func(i int) guard {
		if g, ok := memo[i]; ok {
			return g
		}
		got := [2]guard{{term: b.Bool(false)}, {term: b.Bool(false)}}
		sides := w.sides(i)
		for _, k := range sides {
			if slices.Contains(in, edge{i, k}) {
				got[k] = guard{term: b.Bool(true)}
			} else if to := w.r.blocks[i].to[k]; to >= 0 {
				got[k] = arm(int(to))
			}
		}
		g := got[0]
		if len(sides) == 1 {
			g = got[sides[0]]
		}
		if len(sides) == 2 && got[0].term != got[1].term {
			c := w.cond(i)
			v := w.pick(c, w.number(got[1]), w.number(got[0]))
			g = guard{v, true, choose(b, c.term, got[1].term, got[0].term)}
		}
		memo[i] = g
		return g
	}
	return arm(over)
}

// number is a guard as a number that isn't 0 where it counts.
func (w *weave) number(g guard) val {
	if v, ok := w.x.b.IsConst(g.term); ok && g.v == 0 {
		return w.constant(v)
	}
	if g.want {
		return g.v
	}
	return w.selected(g.v, w.constant(0), w.constant(1), w.x.b.ZExt(g.term, 64))
}

// both is the guard of what counts where two do.
func (w *weave) both(a, c guard) guard {
	if a.v == 0 {
		return c
	}
	if c.v == 0 {
		return a
	}
	t := w.x.b.AndB(a.term, c.term)
	return guard{w.selected(w.number(a), w.number(c), w.constant(0), w.x.b.ZExt(t, 64)), true, t}
}

// pick selects by a guard; where both are the same, it is that.
func (w *weave) pick(c guard, yes, no val) val {
	if yes == no {
		return yes
	}
	b := w.x.b
	y, n := &w.nodes[yes], &w.nodes[no]
	t := b.Ite(c.term, y.term, n.term)
	if y.term == n.term && !y.wild {
		return yes
	}
	if y.term == n.term && !n.wild {
		return no
	}
	if y.kind == nFrame || n.kind == nFrame {
		panic(quit{"a stack address that the ways make"})
	}
	if !c.want {
		yes, no = no, yes
	}
	return w.selected(c.v, yes, no, t)
}

// selected is the value yes where number c isn't 0, and no elsewhere.
func (w *weave) selected(c, yes, no val, t bv.Term) val {
	return w.add(node{kind: nSelect, a: no, b: yes, c: c, term: t, wild: w.nodes[c].wild || w.nodes[yes].wild || w.nodes[no].wild})
}

// reach gives, by target, the predicate under which ways lead to it.
func (w *weave) reach() []bv.Term {
	b := w.x.b
	out := make([]bv.Term, len(w.r.targets))
	for t := range out {
		from := make([]bv.Term, len(w.r.blocks))
		for i := len(from) - 1; i >= 0; i-- {
			if i > 0 && w.facts[i] == nil { // nothing leads to it
				continue
			}
			var got [2]bv.Term
			for _, k := range w.sides(i) {
				to := w.r.blocks[i].to[k]
				if n, isTarget := to.target(); isTarget {
					got[k] = b.Bool(n == t)
				} else {
					got[k] = from[to]
				}
			}
			switch {
			case got[0] == 0:
				from[i] = got[1]
			case got[1] == 0:
				from[i] = got[0]
			default:
				from[i] = choose(b, w.pred[i], got[1], got[0])
			}
		}
		out[t] = from[0]
	}
	return out
}

// choose is p ? yes : no, of predicates.
func choose(b *bv.Builder, p, yes, no bv.Term) bv.Term {
	one, zero := b.Bool(true), b.Bool(false)
	switch {
	case yes == no:
		return yes
	case yes == one:
		return b.OrB(p, no)
	case no == one:
		return b.OrB(b.Not(p), yes)
	case yes == zero:
		return b.AndB(b.Not(p), no)
	case no == zero:
		return b.AndB(p, yes)
	}
	return b.Ite(p, yes, no)
}

// learnt is what the way to the target says of branches that all ways go through.
func (w *weave) learnt() (out []bv.Term) {
	for i := range w.r.blocks {
		if !w.always[i] || w.facts[i] == nil || w.pred[i] == 0 || w.known[i] >= 0 {
			continue
		}
		if s := w.sides(i); len(s) == 1 {
			out = append(out, w.side(edge{i, s[0]}))
		}
	}
	return out
}

// leave makes what registers hold at the target what they hold.
func (w *weave) leave() {
	x := w.x
	live := w.g.after(w.r.targets[w.target])
	last := &w.regs[len(w.r.blocks)]
	for n := uint8(0); n < 10; n++ {
		if live.Has(n) {
			x.r[n] = w.nodes[last[n]].term
		} else {
			x.r[n] = x.unknown(64)
		}
	}
}
