package vliw

import "slices"

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
	for left := len(g.nodes); left > 0; cycle++ {
		used, by := 0, [resources]int{}
		soonest := int32(1 << 30)
		for used < lanes {
			best := -1
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
				if best < 0 || before(g, i, l.ready[best]) {
					best = k
				}
			}
			if best < 0 {
				break
			}
			i := l.ready[best]
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

func before(g *graph, i, j int32) bool {
	a, b := g.nodes[i].height, g.nodes[j].height
	return a > b || a == b && i < j
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
	}
	return out
}
