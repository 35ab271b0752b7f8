package feasibility

import "jitnic/nic/workload"

// Segments is what paths that are cut are made of, and what the cut costs a packet
// on the device: a look-up for each table behind the first, and holding back what is
// written before the last segment has hit.
type Segments struct {
	Tables   int     `json:"tables"`                // that segments stand in, one behind the other
	Segments int     `json:"segments"`              // distinct ones, that the cache holds in place of whole paths
	Each     float64 `json:"segments_per_packet"`   // in the mean
	Lookups  float64 `json:"look_up_ns_per_packet"` // in the tables behind the first, in the mean, where all hit
	Held     float64 `json:"held_bytes_per_packet"` // of packet and map values, in the mean
	HeldMost uint32  `json:"held_bytes"`            // at most
	HeldNS   float64 `json:"held_ns_per_packet"`    // to note what is held back, in the mean
}

// segmentsOf weighs the cut by packets; nil: there is none.
func segmentsOf(w *workload.Workload, c *costs) *Segments {
	if w.Segments == nil {
		return nil
	}
	out := &Segments{Tables: w.Tables(), Segments: len(w.Segments)}
	var packets, stores, cycles float64
	for i := range w.Paths {
		n := float64(w.Paths[i].Packets)
		held := w.Held(i)
		packets += n
		out.Each += n * float64(len(w.Paths[i].Parts))
		out.Held += n * float64(held.Bytes)
		out.HeldMost = max(out.HeldMost, held.Bytes)
		stores += n * float64(held.Stores)
		for _, p := range w.Paths[i].Parts[1:] {
			cycles += n * float64(c.match.Paths[p.Segment].Match)
		}
	}
	if packets == 0 {
		return out
	}
	ns := 1e6 / float64(c.n.Clock) / packets
	out.Each, out.Held = out.Each/packets, out.Held/packets
	out.Lookups, out.HeldNS = cycles*ns, stores*float64(c.n.LatHeld)*ns
	return out
}
