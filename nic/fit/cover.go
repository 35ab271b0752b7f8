package fit

import (
	"cmp"
	"math"
	"slices"
)

// coverage counts what it takes to cover shares of the packets, the hottest
// paths first.
func (c *checker) coverage() {
	r := c.r
	var fits []int32
	for _, path := range c.order {
		if r.Fits(int(path)) {
			fits = append(fits, path)
		}
	}
	for _, t := range Targets {
		r.Coverage = append(r.Coverage, c.cover(c.order, t))
		r.CoverageFit = append(r.CoverageFit, c.cover(fits, t))
	}
	r.AtOnce = c.atOnce(fits)
	all := c.cover(fits, 1)
	r.Needs = Needs{Traces: uint64(all.traces()), Slots: all.Slots, MapEntries: all.MapEntries, MapMemory: all.MapMemory}
	for _, path := range fits {
		r.Needs.Trace = max(r.Needs.Trace, uint64(r.Paths[path].Insns))
		for _, m := range r.Paths[path].Maps {
			r.Needs.MapEntry = max(r.Needs.MapEntry, r.Maps[m].Entry)
		}
	}
	n := c.n
	r.Limits = Needs{Traces: n.Entries, Slots: n.Slots, Trace: n.TraceSlots}
	if onNIC(n) {
		r.Limits.MapEntries, r.Limits.MapEntry, r.Limits.MapMemory = n.MapEntries, n.MapEntry, n.MapMemory
	}
}

// covered is what a cover has so far.
type covered struct{ maps, traces []bool }

func (c *checker) covered() covered {
	return covered{make([]bool, len(c.r.Maps)), make([]bool, len(c.w.Traces()))}
}

// more are the traces that a path adds to a cover, and their slots: segments are
// shared.
func (c *checker) more(seen covered, path int32) (traces int, slots uint64) {
	if c.w.Segments == nil {
		return 1, c.r.Paths[path].Slots
	}
	for _, p := range c.w.Paths[path].Parts {
		if !seen.traces[p.Segment] {
			traces++
			slots += uint64(c.w.Segments[p.Segment].Slots)
		}
	}
	return traces, slots
}

// add takes a path into a cover.
func (c *checker) add(to *Cover, seen covered, path int32) {
	p := &c.r.Paths[path]
	traces, slots := c.more(seen, path)
	to.Paths++
	to.Packets += p.Packets
	to.Slots += slots
	if c.w.Segments != nil {
		to.Segments += traces
	}
	for _, p := range c.w.Paths[path].Parts {
		seen.traces[p.Segment] = true
	}
	for _, m := range p.Maps {
		if !seen.maps[m] {
			seen.maps[m] = true
			to.MapEntries += c.r.Maps[m].Entries
			to.MapMemory += c.r.Maps[m].Memory
		}
	}
	to.Share = float64(to.Packets) / float64(c.r.Packets)
}

func (c *checker) cover(paths []int32, target float64) Cover {
	out := Cover{Target: target}
	want := uint64(math.Ceil(target*float64(c.r.Packets) - 1e-6))
	seen := c.covered()
	for _, path := range paths {
		if out.Packets >= want {
			break
		}
		c.add(&out, seen, path)
	}
	out.Reached = out.Packets >= want
	return out
}

// atOnce takes the hottest paths that the store holds together.
func (c *checker) atOnce(paths []int32) Cover {
	var out Cover
	out.Reached = true
	seen := c.covered()
	for _, path := range paths {
		traces, slots := c.more(seen, path)
		if n := c.n.Entries; n > 0 && uint64(out.traces()+traces) > n {
			out.Reached = false
			continue // what stands in already has segments of others
		}
		if n := c.n.Slots; n > 0 && out.Slots+slots > n {
			out.Reached = false
			continue // a colder but shorter one may still fit
		}
		c.add(&out, seen, path)
	}
	return out
}

// sizes are the distributions over traceable paths.
func (c *checker) sizes() {
	of := func(value func(p *PathFit) uint64) Dist {
		var d Dist
		type sample struct{ v, n uint64 }
		var s []sample
		for _, path := range c.order {
			p := &c.r.Paths[path]
			s = append(s, sample{value(p), p.Packets})
		}
		slices.SortFunc(s, func(a, b sample) int { return cmp.Compare(a.v, b.v) })
		quantiles := func(weight func(x sample) uint64) (q Quantiles) {
			var sum float64
			for _, x := range s {
				q.N += weight(x)
				sum += float64(x.v) * float64(weight(x))
			}
			if q.N == 0 {
				return q
			}
			q.Mean = sum / float64(q.N)
			rank := func(part float64) uint64 {
				want, at := uint64(math.Ceil(part*float64(q.N)-1e-6)), uint64(0)
				for _, x := range s {
					if at += weight(x); at >= want {
						return x.v
					}
				}
				return s[len(s)-1].v
			}
			q.Min, q.P50, q.P90, q.P99, q.Max = s[0].v, rank(0.5), rank(0.9), rank(0.99), s[len(s)-1].v
			return q
		}
		d.Paths = quantiles(func(sample) uint64 { return 1 })
		d.Packets = quantiles(func(x sample) uint64 { return x.n })
		return d
	}
	c.r.Trace = of(func(p *PathFit) uint64 { return uint64(p.Insns) })
	c.r.Cond = of(func(p *PathFit) uint64 { return uint64(p.Preds) })
	c.r.Slots = of(func(p *PathFit) uint64 { return p.Slots })
}
