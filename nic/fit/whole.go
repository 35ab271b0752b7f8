package fit

import (
	"fmt"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// Whole lists what in the instructions of programs a device can't do, whatever
// path they are on: helpers, classes of instructions, and maps by type and by the
// length of their entries. What only a path can tell (its length, what it stores
// to maps) is not here. Paths and packets are not counted.
func Whole(ps []*loader.Program, index func(p *loader.Program) int, ms []workload.Map, n *profile.NIC) []Blocker {
	c := &checker{w: &workload.Workload{Maps: ms}, n: n, r: &Report{}, ids: map[blockerKey]int{}, places: map[placeKey]bool{}}
	c.measure()
	var classes []string
	for _, p := range ps {
		for i := 0; i < len(p.Insns); i++ {
			in := p.Insns[i]
			at := Place{Path: -1, Slot: -1, Prog: int32(index(p)), Insn: int32(i), Program: p.Name}
			var us []use
			classes = classesOf(in, classes[:0])
			for _, class := range classes {
				us = append(us, use{useInsn, class, -1, at})
			}
			switch {
			case in.IsWide():
				if in.Src == ebpf.PseudoMapFD || in.Src == ebpf.PseudoMapValue {
					us = append(us, use{useMap, "", in.Imm, at})
				}
				i++
			case in.Op == ebpf.OpCall && in.Src == 0:
				us = append(us, use{useHelper, helperName(in.Imm), -1, at})
			}
			for _, u := range us {
				c.refuse(&PathFit{}, u)
			}
		}
	}
	for i := range c.r.Blockers {
		c.r.Blockers[i].Paths = 0
	}
	return c.r.Blockers
}

// Merge adds to what keeps paths out what Whole found beside it.
func (r *Report) Merge(whole []Blocker) {
	for _, b := range whole {
		if !slices.ContainsFunc(r.Blockers, func(x Blocker) bool { return x.Kind == b.Kind && x.Name == b.Name }) {
			r.Blockers = append(r.Blockers, b)
		}
	}
}

// Longest are the paths with the longest trace and the longest condition, the
// first of equals; -1: there are no paths.
func (r *Report) Longest() (trace, cond int) {
	trace, cond = -1, -1
	for i := range r.Paths {
		if r.Paths[i].Packets == 0 {
			continue
		}
		if trace < 0 || r.Paths[i].Insns > r.Paths[trace].Insns {
			trace = i
		}
		if cond < 0 || r.Paths[i].Preds > r.Paths[cond].Preds {
			cond = i
		}
	}
	return trace, cond
}

// Held says how many of the paths that fit the device holds at once.
func (r *Report) Held() string {
	fits := 0
	for i := range r.Paths {
		if r.Paths[i].Packets > 0 && r.Fits(i) {
			fits++
		}
	}
	switch r.AtOnce.Paths {
	case 0:
		return "none"
	case fits:
		return "all"
	}
	return fmt.Sprintf("%d of %d", r.AtOnce.Paths, fits)
}
