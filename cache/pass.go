package cache

import (
	"fmt"

	"jitnic/cache/policy"
	"jitnic/cache/stream"
)

// A Pass runs caches side by side over a stream that comes block by block, in
// memory that doesn't grow with it. It counts what a Grid counts. Policies that
// need the whole stream (policy.Offline) can't be had here.
type Pass struct {
	configs  []Config
	caches   []*TraceCache
	points   []Point
	warm     []Stats
	requests int
	windows  int
	from     int
	at       int // requests taken so far

	sizes, costs  []uint32
	invalidations []stream.Invalidation
	next          int // invalidation
	labels        []uint64
	labelMisses   [][]uint64 // by cache
	bytes         uint64
}

// NewPass makes the caches, for a stream of so many requests of which the first
// warmup are run and not counted.
func NewPass(configs []Config, requests, windows, warmup int) (*Pass, error) {
	if warmup > 0 && warmup >= requests {
		return nil, fmt.Errorf("pass: a warm-up of %d leaves nothing of %d requests to count", warmup, requests)
	}
	p := &Pass{configs: configs, requests: requests, windows: windows, from: warmup, warm: make([]Stats, len(configs)), labelMisses: make([][]uint64, len(configs))}
	l := &lab{windows: windows, from: warmup}
	for _, c := range configs {
		if _, err := NewTraceCache(c); err != nil {
			return nil, err
		}
		info, err := policy.Lookup(c.Policy)
		if err != nil {
			return nil, err
		}
		pt := Point{Policy: c.Policy, Admission: c.Admission, Entries: c.Entries, Slots: c.Slots, HotThreshold: max(c.HotThreshold, 1),
			InstallDelay: c.InstallDelay, InstallTime: c.InstallTime, Requests: uint64(requests - warmup), Warmup: warmup}
		if pt.Admission == "" {
			pt.Admission = "always"
		}
		pt.Kind, pt.Bound = l.kind(info, c.Slots > 0)
		for w := range windows {
			pt.Windows = append(pt.Windows, WindowCount{p.bound(w), p.bound(w + 1), 0})
		}
		p.points = append(p.points, pt)
	}
	return p, nil
}

func (p *Pass) bound(w int) int {
	return p.from + int(uint64(p.requests-p.from)*uint64(w)/uint64(p.windows))
}

// Define says how many ids there are, what they are and when they are invalidated;
// before the first block.
func (p *Pass) Define(ids int, sizes, costs []uint32, gone []stream.Invalidation) error {
	p.sizes, p.costs, p.invalidations = make([]uint32, ids), make([]uint32, ids), gone
	for id := range ids {
		p.sizes[id], p.costs[id] = 1, 1
		if id < len(sizes) && sizes[id] > 0 {
			p.sizes[id], p.costs[id] = sizes[id], costs[id]
		}
	}
	for _, c := range p.configs {
		c.IDs = ids // some policies' tables, and so their counts, depend on it
		t, err := NewTraceCache(c)
		if err != nil {
			return err
		}
		p.caches = append(p.caches, t)
	}
	return nil
}

// Take runs the caches over a block. Blocks come in order.
func (p *Pass) Take(c *stream.Chunk) {
	end := p.next
	for k := range p.caches {
		end = p.run(k, c)
	}
	p.next = end
	for i := range c.IDs {
		if p.at+i < p.from {
			continue
		}
		p.bytes += weight(c, i)
		if c.Labels != nil {
			l := int(c.Labels[i])
			for l >= len(p.labels) {
				p.labels = append(p.labels, 0)
			}
			p.labels[l]++
		}
	}
	p.at += len(c.IDs)
}

func weight(c *stream.Chunk, i int) uint64 {
	if c.Lengths == nil {
		return 1
	}
	return uint64(c.Lengths[i])
}

// run is a cache over a block; it returns the first invalidation after it.
func (p *Pass) run(k int, c *stream.Chunk) int {
	t, pt := p.caches[k], &p.points[k]
	v, w := p.next, 0
	for i, id := range c.IDs {
		at := p.at + i
		for ; v < len(p.invalidations) && p.invalidations[v].At <= uint64(at); v++ {
			t.Invalidate(p.invalidations[v].ID)
		}
		if at == p.from {
			p.warm[k] = t.Stats()
		}
		t.Due()
		var o Outcome
		if id == stream.None {
			o = t.Uncacheable()
		} else {
			o = t.Request(id, p.sizes[id], p.costs[id])
		}
		if o == Hit || at < p.from {
			continue
		}
		for at >= pt.Windows[w].To {
			w++
		}
		pt.Windows[w].Misses++
		pt.Misses++
		pt.MissBytes += weight(c, i)
		if c.Labels != nil {
			l := int(c.Labels[i])
			for l >= len(p.labelMisses[k]) {
				p.labelMisses[k] = append(p.labelMisses[k], 0)
			}
			p.labelMisses[k][l]++
		}
	}
	return v
}

// Labels gives the labels of packets their names; after the last block.
func (p *Pass) Labels(names []string) {
	for k := range p.points {
		for l, name := range names {
			n := LabelCount{Label: name}
			if l < len(p.labels) {
				n.Requests = p.labels[l]
			}
			if l < len(p.labelMisses[k]) {
				n.Misses = p.labelMisses[k][l]
			}
			p.points[k].Labels = append(p.points[k].Labels, n)
		}
	}
}

// Points are the caches' counts, in the order of their configs; after the last
// block. Rates are not among them: blocks have no times.
func (p *Pass) Points() []Point {
	for k := range p.points {
		pt, st := &p.points[k], p.caches[k].Stats()
		for o := range st.Outcome {
			st.Outcome[o] -= p.warm[k].Outcome[o]
		}
		pt.outcomes(st.Outcome)
		pt.Installs, pt.Evictions = st.Installed-p.warm[k].Installed, st.Evicted-p.warm[k].Evicted
		pt.Bytes = p.bytes
		pt.ratios()
	}
	return p.points
}
