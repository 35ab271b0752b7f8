package pathcond

import (
	"jitnic/host/ebpf"
	"jitnic/host/loader"
)

// A region is what stands between a branch and the place where its sides come
// together again.
type region struct {
	join   int          // the slot where they do; ends: each side ends the function; nowhere: not nearby
	used   ebpf.Regs    // registers that the sides read or write
	writes [2]ebpf.Regs // by side: fall through, jump
}

// graph is what is known of a program's code before any run: which registers
// are live, and where branches come together.
type graph struct {
	code    []ebpf.Insn
	live    []ebpf.Regs // before each slot
	regions map[int]*region
}

// Where sides join that join at no slot.
const (
	nowhere = -1
	ends    = -2 // each comes to an exit, before which only r0 is live
)

// maxRegion bounds the slots of a region that are looked at.
const maxRegion = 256

// graphOf is the graph of a program of the object, made once.
func (c *Compiler) graphOf(prog int32) *graph {
	if c.graphs == nil {
		c.graphs = map[int32]*graph{}
	}
	g := c.graphs[prog]
	if g == nil {
		g = newGraph(c.Obj.Programs[prog])
		c.graphs[prog] = g
	}
	return g
}

func newGraph(p *loader.Program) *graph {
	g := &graph{code: p.Insns, live: make([]ebpf.Regs, len(p.Insns)+1), regions: map[int]*region{}}
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
	return g
}

// sides are where the branch at pc goes: on, and where it jumps.
func (g *graph) sides(pc int) [2]int { return [2]int{pc + 1, pc + 1 + int(g.code[pc].Off)} }

// region finds where the sides of the branch at pc come together: the nearest
// slot that both come to whatever they do.
func (g *graph) region(pc int) *region {
	if r := g.regions[pc]; r != nil {
		return r
	}
	r := &region{join: nowhere}
	g.regions[pc] = r
	s := g.sides(pc)
	best := maxRegion + 1
	for _, j := range append(g.reach(s[0], nowhere), ends) {
		if j == ends && r.join != nowhere {
			break
		}
		n := 0
		var sets [2][]int
		for i := range s {
			if sets[i] = g.reach(s[i], j); sets[i] == nil && !g.stops(s[i], j) {
				n = best
				break
			}
			n += len(sets[i])
		}
		if n >= best {
			continue
		}
		best = n
		*r = region{join: j}
		for i := range s {
			for _, at := range sets[i] {
				in := g.code[at]
				r.writes[i] |= in.Writes()
				r.used |= in.Reads() | in.Writes()
			}
		}
	}
	return r
}

// stops says whether a run that is to stop somewhere does so at a slot.
func (g *graph) stops(pc, stop int) bool {
	return pc == stop || stop == ends && g.code[pc].Op == ebpf.OpExit
}

// after is what is live where a region ends.
func (g *graph) after(join int) ebpf.Regs {
	if join == ends {
		return 1
	}
	return g.live[join]
}

// reach lists the slots that control can come to from a slot without passing
// stop, each once; nil where it leaves the function, or goes on too long. With
// nowhere to stop it lists what it comes to until then.
func (g *graph) reach(from, stop int) []int {
	if g.stops(from, stop) {
		return nil
	}
	seen := map[int]bool{from: true}
	out := []int{from}
	var next [2]int
	for i := 0; i < len(out); i++ {
		in := g.code[out[i]]
		if in.Op == ebpf.OpExit && stop != nowhere {
			return nil
		}
		for _, to := range ebpf.Next(g.code, out[i], next[:0]) {
			if to >= 0 && to < len(g.code) && g.stops(to, stop) || seen[to] {
				continue
			}
			if to < 0 || to >= len(g.code) || len(out) >= maxRegion {
				if stop != nowhere {
					return nil
				}
				continue
			}
			seen[to] = true
			out = append(out, to)
		}
	}
	return out
}
