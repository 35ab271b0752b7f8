package vliw

import (
	"math/bits"
	"slices"
)

// lister is a list scheduler: cycle by cycle it takes, of the ops whose
// predecessors allow it and for which lane and port are free, the one with the
// longest way to the end (Landskov, Davidson, Shriver and Mallett, "Local
// microcode compaction techniques", ACM Computing Surveys 12:3, 1980). Ties go
// to the earlier in program order, so the schedule depends on nothing else.
type lister struct {
	ready []int32
}

// run gives each node of g its cycle and returns the number of cycles to the
// last issue, that one included.
func (l *lister) run(g *graph) int32 {
	lanes, per := g.m.limits()
	l.ready = l.ready[:0]
	for i := range g.nodes {
		if g.nodes[i].preds == 0 {
			l.ready = append(l.ready, int32(i))
		}
	}
	cycle := int32(0)
	cross := int32(g.m.CrossLane)
	if lanes == 1 {
		cross = 0
	}
	for left := len(g.nodes); left > 0; cycle++ {
		used, by := 0, [resources]int{}
		taken, wanted := uint64(0), uint64(0) // lanes
		soonest := int32(1 << 30)
		for used < lanes {
			best, height := -1, int32(0)
			for k, i := range l.ready {
				n := &g.nodes[i]
				if n.early > cycle {
					soonest = min(soonest, n.early)
					continue
				}
				if n.res != resNone && by[n.res] >= per[n.res] {
					soonest = cycle + 1
					continue
				}
				if cross > 0 {
					lane, ok := n.forwarded(cycle)
					if !ok || lane >= 0 && taken>>lane&1 != 0 {
						soonest = cycle + 1
						continue
					}
					if lane >= 0 {
						wanted |= 1 << lane
					}
				}
				if n.height > height || n.height == height && i < l.ready[best] { // heights are from 1 on
					best, height = k, n.height
				}
			}
			if best < 0 {
				break
			}
			i := l.ready[best]
			lane := used
			if cross > 0 {
				lane = g.nodes[i].place(cycle, taken, wanted, lanes)
				wanted = 0
			}
			taken |= 1 << lane
			g.nodes[i].lane = uint8(lane)
			l.ready[best] = l.ready[len(l.ready)-1]
			l.ready = l.ready[:len(l.ready)-1]
			n := &g.nodes[i]
			n.issue = cycle
			used++
			by[n.res]++
			left--
			for e := n.edge; e >= 0; e = g.edges[e].next {
				to := &g.nodes[g.edges[e].to]
				to.early = max(to.early, cycle+g.edges[e].lat)
				if cross > 0 && g.edges[e].reads && int(to.deps) < len(to.dep) {
					to.dep[to.deps] = forwarding{cycle + g.edges[e].lat + cross, uint8(lane)}
					to.deps++
				}
				if to.preds--; to.preds == 0 {
					l.ready = append(l.ready, g.edges[e].to)
				}
			}
		}
		if used == 0 && soonest < 1<<30 {
			cycle = soonest - 1 // nothing can start until then
		}
	}
	return cycle
}

// forwarded is the lane in which a node can be issued in a cycle, -1 for any;
// false is none.
func (n *node) forwarded(cycle int32) (lane int, ok bool) {
	lane = -1
	for _, d := range n.dep[:n.deps] {
		switch {
		case d.until <= cycle || lane == int(d.lane):
		case lane >= 0:
			return lane, false
		default:
			lane = int(d.lane)
		}
	}
	return lane, true
}

// place is the lane a node takes: the one it must, else a free one that no
// other needs, if there is such.
func (n *node) place(cycle int32, taken, wanted uint64, lanes int) int {
	if lane, _ := n.forwarded(cycle); lane >= 0 {
		return lane
	}
	all := uint64(1)<<lanes - 1
	if free := all &^ taken &^ wanted; free != 0 {
		return bits.TrailingZeros64(free)
	}
	return bits.TrailingZeros64(all &^ taken)
}

// bundles lays the ops out cycle by cycle, each bundle in program order.
func bundles(g *graph, cycles int32) [][]int32 {
	order := make([]int32, len(g.nodes))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(i, j int32) int { return int(g.nodes[i].issue - g.nodes[j].issue) })
	out := make([][]int32, cycles)
	for at, c := 0, int32(0); c < cycles; c++ {
		from := at
		for at < len(order) && g.nodes[order[at]].issue == c {
			at++
		}
		out[c] = order[from:at:at]
		if g.m.CrossLane <= 0 { // lanes are as good as each other: fill them in order
			for k, i := range out[c] {
				g.nodes[i].lane = uint8(k)
			}
		}
	}
	return out
}

// lanesOf is each op's lane.
func lanesOf(g *graph) []uint8 {
	out := make([]uint8, len(g.nodes))
	for i := range out {
		out[i] = g.nodes[i].lane
	}
	return out
}
