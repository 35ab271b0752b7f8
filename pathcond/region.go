package pathcond

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
)

// A region is the code between a branch and the places that its ways lead to. It
// is entered at the branch alone and has no loop, so whatever comes to a place
// has come there by one of a few ways.
type region struct {
	blocks  []block   // in an order in which each stands behind all that lead to it
	targets []int     // slots outside of it that ways lead to; the last may be ends
	passing []passing // by target, and of none: where that was asked for
}

// passing says which blocks lead to a target, and which of them all ways there go
// through.
type passing struct{ leads, always []bool }

// block is straight code of a region. The first is the branch alone.
type block struct {
	pc, last int    // its first instruction's slot, and its last one's
	to       [2]way // where it goes: on, and where it jumps; alike where it has one way
}

// way is where a block goes: to the block of that index, or to target -1 - way.
type way int

func toTarget(t int) way          { return way(-1 - t) }
func (w way) target() (int, bool) { return int(-1 - w), w < 0 }

// graph is what is known of a program's code before any run: which registers
// are live, and what leads to where.
type graph struct {
	code    []ebpf.Insn
	live    []ebpf.Regs   // before each slot
	from    map[int][]int // of a block's first slot: the last slots of the blocks that lead to it
	regions map[wanted]*region
	ends    []int        // by slot: end of it, and 2 more; 0: nobody asked
	cuts    map[int]bool // slots that no region may swallow: paths are cut there
	wild    bool         // it is no valid program: there are no regions
}

// ends is the target of all ways that come to an exit, before which only r0 is
// live.
const ends = -2

// nowhere is no slot.
const nowhere = -1

// Bounds of a region.
const (
	maxRegion = 256 // slots
	maxWays   = 3   // places its ways lead to, where paths are merged
)

// graphOf is the graph of a program of the object, made once.
func (c *Compiler) graphOf(prog int32) *graph {
	g := c.graphs[prog]
	if g == nil {
		g = newGraph(c.Obj.Programs[prog])
		c.graphs[prog] = g
	}
	return g
}

func newGraph(p *loader.Program) *graph {
	g := &graph{code: p.Insns, live: make([]ebpf.Regs, len(p.Insns)+1), from: map[int][]int{}, regions: map[wanted]*region{}, ends: make([]int, len(p.Insns))}
	var next [2]int
	for changed := true; changed; {
		changed = false
		for pc := len(g.code) - 1; pc >= 0; pc-- {
			var after ebpf.Regs
			for _, to := range ebpf.Next(g.code, pc, next[:0]) {
				if to >= 0 && to < len(g.code) {
					after |= g.live[to]
				}
			}
			in := g.code[pc]
			if now := after.Before(in.Reads(), in.Writes()); now != g.live[pc] {
				g.live[pc], changed = now, true
			}
		}
	}
	if g.wild = ebpf.Validate(g.code) != nil; g.wild {
		return g
	}
	reached := ebpf.Reachable(g.code)
	for _, b := range ebpf.Blocks(g.code) {
		if !reached[b.Start] {
			continue
		}
		last := g.before(b.Start, b.End)
		for _, to := range ebpf.Next(g.code, last, next[:0]) {
			g.from[to] = append(g.from[to], last)
		}
	}
	g.from[0] = append(g.from[0], nowhere)
	for pc := 0; pc < len(g.code); pc += width(g.code[pc]) {
		if c, ok := ebpf.Callee(g.code, pc); ok {
			g.from[c] = append(g.from[c], nowhere)
		}
	}
	return g
}

func width(in ebpf.Insn) int {
	if in.IsWide() {
		return 2
	}
	return 1
}

// stops says whether a run that is to stop somewhere does so at a slot.
func (g *graph) stops(pc, stop int) bool {
	return pc == stop || stop == ends && g.code[pc].Op == ebpf.OpExit
}

// after is what is live at a target.
func (g *graph) after(target int) ebpf.Regs {
	if target == ends {
		return 1
	}
	return g.live[target]
}

// limits say which regions are wanted.
type limits struct {
	size    int // instructions that a trace may run on behalf of ways not taken
	targets int
}

// wanted is a region that was asked for.
type wanted struct {
	pc  int
	lim limits
	not [tries]int
}

// region gives the region of the branch at pc that takes most ways together:
// whose ways are the most for each place they lead to. None of the slots in not
// begins a block of it. It is nil where there is none.
func (g *graph) region(pc int, lim limits, not []int) *region {
	if g.wild {
		return nil
	}
	key := wanted{pc: pc, lim: lim}
	copy(key.not[:], not)
	r, ok := g.regions[key]
	if !ok {
		r = g.best(pc, lim, not)
		g.regions[key] = r
	}
	return r
}

func (g *graph) best(pc int, lim limits, not []int) *region {
	grown := []block{{pc: pc, last: pc}}
	taken, barred := make([]bool, len(g.code)), make([]bool, len(g.code)) // last slots of what is in; slots where none may begin
	taken[pc], barred[pc] = true, true
	for cut := range g.cuts {
		barred[cut] = true
	}
	for _, s := range not {
		barred[s] = true
	}
	inside := make([]bool, len(g.code)) // by slot: a block of it begins there, the branch's apart
	var best *region
	most := 1.0
	for size := 1; ; {
		if g.leaves(grown, inside, lim.targets) {
			r := g.close(grown)
			if ways := r.ways() / float64(len(r.targets)); ways > most && g.price(r, lim.size) <= lim.size {
				best, most = r, ways
			}
		}
		next := g.grow(grown, taken, barred)
		if next.pc == nowhere {
			return best
		}
		if size += next.last - next.pc + 1; size > maxRegion {
			return best
		}
		grown = append(grown, next)
		inside[next.pc] = true
		taken[next.last] = true
		barred[next.pc] = true
	}
}

// grow finds the block to take in next: the lowest that nothing outside leads to.
func (g *graph) grow(in []block, taken, barred []bool) block {
	b := block{pc: nowhere}
	var next [2]int
	for i := range in {
		for _, s := range ebpf.Next(g.code, in[i].last, next[:0]) {
			if s < 0 || s >= len(g.code) || barred[s] || b.pc != nowhere && s >= b.pc {
				continue
			}
			if last := g.fits(s, taken); last != nowhere {
				b = block{pc: s, last: last}
			} else {
				barredFor(barred, g, s)
			}
		}
	}
	return b
}

// barredFor bars a block that can never be part of a region for what it does.
func barredFor(barred []bool, g *graph, s int) {
	if g.end(s) == nowhere {
		barred[s] = true
	}
}

// fits gives the last slot of the block at s where only what is taken leads to it.
func (g *graph) fits(s int, taken []bool) int {
	for _, from := range g.from[s] {
		if from == nowhere || !taken[from] {
			return nowhere
		}
	}
	return g.end(s)
}

// end gives the last slot of the block at s; nowhere where something in it can't be
// run on behalf of another way.
func (g *graph) end(s int) int {
	if g.ends[s] == 0 {
		g.ends[s] = g.findEnd(s) + 2
	}
	return g.ends[s] - 2
}

func (g *graph) findEnd(s int) int {
	for pc := s; pc < len(g.code); pc += width(g.code[pc]) {
		in := g.code[pc]
		if pc > s && len(g.from[pc]) > 0 {
			return g.before(s, pc)
		}
		switch in.Class() {
		case ebpf.ClassJMP, ebpf.ClassJMP32:
			switch {
			case in.Op == ebpf.OpExit && pc > s:
				return g.before(s, pc)
			case in.IsGoto():
				return pc
			case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper && (pure[in.Imm] || in.Imm == ebpf.FnMapLookupElem):
			case in.IsCondJump() && in.Op != ebpf.OpMayGo:
				return pc
			default:
				return nowhere
			}
		case ebpf.ClassLD:
			if !in.IsWide() {
				return nowhere
			}
		}
	}
	return nowhere
}

// before is the slot of the instruction before that at pc, of a block from s on.
func (g *graph) before(s, pc int) int {
	for at := s; ; at += width(g.code[at]) {
		if at+width(g.code[at]) >= pc {
			return at
		}
	}
}

// leaves says whether blocks lead out to n places at most, of which all exits are one.
func (g *graph) leaves(in []block, inside []bool, n int) bool {
	var next [2]int
	out := make([]int, 0, 4)
	for i := range in {
		for _, s := range ebpf.Next(g.code, in[i].last, next[:0]) {
			if g.code[s].Op == ebpf.OpExit {
				s = ends
			}
			if s >= 0 && inside[s] || slices.Contains(out, s) {
				continue
			}
			if out = append(out, s); len(out) > n {
				return false
			}
		}
	}
	return true
}

// close makes a region of blocks: where they lead to each other, and out.
func (g *graph) close(in []block) *region {
	r := &region{blocks: append([]block(nil), in...)}
	at := map[int]way{}
	for i := range in {
		if i > 0 {
			at[in[i].pc] = way(i)
		}
	}
	out := false
	var next [2]int
	for i := range r.blocks {
		b := &r.blocks[i]
		to := ebpf.Next(g.code, b.last, next[:0])
		for k := range b.to {
			s := to[min(k, len(to)-1)]
			switch w, ok := at[s]; {
			case ok:
				b.to[k] = w
			case g.code[s].Op == ebpf.OpExit:
				b.to[k], out = toTarget(-1), true // to be named
			default:
				w = toTarget(len(r.targets))
				r.targets = append(r.targets, s)
				at[s], b.to[k] = w, w
			}
		}
	}
	if out {
		w := toTarget(len(r.targets))
		r.targets = append(r.targets, ends)
		for i := range r.blocks {
			for k := range r.blocks[i].to {
				if r.blocks[i].to[k] == toTarget(-1) {
					r.blocks[i].to[k] = w
				}
			}
		}
	}
	return r
}

// ways counts the ways through a region.
func (r *region) ways() float64 {
	n := make([]float64, len(r.blocks))
	n[0] = 1
	all := 0.0
	for i := range r.blocks {
		b := &r.blocks[i]
		for k, to := range b.to {
			if k == 1 && !r.parts(i) {
				break
			}
			if _, out := to.target(); out {
				all += n[i]
			} else {
				n[to] += n[i]
			}
		}
	}
	return all
}

// parts says whether block i ends in a branch.
func (r *region) parts(i int) bool { return i == 0 || r.blocks[i].to[0] != r.blocks[i].to[1] }

// to says which blocks are passed on the ways to target t; nowhere: to any.
func (r *region) to(t int) passing {
	if r.passing == nil {
		r.passing = make([]passing, len(r.targets)+1)
	}
	p := &r.passing[t+1]
	switch {
	case p.leads != nil:
	case t == nowhere:
		p.leads, p.always = slices.Repeat([]bool{true}, len(r.blocks)), make([]bool, len(r.blocks))
		p.always[0] = true
	default:
		p.leads = r.leads(t)
		p.always = r.always(t, p.leads)
	}
	return *p
}

// leads gives, by block, whether it leads to target t.
func (r *region) leads(t int) []bool {
	out := make([]bool, len(r.blocks))
	for i := len(out) - 1; i >= 0; i-- {
		for _, to := range r.blocks[i].to {
			if n, isTarget := to.target(); isTarget && n == t || !isTarget && out[to] {
				out[i] = true
			}
		}
	}
	return out
}

// reaches says whether a way leads to target t, of blocks that do.
func reaches(to way, t int, leads []bool) bool {
	if n, isTarget := to.target(); isTarget {
		return n == t
	}
	return leads[to]
}

// always gives, by block, whether all ways to target t go through it.
func (r *region) always(t int, leads []bool) []bool {
	n := len(r.blocks)
	up, down := make([]float64, n), make([]float64, n) // ways from the branch to it, from it to the target
	for i := n - 1; i >= 0; i-- {
		for k, to := range r.blocks[i].to {
			if k == 1 && !r.parts(i) || !reaches(to, t, leads) {
				continue
			}
			if to < 0 {
				down[i]++
			} else {
				down[i] += down[to]
			}
		}
	}
	up[0] = 1
	out := make([]bool, n)
	for i := range r.blocks {
		out[i] = leads[i] && up[i]*down[i] == down[0]
		for k, to := range r.blocks[i].to {
			if (k == 0 || r.parts(i)) && to >= 0 && leads[i] {
				up[to] += up[i]
			}
		}
	}
	return out
}

// price is the most that a trace to one of the targets would run on behalf of ways
// that aren't taken: the instructions that the target needs of blocks that not all
// ways to it go through, and the registers they differ in. It stops counting above
// most.
func (g *graph) price(r *region, most int) int {
	worst := 0
	for t := range r.targets {
		worst = max(worst, g.priceTo(r, t))
		if worst > most {
			break
		}
	}
	return worst
}

func (g *graph) priceTo(r *region, t int) int {
	p := r.to(t)
	leads, always := p.leads, p.always
	live := make([]ebpf.Regs, len(r.blocks))
	n := 0
	var differ ebpf.Regs
	for i := len(r.blocks) - 1; i >= 0; i-- {
		if !leads[i] {
			continue
		}
		b := &r.blocks[i]
		var now ebpf.Regs
		both := true
		for _, to := range b.to {
			switch {
			case !reaches(to, t, leads):
				both = false
			case to < 0:
				now |= g.after(r.targets[t])
			default:
				now |= live[to]
			}
		}
		both = both && b.to[0] != b.to[1]
		for _, pc := range g.backward(b) {
			in := g.code[pc]
			jump := in.Class() == ebpf.ClassJMP || in.Class() == ebpf.ClassJMP32
			switch {
			case jump && in.Op != ebpf.OpCall:
				if both {
					now |= in.Reads()
				}
				continue
			case !in.IsStore() && in.Writes()&now == 0:
				continue
			}
			if !always[i] {
				n++
				differ |= in.Writes() & g.after(r.targets[t])
			}
			now = now.Before(in.Reads(), in.Writes())
		}
		live[i] = now
	}
	each(differ, func(uint8) { n++ })
	return n
}

// backward lists a block's slots from the last on.
func (g *graph) backward(b *block) []int {
	var out []int
	for pc := b.pc; pc <= b.last; pc += width(g.code[pc]) {
		out = append(out, pc)
	}
	slices.Reverse(out)
	return out
}

func each(s ebpf.Regs, f func(n uint8)) {
	for n := uint8(0); n < 10; n++ {
		if s.Has(n) {
			f(n)
		}
	}
}
