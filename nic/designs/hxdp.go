package designs

import (
	"jitnic/cache"
	"jitnic/nic/device"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// hxdp runs the whole program on the NIC for every packet, as hXDP does
// (Brunella and others, "hXDP: Efficient Software Packet Processing on FPGA
// NICs", OSDI 2020): no cache, no paths; but each packet pays for the program's
// branches, and one whose run needs what the device lacks goes to the host.
type hxdp struct{}

func (hxdp) Name() string { return "hxdp" }
func (hxdp) Is() string   { return "the whole program is interpreted on the NIC, for every packet" }

func (d hxdp) Run(s *Setting) (*Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	w := s.W
	program := s.Program
	if program == nil {
		program = func(shape uint32) (uint32, bool) { return Sequential(&w.Shapes[shape], s.NIC) }
	}
	in := s.uncached(make([]device.Path, len(w.Shapes)))
	fits := make([]bool, len(w.Shapes))
	for i := range w.Shapes {
		in.Paths[i].Match = uint32(s.NIC.MatcherBase)
		in.Paths[i].Exec, fits[i] = program(uint32(i))
		in.Paths[i].Refused = !fits[i]
	}
	where := make([]place, len(w.Packets))
	counted := make([]bool, len(w.Shapes))
	for i := range w.Packets {
		p := &w.Packets[i]
		in.Packets[i].Path, in.Packets[i].Miss = workload.None, uint32(s.NIC.MatcherBase)
		if !fits[p.Shape] {
			continue
		}
		where[i] = onNIC
		in.Packets[i].Path = int32(p.Shape)
		if e := &in.Paths[p.Shape]; !counted[p.Shape] {
			counted[p.Shape] = true
			for _, a := range w.Accesses[p.First : p.First+uint32(p.N)] {
				if a.Write {
					e.Writes++
				} else {
					e.Reads++
				}
			}
		}
	}
	r := &Result{Design: d.Name(), Is: d.Is(), Cache: preinstalled}
	if w.Compiler != nil && w.Compiler.Obj != nil {
		for _, p := range w.Compiler.Obj.Programs {
			r.Slots += uint64(len(p.Insns))
		}
	}
	r.account(s, in, where, nil, nil)
	r.counts()
	for _, t := range Targets { // none are needed
		r.Need = append(r.Need, Need{Target: t, Reached: r.Packets > 0 && r.HitRatio >= t})
	}
	return r, nil
}

// Sequential is what a run costs a device that executes one instruction a cycle
// and waits for each operation: cycles, dispatch included. ok is false where a
// map type is used that the device doesn't have.
func Sequential(p *workload.Shape, n *profile.NIC) (cycles uint32, ok bool) {
	c := n.Dispatch + uint64(p.Insns)*max(n.LatALU, 1)
	for op, k := range p.Ops {
		var lat uint64
		typ := ""
		switch workload.Op(op) {
		case workload.OpArray:
			lat, typ = n.LatArray, "array"
		case workload.OpPerCPU:
			lat, typ = n.LatArray, "percpu_array"
		case workload.OpHash:
			lat, typ = n.LatHash, "hash"
		case workload.OpLRU:
			lat, typ = n.LatLRU, "lru_hash"
		case workload.OpLPM:
			lat, typ = n.LatLPM, "lpm_trie"
		case workload.OpUpdate:
			lat = n.LatHash + n.LatUpdate
		case workload.OpAtomic:
			lat = n.LatAtomic
		case workload.OpTail, workload.OpCall:
		default:
			lat = n.LatHelper
		}
		c += uint64(k) * lat
		if k > 0 && typ != "" && len(n.MapTypes) > 0 && !has(n.MapTypes, typ) {
			return 0, false
		}
	}
	return uint32(min(c, 1<<32-1)), true
}

func has(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// preinstalled is the cache of a design without one: its entries are there from
// the start.
var preinstalled = cache.Config{Policy: "preinstalled", Entries: 1}

// uncached is an input of entries that are there from the start.
func (s *Setting) uncached(paths []device.Path) *device.Input {
	in := &device.Input{Packets: make([]device.Packet, len(s.W.Packets)), Accesses: s.In.Accesses, Entries: s.In.Entries, Paths: paths}
	copy(in.Packets, s.In.Packets)
	return in
}

// counts are the outcomes of a design without a cache.
func (r *Result) counts() {
	r.Counts[cache.Hit] = r.Hits
	r.Counts[cache.Uncacheable] = r.Packets - r.Hits
}
