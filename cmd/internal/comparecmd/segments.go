package comparecmd

import (
	"fmt"

	"jitnic/cache"
	"jitnic/cache/policy"
	"jitnic/cmd/internal/report"
)

// PacketRow is what one cache hits of packets, where each makes a request for every
// segment of its path: a packet hits if all of its segments do.
type PacketRow struct {
	Policy    string       `json:"policy"`
	Admission string       `json:"admission"`
	Entries   uint64       `json:"entries,omitempty"`
	Slots     uint64       `json:"slots,omitempty"`
	Packets   uint64       `json:"packets"`
	Outcomes  cache.Counts `json:"outcomes"` // packets by the outcome of their first request that isn't a hit: hit, cold, not hot, capacity, invalidated, in flight, uncacheable
	HitRatio  float64      `json:"hit_ratio"`
}

// packets runs the grid's caches over the stream packet by packet. Bounds choose by
// requests and say nothing of packets; neither do caches behind a warm-up.
func packets(src *source, g *cache.Grid) ([]PacketRow, error) {
	if src.requests == nil || g.Warmup > 0 {
		return nil, nil
	}
	var out []PacketRow
	for _, c := range g.Configs() {
		if i, err := policy.Lookup(c.Policy); err != nil || i.IsOffline() {
			continue
		}
		n, _, err := cache.Packets(src.stream, src.requests, c)
		if err != nil {
			return nil, err
		}
		out = append(out, PacketRow{c.Policy, c.Admission, c.Entries, c.Slots, n.Total(), n, float64(n[cache.Hit]) / float64(max(n.Total(), 1))})
	}
	return out, nil
}

// packetTable is the hit ratio of packets by policy and size.
func (r *Report) packetTable() *report.Table {
	if len(r.Packets) == 0 {
		return nil
	}
	t := &report.Table{ID: "packets", Open: true, Title: "Packets of which every segment hits, in %", Left: 2, Head: []string{"policy", "admission"}}
	at := map[[2]uint64]int{}
	row := map[[2]string][]string{}
	var order [][2]string
	for _, p := range r.Packets {
		size := [2]uint64{p.Entries, p.Slots}
		if _, ok := at[size]; !ok {
			at[size] = len(t.Head)
			unit := fmt.Sprint(p.Entries)
			if p.Slots > 0 {
				unit = fmt.Sprintf("%d slots", p.Slots)
			}
			t.Head = append(t.Head, unit)
		}
		k := [2]string{p.Policy, p.Admission}
		if row[k] == nil {
			order = append(order, k)
			row[k] = []string{p.Policy, p.Admission}
		}
		row[k] = append(row[k], fmt.Sprintf("%.2f", 100*p.HitRatio))
	}
	for _, k := range order {
		t.Add(row[k]...)
	}
	return t
}
