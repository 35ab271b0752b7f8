package price

import (
	"fmt"
	"math"

	"jitnic/host/maps"
	"jitnic/nic/device"
	"jitnic/nic/match"
	"jitnic/nic/profile"
	"jitnic/nic/vliw"
	"jitnic/nic/workload"
	"jitnic/pathcond"
	"jitnic/trace"
)

// Parts are the judgements that prices are made from.
type Parts struct {
	Match   *match.Costs // of the workload on the device
	Refused []bool       // by path: the device can't hold or run it; nil: none
	Placed  []bool       // by map: it is on the device, for some path that is; nil: all are
	Raw     bool         // price the traces as they were before optimisation
	Cycles  []uint32     // of [Cycles] on the device; nil: they are made
	Better  []uint32     // and those of tier 2's traces, with Cycles
}

// Prices are a workload's prices on a device and a host.
type Prices struct {
	In *device.Input
	// Cycles are by trace (of paths that are cut by segment) the executor's for it
	// alone, without dispatch.
	Cycles []uint32
	Better []uint32 // of what tier 2 makes of it; 0: nothing
	Insns  []uint32 // of the traces priced
}

// Build prices a workload.
func Build(w *workload.Workload, n *profile.NIC, h *profile.Host, p Parts) (*Prices, error) {
	traces := w.Traces()
	if len(p.Match.Paths) != len(traces) {
		return nil, fmt.Errorf("price: match costs of %d paths for a workload of %d", len(p.Match.Paths), len(traces))
	}
	out := &Prices{In: &device.Input{
		Packets: make([]device.Packet, len(w.Packets)), Paths: make([]device.Path, len(w.Paths)),
		Entries: w.Entries, Invalidations: w.Invalidations,
	}, Cycles: p.Cycles, Better: p.Better, Insns: make([]uint32, len(traces))}
	shared := sharedMaps(w, p.Placed)
	if out.Cycles == nil {
		var err error
		if out.Cycles, err = Cycles(w, n, installed(p.Raw)); err != nil {
			return nil, err
		}
		if out.Better, err = Cycles(w, n, better); err != nil {
			return nil, err
		}
	}
	if !p.Raw {
		out.In.Hot = w.Hot
	}
	if w.Segments != nil {
		out.In.Segments = make([]device.Path, len(traces))
	}
	for i := range traces {
		path := &traces[i]
		t := installed(p.Raw)(path)
		out.Insns[i] = uint32(t.Len())
		slots := uint64(t.Len() + len(path.Cond))
		mc := &p.Match.Paths[i]
		d := &out.In.Traces()[i]
		*d = device.Path{
			Match: mc.Match, Exec: sat(uint64(out.Cycles[i]) + n.Dispatch), Slots: sat(slots), Cost: sat(uint64(path.Raw.Raw)),
			Compile: h.CompileBase + h.CompileInsn*uint64(path.Raw.Raw),
			Install: 1000 * (n.InstallBase + n.InstallSlot*slots),
			Bytes:   sat(8 * slots),
			Refused: mc.Refused != "" || w.Segments == nil && i < len(p.Refused) && p.Refused[i],
		}
		if path.Optimised && !p.Raw {
			d.Optimise = min(Optimise(path, w.Tier, h), longest)
			d.Compile += d.Optimise
		}
		d.Compile, d.Install = min(d.Compile, longest), min(d.Install, longest)
		if !p.Raw && path.Search > 0 {
			d.Better.Search = min(h.Search*path.Search, longest)
			if path.Better != nil {
				slots := uint64(path.Better.Len() + len(path.Cond))
				d.Better = device.Better{Search: d.Better.Search, Exec: sat(uint64(out.Better[i]) + n.Dispatch), Slots: sat(slots),
					Install: min(1000*(n.InstallBase+n.InstallSlot*slots), longest), Bytes: sat(8 * slots)}
			}
		}
	}
	if w.Segments != nil {
		out.chains(w, n, &p)
	}
	host := Packets(w, h)
	counted := make([]bool, len(w.Paths))
	uses := func(a workload.Access) bool { return shared == nil || shared[w.EntryMap[a.Entry]] }
	for i := range w.Packets {
		q := &w.Packets[i]
		d := &out.In.Packets[i]
		first := len(out.In.Accesses)
		accesses := w.Accesses[q.First : q.First+uint32(q.N)]
		for _, a := range accesses {
			if uses(a) {
				out.In.Accesses = append(out.In.Accesses, device.Access{Entry: a.Entry, Write: a.Write})
			}
		}
		*d = device.Packet{Path: q.Path, Flow: q.Flow, First: uint32(first), N: uint16(len(out.In.Accesses) - first), Queue: q.Queue, Len: q.Len, OutLen: q.OutLen,
			Fate: fates[q.Fate], Added: q.Added, Miss: p.Match.Miss, Host: sat(host(q))}
		if q.Path == workload.None {
			continue
		}
		d.Miss = p.Match.Paths[w.First(q.Path)].Miss
		if !counted[q.Path] { // all runs of a path make the same accesses
			counted[q.Path] = true
			before(&w.Paths[q.Path], &out.In.Paths[q.Path], accesses, uses)
			for _, a := range out.In.Accesses[first:] {
				if a.Write {
					out.In.Paths[q.Path].Writes++
				} else {
					out.In.Paths[q.Path].Reads++
				}
			}
		}
	}
	return out, nil
}

// Optimise is what the optimiser takes for a path's trace, in ps, before the install:
// the counted work of a tier where tiers count it, else so much for each instruction.
func Optimise(path *workload.Path, tier int, h *profile.Host) uint64 {
	switch {
	case path.Units > 0 && tier == 2:
		return h.Search * path.Units
	case path.Units > 0:
		return h.Unit * path.Units
	}
	return h.Optimise * uint64(path.Raw.Len())
}

// sharedMaps says by map whether both sides use it: a map that no path on the
// device uses stays with the host, and of a per-CPU map each side has values of
// its own. nil is all.
func sharedMaps(w *workload.Workload, placed []bool) []bool {
	if w.EntryMap == nil {
		return nil
	}
	out := make([]bool, len(w.Maps))
	for i := range out {
		out[i] = !w.Maps[i].PerCPU && (placed == nil || placed[i])
	}
	return out
}

// Machine is the core of a device for the maps of a compiler's program; of nil
// it knows none.
func Machine(c *pathcond.Compiler, n *profile.NIC) *vliw.Machine {
	m := vliw.MachineOf(n)
	if c == nil {
		return m
	}
	specs := make([]*maps.Spec, len(c.S.Maps))
	for i, x := range c.S.Maps {
		specs[i] = x.Spec()
	}
	return m.For(specs)
}

// Cycles are by trace what one of its forms takes on the device's executor, without
// dispatch; 0 where there is no such form.
func Cycles(w *workload.Workload, n *profile.NIC, of func(*workload.Path) *trace.Trace) ([]uint32, error) {
	m := Machine(w.Compiler, n)
	if n.Executor == profile.ExecScalar {
		return scalar(w, m, of), nil
	}
	traces := w.Traces()
	out := make([]uint32, len(traces))
	s := vliw.NewScheduler(m)
	for i := range traces {
		t := of(&traces[i])
		if t == nil {
			continue
		}
		x, err := s.Schedule(t)
		if err != nil {
			return nil, fmt.Errorf("path %d: %w", i, err)
		}
		out[i] = uint32(x.Cycles)
	}
	return out, nil
}

// Scalar is Cycles on a core that starts one instruction a cycle at best.
func Scalar(w *workload.Workload, n *profile.NIC, raw bool) []uint32 {
	return scalar(w, Machine(w.Compiler, n), installed(raw))
}

func scalar(w *workload.Workload, m *vliw.Machine, of func(*workload.Path) *trace.Trace) []uint32 {
	traces := w.Traces()
	out := make([]uint32, len(traces))
	for i := range traces {
		if t := of(&traces[i]); t != nil {
			out[i] = vliw.ScalarCycles(t, m)
		}
	}
	return out
}

// installed tells the trace that a miss installs, as it is or before it was optimised.
func installed(raw bool) func(*workload.Path) *trace.Trace {
	if raw {
		return func(p *workload.Path) *trace.Trace { return p.Raw }
	}
	return func(p *workload.Path) *trace.Trace { return p.Trace }
}

// better tells what tier 2 makes of that.
func better(p *workload.Path) *trace.Trace { return p.Better }

// fates are where packets go on a device: a redirect leaves by the wire, as
// most do (a redirect to a core or socket of the host crosses PCIe instead).
var fates = [...]device.Fate{workload.Drop: device.Drop, workload.Tx: device.Wire, workload.Redirect: device.Wire, workload.Pass: device.Up}

// longest is the longest time that nic/device takes for a compile or an
// install: 1,000 s, in ps. What takes longer is not done within any run.
const longest = 1e15

// sat puts a number into 32 bits.
func sat(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }
