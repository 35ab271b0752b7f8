package fit

import (
	"cmp"
	"slices"
)

// rank counts what each blocker blocks and gains, orders them, and finds the
// liftings that gain most.
func (c *checker) rank() {
	bs := c.r.Blockers
	for _, g := range c.groups {
		for _, b := range g.blockers {
			bs[b].Blocks += g.packets
		}
	}
	for i := range bs {
		bs[i].Alone = c.with(map[int]bool{i: true}, &c.now).packets - c.r.Offloadable
	}
	// The order of the report; numbers change with it.
	ord := make([]int, len(bs))
	for i := range ord {
		ord[i] = i
	}
	slices.SortStableFunc(ord, func(a, b int) int {
		x, y := &bs[a], &bs[b]
		return cmp.Or(cmp.Compare(y.Blocks, x.Blocks), cmp.Compare(y.Alone, x.Alone),
			cmp.Compare(slices.Index(Kinds, x.Kind), slices.Index(Kinds, y.Kind)), cmp.Compare(x.Name, y.Name))
	})
	to := make([]int, len(bs))
	sorted := make([]Blocker, 0, len(bs))
	for i, o := range ord {
		to[o] = i
		sorted = append(sorted, bs[o])
	}
	// What blocks no packet of the workload is left out.
	for len(sorted) > 0 && sorted[len(sorted)-1].Blocks == 0 {
		sorted = sorted[:len(sorted)-1]
	}
	c.r.Blockers = sorted
	for i := range c.r.Paths {
		p := &c.r.Paths[i]
		p.Blockers = renumber(p.Blockers, to)
	}
	for _, g := range c.groups {
		g.blockers = renumber(g.blockers, to)
	}
	c.greedy()
}

func renumber(ids, to []int) []int {
	out := make([]int, 0, len(ids))
	for _, id := range ids {
		out = append(out, to[id])
	}
	slices.Sort(out)
	return out
}

// with is what is offloaded with some blockers lifted; never less than before.
func (c *checker) with(lifted map[int]bool, before *placement) placement {
	var free unlimited
	for id := range lifted {
		switch c.r.Blockers[id].Kind {
		case KindMapEntries:
			free.entries = true
		case KindMapMemory:
			free.memory = true
		}
	}
	return c.offload(func(id int) bool { return lifted[id] }, free, before)
}

// greedy lifts, step by step, the blockers of one group: those that gain most
// packets for each blocker lifted. (The best set of a given size is a covering
// problem; greedy is what an engineer would do.)
func (c *checker) greedy() {
	lifted := map[int]bool{}
	now := c.now
	for {
		var best []int
		var gain uint64
		for _, g := range c.groups {
			var set []int
			for _, b := range g.blockers {
				if !lifted[b] {
					set = append(set, b)
				}
			}
			if len(set) == 0 {
				continue
			}
			for _, b := range set {
				lifted[b] = true
			}
			n := c.with(lifted, &now).packets - now.packets
			for _, b := range set {
				delete(lifted, b)
			}
			// n/len(set) > gain/len(best), ties to the fewer liftings and then to the
			// blockers that block more.
			if n == 0 {
				continue
			}
			if a, b := n*uint64(max(len(best), 1)), gain*uint64(len(set)); best == nil || a > b ||
				a == b && (len(set) < len(best) || len(set) == len(best) && slices.Compare(set, best) < 0) {
				best, gain = set, n
			}
		}
		if best == nil {
			return
		}
		for _, b := range best {
			lifted[b] = true
		}
		now = c.with(lifted, &now)
		c.r.Steps = append(c.r.Steps, Step{Lift: best, Gain: gain, Total: now.packets, Share: float64(now.packets) / float64(c.r.Packets)})
	}
}
