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
		bs[i].Alone = c.offload(map[int]bool{i: true}, &c.now).packets - c.now.packets
	}
	ord := make([]int, len(bs))
	for i := range ord {
		ord[i] = i
	}
	slices.SortStableFunc(ord, func(a, b int) int {
		x, y := &bs[a], &bs[b]
		return cmp.Or(cmp.Compare(y.Blocks, x.Blocks), cmp.Compare(y.Alone, x.Alone),
			cmp.Compare(slices.Index(Kinds, x.Kind), slices.Index(Kinds, y.Kind)), cmp.Compare(x.Name, y.Name))
	})
	c.keep(ord)
	c.greedy()
	// What blocks no packet is left out, unless a limit on all maps blocks
	// once others are lifted.
	used := map[int]bool{}
	for _, s := range c.r.Steps {
		for _, i := range s.Lift {
			used[i] = true
		}
	}
	ord = ord[:0]
	for i := range c.r.Blockers {
		if c.r.Blockers[i].Blocks > 0 || used[i] {
			ord = append(ord, i)
		}
	}
	c.keep(ord)
}

// keep keeps the blockers listed, in that order, under new numbers.
func (c *checker) keep(ord []int) {
	to := make([]int, len(c.r.Blockers))
	kept := make([]Blocker, 0, len(ord))
	for i, o := range ord {
		to[o] = i
		kept = append(kept, c.r.Blockers[o])
	}
	c.r.Blockers = kept
	number := func(ids []int) {
		for i := range ids {
			ids[i] = to[ids[i]]
		}
		slices.Sort(ids)
	}
	for i := range c.r.Paths {
		number(c.r.Paths[i].Blockers)
	}
	for _, g := range c.groups {
		number(g.blockers)
	}
	for i := range c.r.Steps {
		number(c.r.Steps[i].Lift)
	}
	for i, id := range c.full {
		if id >= 0 {
			c.full[i] = to[id]
		}
	}
}

// greedy lifts, step by step, what keeps one group out, and the limits on all
// maps together where there is no room else: that which gains most packets for
// each blocker lifted. (The best set of a given size is a covering problem;
// greedy is what an engineer would do.)
func (c *checker) greedy() {
	lifted := map[int]bool{}
	now := c.now
	for {
		var best []int
		var gain uint64
		try := func(set []int) {
			for _, b := range set {
				lifted[b] = true
			}
			n := c.offload(lifted, &now).packets - now.packets
			for _, b := range set {
				delete(lifted, b)
			}
			// More packets for each blocker; then fewer blockers; then those that
			// block more.
			if n == 0 {
				return
			}
			if a, b := n*uint64(max(len(best), 1)), gain*uint64(len(set)); best == nil || a > b ||
				a == b && (len(set) < len(best) || len(set) == len(best) && slices.Compare(set, best) < 0) {
				best, gain = set, n
			}
		}
		for i, g := range c.groups {
			if now.in[i] {
				continue
			}
			var set []int
			for _, b := range g.blockers {
				if !lifted[b] {
					set = append(set, b)
				}
			}
			var full []int
			for _, b := range c.full {
				if b >= 0 && !lifted[b] {
					full = append(full, b)
				}
			}
			try(set)
			for _, b := range full {
				try(sorted(set, b))
			}
			if len(full) == 2 {
				try(sorted(set, full...))
			}
		}
		if best == nil {
			return
		}
		for _, b := range best {
			lifted[b] = true
		}
		now = c.offload(lifted, &now)
		c.r.Steps = append(c.r.Steps, Step{Lift: best, Gain: gain, Total: now.packets, Share: float64(now.packets) / float64(c.r.Packets)})
	}
}

func sorted(set []int, more ...int) []int {
	out := append(slices.Clone(set), more...)
	slices.Sort(out)
	return out
}
