package progen

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
)

// nothing is an instruction that does nothing.
var nothing = ebpf.Insn{Op: ebpf.OpJA}

// Shrink returns a smaller case for which fails is still true, by taking
// instructions and map entries away, more at a time at first, as in delta
// debugging (Zeller and Hildebrandt, 2002). c itself isn't changed. What is
// tried may be no valid program any more: fails has to say false of what the
// verifier, or the interpreter, would refuse.
func (c *Case) Shrink(fails func(*Case) bool) *Case {
	best := c.clone()
	for {
		before := best.weight()
		for i := range best.Object.Programs {
			best = best.shrinkCode(i, fails)
		}
		best = best.shrinkMaps(fails)
		if best.weight() == before {
			return best
		}
	}
}

// weight is what Shrink makes smaller.
func (c *Case) weight() int {
	n := c.Size()
	for _, m := range c.Object.Maps {
		n += len(m.Contents)
	}
	return n
}

func (c *Case) shrinkCode(prog int, fails func(*Case) bool) *Case {
	best := c
	for n := len(best.Object.Programs[prog].Insns) / 2; n > 0; n /= 2 {
		for at := 0; at < len(best.Object.Programs[prog].Insns); {
			try := best.clone()
			p := try.Object.Programs[prog]
			changed := false
			for i := at; i < len(p.Insns) && i < at+n; i++ {
				if i > 0 && p.Insns[i-1].IsWide() {
					continue // the second half goes with the first
				}
				changed = changed || p.Insns[i] != nothing
				if p.Insns[i].IsWide() && i+1 < len(p.Insns) {
					p.Insns[i+1] = nothing
				}
				p.Insns[i] = nothing
			}
			if changed {
				compact(p)
				if fails(try) {
					best = try
					continue // what follows has moved here
				}
			}
			at += n
		}
	}
	return best
}

func (c *Case) shrinkMaps(fails func(*Case) bool) *Case {
	best := c
	for i := range best.Object.Maps {
		for at := 0; at < len(best.Object.Maps[i].Contents); {
			try := best.clone()
			m := try.Object.Maps[i]
			m.Contents = slices.Delete(m.Contents, at, at+1)
			if fails(try) {
				best = try
			} else {
				at++
			}
		}
	}
	return best
}

// compact takes the instructions that do nothing out of p and mends the
// distances of jumps and calls and the bounds of functions. The last
// instruction of a function stays, so that no function is empty.
func compact(p *loader.Program) {
	last := map[int]bool{}
	for _, f := range p.Funcs {
		last[f.End-1] = true
	}
	at := make([]int, len(p.Insns)+1) // where a slot goes
	var out []ebpf.Insn
	for i := 0; i < len(p.Insns); i++ {
		at[i] = len(out)
		if p.Insns[i] == nothing && !last[i] {
			continue
		}
		out = append(out, p.Insns[i])
		if p.Insns[i].IsWide() && i+1 < len(p.Insns) {
			i++
			at[i] = len(out)
			out = append(out, p.Insns[i])
		}
	}
	at[len(p.Insns)] = len(out)
	// moved is the new distance from old slot i over d slots.
	moved := func(i, d int) int {
		to := i + 1 + d
		if to < 0 || to > len(p.Insns) {
			return d
		}
		return at[to] - at[i] - 1
	}
	for i := 0; i < len(p.Insns); i++ {
		in := p.Insns[i]
		if in == nothing && !last[i] {
			continue
		}
		o := &out[at[i]]
		switch c := in.Class(); {
		case in.Op == ebpf.OpJA32:
			o.Imm = int32(moved(i, int(in.Imm)))
		case in.Op == ebpf.OpJA || in.IsCondJump():
			o.Off = int16(moved(i, int(in.Off)))
		case c == ebpf.ClassJMP && in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal,
			in.IsWide() && in.Src == ebpf.PseudoFunc:
			o.Imm = int32(moved(i, int(in.Imm)))
		}
		if in.IsWide() {
			i++
		}
	}
	for i := range p.Funcs {
		p.Funcs[i].Start, p.Funcs[i].End = at[p.Funcs[i].Start], at[p.Funcs[i].End]
	}
	p.Insns = out
}

// clone copies what Shrink changes.
func (c *Case) clone() *Case {
	d := *c
	d.Object = &loader.Object{File: c.Object.File}
	for _, m := range c.Object.Maps {
		n := *m
		n.Contents = append([]maps.Entry(nil), m.Contents...)
		d.Object.Maps = append(d.Object.Maps, &n)
	}
	for _, m := range d.Object.Maps {
		if m.Inner != nil { // point at the copies
			for _, n := range d.Object.Maps {
				if n.Name == m.Inner.Name {
					m.Inner = n
				}
			}
		}
	}
	for _, p := range c.Object.Programs {
		q := *p
		q.Insns = slices.Clone(p.Insns)
		q.Funcs = slices.Clone(p.Funcs)
		q.Maps = d.Object.Maps
		d.Object.Programs = append(d.Object.Programs, &q)
	}
	d.Entry = d.Object.Programs[0]
	return &d
}
