package vliw

import (
	"math/bits"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/trace"
)

// node is an op in the dependence graph.
type node struct {
	lat      int32 // of its result
	height   int32 // cycles from its issue to the end, at least
	early    int32 // first cycle its predecessors allow
	preds    int32 // not yet issued
	edge     int32 // first of its edges, -1: none
	issue    int32
	use, def ebpf.Regs
	stop     int32 // cycles that all lanes stand still after it
	wide     bool  // its results are in all lanes at once
	res      resource
	lane     uint8
	deps     uint8         // of dep in use
	dep      [5]forwarding // what it reads that isn't everywhere yet
}

// forwarding is a result that until some cycle can be read in one lane only.
type forwarding struct {
	until int32
	lane  uint8
}

// edge makes node to wait until lat cycles after the node it belongs to.
type edge struct {
	to, lat int32
	next    int32
	reads   bool // to reads a register that the node writes
}

// reader is one use of a register since it was last written.
type reader struct{ op, next int32 }

// graph is the dependence graph of straight-line ops. Two ops may change
// places, or share a bundle, unless one writes what the other reads or writes
// (Bernstein's conditions; IEEE Trans. Electronic Computers EC-15, 1966):
//
//	true    write, then read    the read waits for the writer's latency
//	anti    read, then write    same bundle at the earliest: a bundle reads first
//	output  write, then write   the second lands after the first
//
// Edges go forward in program order, so that order is topological. Calls write
// r0 to r5, so no two of them share a bundle, whatever Machine.Helpers says.
type graph struct {
	m     *Machine
	flow  points.Flow
	nodes []node
	edges []edge
	wrote []int32   // the accesses noted so far that write
	last  [11]int32 // last writer of each register, -1: none
	reads [11]int32 // list of its readers since then
	list  []reader

	// enter is one more than the lane in which a register can be read in the first
	// cycle, 0 for any. hurry has what lands last go on to where a branch goes in
	// its own lane only.
	enter [11]uint8
	hurry bool
}

func (g *graph) add(from, to, lat int32) {
	n := &g.nodes[from]
	g.edges = append(g.edges, edge{to: to, lat: lat, next: n.edge})
	n.edge = int32(len(g.edges) - 1)
	g.nodes[to].preds++
}

// build makes the graph of ops. The flow must be in the state before them.
// meta, where there is one, is indexed by slot. blk is of a piece of a program,
// nil for traces.
func (g *graph) build(m *Machine, ops []Op, meta []trace.Meta, blk *block) {
	g.m = m
	g.nodes = slices.Grow(g.nodes[:0], len(ops))[:len(ops)]
	g.edges, g.list, g.wrote = g.edges[:0], g.list[:0], g.wrote[:0]
	for r := range g.last {
		g.last[r], g.reads[r] = -1, -1
	}
	branched := false
	for i := range ops {
		o := &ops[i]
		var mt *trace.Meta
		if int(o.Slot) < len(meta) {
			mt = &meta[o.Slot]
		}
		first := len(g.flow.Acc)
		n := &g.nodes[i]
		*n = node{edge: -1, issue: -1, use: o.reads(), def: o.writes()}
		g.price(o, n)
		g.flow.Step(o.insn(i), hintOf(mt))
		g.ports(o, n, g.flow.Acc[first:])
		g.registers(int32(i))
		g.memories(first)
		if o.isBranch() {
			g.branch(ops, int32(i), blk)
			branched = true
		} else if branched {
			g.below(ops, int32(i), g.flow.Acc[first:], blk)
		}
	}
}

// price gives a node its latency.
func (g *graph) price(o *Op, n *node) {
	m := g.m
	lat := m.ALU
	switch in := o.In; in.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		switch in.ALUOp() {
		case ebpf.ALUMul:
			lat = m.Mul
		case ebpf.ALUDiv, ebpf.ALUMod:
			lat = m.Div
		}
	case ebpf.ClassLDX:
		lat, n.res = m.Load, resMem
	case ebpf.ClassST, ebpf.ClassSTX:
		lat, n.res = m.Store, resMem
		if in.IsAtomic() {
			lat = m.Atomic
		}
	case ebpf.ClassJMP, ebpf.ClassJMP32:
		lat = 1
		n.res = resBranch
		if o.isCall() {
			n.res = resCall
			lat = g.callLatency(in)
			if g.m.StopCalls {
				n.stop, n.wide, lat = int32(max(lat, 1)-1), true, 1
			}
		}
	}
	n.lat = int32(max(lat, 1))
}

// callLatency is asked before the call is stepped over, as r1 names the map.
func (g *graph) callLatency(in ebpf.Insn) int {
	if in.Op != ebpf.OpCall || in.Src != ebpf.CallHelper {
		return g.m.Helper
	}
	m := int32(-1)
	if v := &g.flow.R[1]; v.Kind == points.Map {
		m = v.Map
	}
	switch {
	case isLookup(in):
		return g.m.lookup(m)
	case isUpdate(in):
		return max(g.m.lookup(m), 1) + g.m.Update
	}
	return g.m.Helper
}

// ports corrects what a load or store needs, now that its region is known.
func (g *graph) ports(o *Op, n *node, acc []points.Access) {
	if n.res != resMem || len(acc) == 0 {
		return
	}
	switch acc[0].Region {
	case points.InValue:
		n.res = resMap
		if o.In.IsLoad() {
			n.lat = int32(max(g.m.MapLoad, 1))
		}
	case points.InSet: // context
		n.res = resNone
	}
}

// after is how much later b must be issued for its result to land after a's.
func after(a, b int32) int32 { return max(1, a-b+1) }

// lands is the latency with which a node writes register r.
func (g *graph) lands(i int32, r int) int32 {
	n := &g.nodes[i]
	if n.res == resCall && r > 0 {
		return 1 // r1 to r5 are gone at once
	}
	return n.lat
}

func (g *graph) registers(i int32) {
	n := &g.nodes[i]
	use, def := n.use, n.def
	late := g.m.LateCalls && n.res == resCall
	for ; use != 0; use &= use - 1 {
		r := bits.TrailingZeros16(uint16(use))
		if w := g.last[r]; w >= 0 && late {
			g.add(w, i, g.lands(w, r)-1)
		} else if w >= 0 {
			g.add(w, i, g.lands(w, r))
			g.edges[len(g.edges)-1].reads = !g.nodes[w].wide
		} else if g.enter[r] > 0 && !late {
			n.dep[n.deps] = forwarding{int32(g.m.CrossLane), g.enter[r] - 1}
			n.deps++
		}
		g.list = append(g.list, reader{i, g.reads[r]})
		g.reads[r] = int32(len(g.list) - 1)
	}
	for ; def != 0; def &= def - 1 {
		r := bits.TrailingZeros16(uint16(def))
		if w := g.last[r]; w >= 0 && late && r > 0 {
			g.add(w, i, g.lands(w, r)-1) // taken up, then gone
		} else if w >= 0 {
			g.add(w, i, after(g.lands(w, r), g.lands(i, r)))
		}
		for l := g.reads[r]; l >= 0; l = g.list[l].next {
			if g.list[l].op != i {
				g.add(g.list[l].op, i, 0)
			}
		}
		g.last[r], g.reads[r] = i, -1
	}
}

// memories orders the accesses noted last with those before: of two one writes.
func (g *graph) memories(first int) {
	acc := g.flow.Acc
	for k := first; k < len(acc); k++ {
		b := &acc[k]
		if !b.Write {
			for _, j := range g.wrote {
				if a := &acc[j]; points.Conflict(a, b) {
					g.add(a.Op, b.Op, g.nodes[a.Op].lat)
				}
			}
			continue
		}
		for j := range acc[:first] {
			a := &acc[j]
			if !points.Conflict(a, b) {
				continue
			}
			lat := int32(0)
			if a.Write {
				lat = after(g.nodes[a.Op].lat, g.nodes[b.Op].lat)
			}
			g.add(a.Op, b.Op, lat)
		}
	}
	for k := first; k < len(acc); k++ {
		if acc[k].Write {
			g.wrote = append(g.wrote, int32(k))
		}
	}
}

// branch orders a branch, exit among them: what stands before it is issued by
// then, and done by the next cycle, so that nothing is under way where it goes.
func (g *graph) branch(ops []Op, i int32, blk *block) {
	live := ebpf.Regs(0)
	if blk != nil && g.m.CrossLane > 0 {
		live = blk.live(&ops[i])
	}

	for j := int32(0); j < i; j++ {
		n := &g.nodes[j]
		if ops[j].isBranch() {
			g.add(j, i, 0)
			continue
		}
		lat := n.lat - 1
		if n.def&live != 0 && !n.wide && (!g.hurry || leaves(ops[i].In)) {
			lat += int32(g.m.CrossLane) // whatever lane reads it there
		}
		if n.stop > 0 {
			lat = max(lat, 1) // one thing at a time moves the program counter
		}
		g.add(j, i, lat)
	}
}

// below orders an op with the branches above it: only what nobody misses where
// a branch goes may move above it.
func (g *graph) below(ops []Op, i int32, acc []points.Access, blk *block) {
	n := &g.nodes[i]
	for j := i - 1; j >= 0; j-- {
		if !ops[j].isBranch() {
			continue
		}
		if blk != nil && g.m.Speculate && harmless(&ops[i], n, acc) && n.def&blk.live(&ops[j]) == 0 {
			continue
		}
		g.add(j, i, 1)
	}
}

// harmless says whether an op may run where the program wouldn't have run it:
// arithmetic, and loads that can't fault. It must be done at once, or it would
// be under way where the branch goes.
func harmless(o *Op, n *node, acc []points.Access) bool {
	if n.lat > 1 {
		return false
	}
	switch o.In.Class() {
	case ebpf.ClassALU, ebpf.ClassALU64:
		return true
	case ebpf.ClassLD:
		return o.In.IsWide()
	case ebpf.ClassLDX:
		// Of the context, or of this frame.
		return acc[0].Region == points.InSet || acc[0].Region == points.InStack && acc[0].Base == points.BaseStack
	}
	return false
}

// heights fills in the longest way from each node to the end.
func (g *graph) heights() {
	for i := len(g.nodes) - 1; i >= 0; i-- {
		n := &g.nodes[i]
		n.height = 1 // its own cycle
		for e := n.edge; e >= 0; e = g.edges[e].next {
			n.height = max(n.height, g.edges[e].lat+g.nodes[g.edges[e].to].height)
		}
	}
}

// bound is what no schedule can beat: the longest way through the graph, and
// the instructions and port uses there are over those a cycle allows.
func (g *graph) bound() (critical, lower int32) {
	lanes, per := g.m.limits()
	type need struct{ n, early, tail int32 }
	var all need
	var by [resources]need
	all.early, all.tail = 1<<30, 1<<30
	for r := range by {
		by[r] = all
	}
	for i := range g.nodes {
		g.nodes[i].early = 0
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		for e := n.edge; e >= 0; e = g.edges[e].next {
			to := &g.nodes[g.edges[e].to]
			to.early = max(to.early, n.early+g.edges[e].lat)
		}
		critical = max(critical, n.early+n.height)
		for _, x := range []*need{&all, &by[n.res]} {
			x.n++
			x.early, x.tail = min(x.early, n.early), min(x.tail, n.height)
		}
	}
	lower = critical
	take := func(x *need, per int) {
		if x.n > 0 {
			lower = max(lower, x.early+(x.n+int32(per)-1)/int32(per)-1+x.tail)
		}
	}
	take(&all, lanes)
	for r := 1; r < int(resources); r++ {
		take(&by[r], per[r])
	}
	for i := range g.nodes {
		g.nodes[i].early = 0
	}
	return critical, lower
}
