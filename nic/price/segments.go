package price

import (
	"jitnic/nic/device"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// chains prices paths that are cut, by their segments:
//
//	dispatch + Σ cycles + Σ match of the tables behind the first + held × exec.held
//
// of a unit, which runs one segment after the other and looks the next one up in
// between. Where the k'th isn't in, the unit was busy until its table has said so,
// and what was held back until then is taken back for exec.held a store once more.
// A path is refused where one of its segments is, and a segment is never installed
// where all paths through it are refused.
func (out *Prices) chains(w *workload.Workload, n *profile.NIC, p *Parts) {
	used := make([]bool, len(w.Segments))
	for i := range w.Paths {
		d := &out.In.Paths[i]
		d.Refused = i < len(p.Refused) && p.Refused[i]
		unit, held := n.Dispatch, uint64(0)
		for k, part := range w.Paths[i].Parts {
			s, mc := &w.Segments[part.Segment], &p.Match.Paths[part.Segment]
			d.Refused = d.Refused || mc.Refused != ""
			at := device.Part{Segment: uint32(part.Segment)}
			if k == 0 {
				d.Match = mc.Match
			} else {
				at.Fail = sat(unit + uint64(mc.Miss) + held*n.LatHeld)
				unit += uint64(mc.Match)
			}
			unit += uint64(out.Cycles[part.Segment])
			if k+1 < len(w.Paths[i].Parts) {
				unit += uint64(s.Held.Stores) * n.LatHeld
				held += uint64(s.Held.Stores)
			}
			d.Parts = append(d.Parts, at)
		}
		d.Exec = sat(unit)
		if !d.Refused {
			for _, part := range d.Parts {
				used[part.Segment] = true
			}
		}
	}
	for i := range out.In.Segments {
		out.In.Segments[i].Refused = out.In.Segments[i].Refused || !used[i]
	}
}

// before counts the accesses of a packet that come before each part of its path, of
// those to maps that both sides use.
func before(path *workload.Path, d *device.Path, accesses []workload.Access, uses func(a workload.Access) bool) {
	for k := 1; k < len(d.Parts); k++ {
		d.Parts[k].Accesses = 0
		for _, a := range accesses[:path.Parts[k-1].Accesses] {
			if uses(a) {
				d.Parts[k].Accesses++
			}
		}
	}
}
