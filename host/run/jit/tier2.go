package jit

import (
	"jitnic/nic"
	"jitnic/pathcond"
	"jitnic/trace"
)

// Tier2 makes the traces that hit often better while they go on running. One
// compiler works on them in turn, and how long it takes is counted, not timed:
// a run is the same on every machine.
type Tier2 struct {
	After     uint64 // hits of a path until it is hot
	PerPacket uint64 // units of work that are done between two packets
	// Optimise gives the trace to run instead, nil where it found no better one,
	// and the units it cost.
	Optimise func(p *pathcond.Path, t *trace.Trace, c *pathcond.Compiler) (*trace.Trace, uint64, error)

	Hot, Swapped int    // paths
	Waited       uint64 // packets from hot to swapped, of all paths that were

	queue []swap
	free  uint64 // packet from which the compiler is
}

// swap is a better trace that is ready from a packet on.
type swap struct {
	hot, at uint64
	path    nic.Path
	of      *pathcond.Path
	trace   *trace.Trace
}

// note takes notice of a hit of path p; the packet was the n-th.
func (t *Tier2) note(r *Runtime, p nic.Path, n uint64) error {
	if int(p) >= len(r.NIC.Hits) || r.NIC.Hits[p] != t.After { // a bound's first hit ran on the host
		return nil
	}
	i := r.info[p]
	better, units, err := t.Optimise(i.Path, i.Trace, r.Comp)
	if err != nil {
		return err
	}
	t.Hot++
	t.free = max(t.free, n) + units/max(1, t.PerPacket) + 1
	if better == nil {
		return nil
	}
	t.queue = append(t.queue, swap{n, t.free, p, i.Path, better})
	return nil
}

// batch takes notice of hits of a batch, which are counted anew. A swap is made
// behind the batch that it was due in: it changes nothing that is counted.
func (t *Tier2) batch(r *Runtime, paths []uint32) error {
	for _, p := range paths {
		r.Packets++
		r.NIC.Hits[p]++
		if err := t.due(r, r.Packets); err != nil {
			return err
		}
		if err := t.note(r, nic.Path(p), r.Packets); err != nil {
			return err
		}
	}
	return nil
}

// due puts in what is ready before the packet after n. A swap is no install: the
// entry stays where it is.
func (t *Tier2) due(r *Runtime, n uint64) error {
	for len(t.queue) > 0 && t.queue[0].at <= n {
		s := t.queue[0]
		t.queue = t.queue[1:]
		i := r.info[s.path]
		if i.Path != s.of || i.gone { // another trace has taken its place
			continue
		}
		t.Swapped++
		t.Waited += s.at - s.hot
		if i.Trace = s.trace; !r.NIC.Cache.Installed(uint32(s.path)) {
			continue
		}
		if err := r.NIC.Swap(s.path); err != nil {
			return err
		}
	}
	return nil
}
