package feasibility

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/nic/device"
	"jitnic/nic/fit"
	"jitnic/nic/match"
	"jitnic/nic/price"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
)

// A Part is one of several programs on one device, with what it did with the
// packets. All parts did the same packets.
type Part struct {
	W     *workload.Workload
	X     *match.Analysis
	Trees match.Trees
}

// Together is what several programs on one device do: each is on a port of its
// own, to which the capture's packets come, the ports in turn. They share the
// trace cache and its budget, the matcher, the units, PCIe, the host's cores and
// the memory for maps; which port a packet came from tells the matcher whose it
// is, at no cost.
//
// Maps are placed in the order of the programs, as they are when programs are
// loaded one after the other: a later one has what the earlier ones leave.
type Together struct {
	NIC      string   `json:"nic"`
	Host     string   `json:"host"`
	Rate     uint64   `json:"rate_pps"` // of all ports
	LineRate uint64   `json:"line_rate_pps"`
	Budget   string   `json:"budget"`
	Programs []Member `json:"programs"`
	Point    *Figures `json:"point"`     // all together, NIC and host
	Alone    *Figures `json:"host_only"` // and the host alone
}

// Member is one program beside the others, and with the device to itself at its
// share of the rate.
type Member struct {
	Program   string  `json:"program"`
	Paths     int     `json:"paths"`
	Share     float64 `json:"offloadable"`       // of its packets, beside those before it
	ShareOwn  float64 `json:"offloadable_alone"` // with the device to itself
	Slots     uint64  `json:"slots"`             // of its paths that fit
	MapBytes  uint64  `json:"map_memory"`        // of its maps on the device
	MapCount  uint64  `json:"map_entries"`
	Hits      float64 `json:"hit_ratio"`
	HitsOwn   float64 `json:"hit_ratio_alone"`
	Loss      float64 `json:"loss"`
	LossOwn   float64 `json:"loss_alone"`
	Mean      float64 `json:"latency_mean_ns"`
	MeanOwn   float64 `json:"latency_mean_ns_alone"`
	Packets   uint64  `json:"packets"`   // of the run, its own
	Blocked   string  `json:"blocked"`   // what keeps most of its packets out
	Crowded   bool    `json:"crowded"`   // fewer of its packets fit than with the device to itself
	Displaced float64 `json:"displaced"` // hit ratio it loses to the others
}

// Beside runs several programs on one device.
func Beside(ctx context.Context, parts []Part, n *profile.NIC, h *profile.Host, opt Options) (*Together, error) {
	if len(parts) < 2 {
		return nil, fmt.Errorf("feasibility: %d programs: two at least share a device", len(parts))
	}
	if opt.Packets == 0 {
		opt.Packets = max(len(parts)*len(parts[0].W.Packets), LeastPackets)
	}
	opt.Packets -= opt.Packets % len(parts) // the same of each
	opt.Arrivals = cmp.Or(opt.Arrivals, device.Constant)
	for _, p := range parts {
		if p.W.Segments != nil {
			return nil, fmt.Errorf("%s: its paths are cut into segments: several programs share a device with whole paths alone", p.W.Program)
		}
		if len(p.W.Packets) == 0 || len(p.W.Packets) != len(parts[0].W.Packets) {
			return nil, fmt.Errorf("%s: %d packets, and %s %d: the programs are to share a capture", p.W.Program, len(p.W.Packets), parts[0].W.Program, len(parts[0].W.Packets))
		}
	}
	t := &Together{NIC: n.Name, Host: h.Name, Rate: opt.Rate}
	left := n.Clone()
	full := false // the memory of maps: 0 would be no limit
	all := &costs{n: n, h: h, match: &match.Costs{}, prices: &price.Prices{}}
	var ins []*device.Input
	for _, p := range parts {
		// With the device to itself.
		own := &study{Study: &Study{}, ctx: ctx, opt: opt, w: p.W, x: p.X, trees: p.Trees, n: n, h: h}
		own.Rate = max(opt.Rate/uint64(len(parts)), 1)
		c, err := own.cost(n, h, false)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.W.Program, err)
		}
		alone, err := own.device(c, own.options(c, device.Both), opt.Packets/len(parts))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.W.Program, err)
		}
		m := Member{Program: p.W.Program, Paths: len(p.W.Paths), ShareOwn: share(c), HitsOwn: alone.HitRatio, LossOwn: alone.Loss, MeanOwn: alone.Mean}
		// Beside those before it.
		if full {
			left.MapTypes = []string{} // takes no map any more
		}
		if c, err = own.cost(left, h, false); err != nil {
			return nil, fmt.Errorf("%s: %w", p.W.Program, err)
		}
		m.Share, m.Slots = share(c), c.fit.Needs.Slots
		m.MapBytes, m.MapCount = c.fit.Needs.MapMemory, c.fit.Needs.MapEntries
		m.Blocked = blocked(c)
		m.Crowded = m.Share < m.ShareOwn
		full = take(&left.MapMemory, m.MapBytes) || full
		full = take(&left.MapEntries, m.MapCount) || full
		t.Programs = append(t.Programs, m)
		ins = append(ins, c.prices.In)
		all.match.Paths = append(all.match.Paths, c.match.Paths...)
	}
	all.prices.In = merge(ins)
	s := &study{Study: &Study{Rate: opt.Rate}, ctx: ctx, opt: opt, w: parts[0].W, n: n, h: h}
	all.cache, t.Budget = s.budget(all)
	if all.cache.Slots == 0 {
		all.cache.Entries = min(all.cache.Entries, uint64(max(len(all.prices.In.Paths), 1)))
	}
	t.LineRate = device.LineRate(all.prices.In, n)
	for _, mode := range []device.Mode{device.Both, device.HostOnly} {
		o := s.options(all, mode)
		o.Groups = len(parts)
		l := s.load(opt.Rate, opt.Packets)
		if l.Arrivals == device.Capture {
			l.Times = repeated(parts[0].W.Time, len(parts))
		}
		r, err := device.Run(all.prices.In, n, h, l, o)
		if err != nil {
			return nil, err
		}
		f := run(all.prices.In, n, opt.Rate, r)
		if mode == device.HostOnly {
			t.Alone = f
			continue
		}
		t.Point = f
		for i := range t.Programs {
			m, g := &t.Programs[i], &r.Groups[i]
			m.Packets = g.Packets
			m.Hits = float64(g.Outcome[cache.Hit]) / float64(max(g.Outcome.Total(), 1))
			m.Loss = 1 - float64(g.Finished)/float64(max(g.Packets, 1))
			m.Mean = g.Latency / 1000 / float64(max(g.Finished, 1))
			m.Displaced = m.HitsOwn - m.Hits
		}
	}
	return t, nil
}

// take takes so much of a limit, and says whether nothing is left of it. 0 is no
// limit.
func take(limit *uint64, n uint64) bool {
	if *limit == 0 {
		return false
	}
	*limit -= min(*limit, n)
	if *limit == 0 {
		*limit = 1
		return true
	}
	return false
}

// share is that of the packets which matcher and device take.
func share(c *costs) float64 {
	in, taken := c.prices.In, 0
	for i := range in.Packets {
		if p := in.Packets[i].Path; p >= 0 && !in.Paths[p].Refused {
			taken++
		}
	}
	return float64(taken) / float64(max(len(in.Packets), 1))
}

// blocked names what keeps most packets out.
func blocked(c *costs) string {
	var most *fit.Blocker
	for i := range c.fit.Blockers {
		if b := &c.fit.Blockers[i]; b.Blocks > 0 && (most == nil || b.Blocks > most.Blocks) {
			most = b
		}
	}
	if most == nil {
		return ""
	}
	return most.Title()
}

// repeated are times of which each holds for n packets.
func repeated(times []int64, n int) []int64 {
	out := make([]int64, 0, n*len(times))
	for _, t := range times {
		for range n {
			out = append(out, t)
		}
	}
	return out
}

// merge lays the packets of several inputs, as many of each, side by side: one of
// the first, one of the second, and so on. Paths, flows and entries of maps keep
// apart.
func merge(ins []*device.Input) *device.Input {
	k := len(ins)
	out := &device.Input{Packets: make([]device.Packet, k*len(ins[0].Packets))}
	flows := uint32(0)
	for g, in := range ins {
		path, first, entry := int32(len(out.Paths)), uint32(len(out.Accesses)), uint32(out.Entries)
		next := flows
		for i := range in.Packets {
			p := in.Packets[i]
			if p.Path >= 0 {
				p.Path += path
			}
			p.First += first
			p.Flow += flows
			next = max(next, p.Flow+1)
			out.Packets[i*k+g] = p
		}
		flows = next
		for _, a := range in.Accesses {
			a.Entry += entry
			out.Accesses = append(out.Accesses, a)
		}
		out.Paths = append(out.Paths, in.Paths...)
		out.Entries += in.Entries
		out.Hot = max(out.Hot, in.Hot)
		for _, v := range in.Invalidations {
			at := v.At*uint64(k) + uint64(g) // where its packet is now
			if v.At >= uint64(len(in.Packets)) {
				at = uint64(len(out.Packets)) // behind the last
			}
			out.Invalidations = append(out.Invalidations, stream.Invalidation{At: at, ID: v.ID + uint32(path)})
		}
	}
	slices.SortStableFunc(out.Invalidations, func(a, b stream.Invalidation) int { return cmp.Compare(a.At, b.At) })
	return out
}
