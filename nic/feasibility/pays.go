package feasibility

import (
	"cmp"
	"math"
	"slices"

	"jitnic/nic/device"
	"jitnic/nic/price"
	"jitnic/nic/workload"
)

// Payback is how long after a path's first packet its trace has paid: when its hits
// have saved host cores as much time as compilers took for it. It is of the run
// that begins with an empty cache, waiting in compile queue and install channel and
// all misses until then included.
type Payback struct {
	Paths   int     `json:"paths"`     // that had a packet in the run
	Paid    int     `json:"paid"`      // whose trace had paid when it ended
	Packets float64 `json:"packets"`   // share of the packets looked up that are of these
	Median  float64 `json:"median_ns"` // from the first packet until it had, of these paths
	P90     float64 `json:"p90_ns"`    // the same of nine in ten of them

	// Tiers are what each of the compiler's steps costs, and what it gains.
	Tiers []TierPayback `json:"tiers"`
	// Swaps are what became in the run of the traces that were hot, where there is
	// such a tier.
	Swaps *Swaps `json:"swaps,omitempty"`
}

// Swaps are of the run from an empty cache.
type Swaps struct {
	Hot        uint64  `json:"hot"`        // traces
	Searched   uint64  `json:"searched"`   // of these, within the run
	Found      uint64  `json:"found"`      // of these: a better trace was found
	Swapped    uint64  `json:"swapped"`    // put in the place of tier 1's while that was installed
	Unfinished uint64  `json:"unfinished"` // hot, and not searched to the end
	Paid       int     `json:"paid"`       // paths whose hits have saved executors what the search took
	Median     float64 `json:"median_ns"`  // from the path's first packet until then, of these
}

// TierPayback is a step of the compiler: tier 0 makes a trace of a recording, which
// saves a host core the packet; the optimiser's makes it shorter, which saves a unit
// of the device cycles. Figures are means and medians over packets that hit.
type TierPayback struct {
	Tier  int     `json:"tier"`     // 0 records, 1 and 2 optimise
	Of    string  `json:"of"`       // what a hit gains: host core time, executor time
	Spent float64 `json:"spent_ns"` // of a compiler, for a trace
	Gain  float64 `json:"gain_ns"`  // by a hit
	Hits  float64 `json:"hits"`     // until it has paid, in the median; -1: for half of the packets or more it never does
	After float64 `json:"after_ns"` // from the path's first packet, if each hits from then on, at its share of the study's rate
	Never float64 `json:"never"`    // share of the packets for whose path it gains nothing
	// Of a tier that is for hot traces alone; all the above is of these then.
	Traces int     `json:"traces,omitempty"`  // that are searched
	Found  int     `json:"found,omitempty"`   // for which that finds a better one
	Hot    float64 `json:"hot_ns,omitempty"`  // from the path's first packet until it is, median; in After
	Wait   float64 `json:"wait_ns,omitempty"` // then for a compiler that no other hot trace has, mean over traces; in After
	Swap   float64 `json:"swap_ns,omitempty"` // of the install channel, mean over the traces found; in After
}

// pays is what a run from an empty cache tells. raw are the traces' prices before
// they were optimised, best those of the run.
func (s *study) pays(r *device.Result, raw, best *price.Prices) *Payback {
	out := &Payback{}
	var after []float64
	packets := make([]float64, len(s.w.Traces()))
	all, paid := 0.0, 0.0
	for i, n := range s.packets() {
		all += n
		yet := false
		for _, p := range s.w.Parts(i) {
			packets[p.Segment] += n
			yet = yet || r.Pays[p.Segment].After < 0
		}
		if !yet {
			paid += n
		}
	}
	for _, y := range r.Pays {
		if y.First < 0 {
			continue
		}
		if out.Paths++; y.After >= 0 {
			out.Paid++
			after = append(after, float64(y.After)/1000)
		}
	}
	if all > 0 {
		out.Packets = paid / all
	}
	slices.Sort(after)
	if n := len(after); n > 0 {
		out.Median, out.P90 = after[(n-1)/2], after[(n-1)*9/10]
	}
	cycle := 1e6 / float64(s.n.Clock) // ns, of a clock in kHz
	host := s.hostTime()
	out.Tiers = append(out.Tiers, s.tierPays(0, "host core time", packets, func(i int) (spent, gain, before float64) {
		d := &best.In.Traces()[i]
		return float64(d.Compile-d.Optimise) / 1000, host[i], 0
	}))
	if s.Optimised {
		out.Tiers = append(out.Tiers, s.tierPays(s.w.Tier, "executor time", packets, func(i int) (spent, gain, before float64) {
			return float64(best.In.Traces()[i].Optimise) / 1000, (float64(raw.Cycles[i]) - float64(best.Cycles[i])) * cycle, 0
		}))
	}
	if best.In.Hot > 0 {
		out.Tiers = append(out.Tiers, s.hotPays(packets, best, cycle))
		out.Swaps = swaps(r)
	}
	return out
}

// swaps are those of a run.
func swaps(r *device.Result) *Swaps {
	c := &r.Compile
	out := &Swaps{Hot: c.Hot, Searched: c.Searched, Found: c.Found, Swapped: c.Swapped, Unfinished: c.Unfinished}
	var after []float64
	for _, y := range r.Better {
		if y.After >= 0 {
			after = append(after, float64(y.After)/1000)
		}
	}
	slices.Sort(after)
	if out.Paid = len(after); out.Paid > 0 {
		out.Median = after[(out.Paid-1)/2]
	}
	return out
}

// hotPays is tier 2's row. A run of the model is seldom as long as searches take, so
// it is worked out: all paths have their first packet at once and then each packets
// at its share of the rate, compilers search in the order in which traces become hot,
// and new paths, which go first, are over by then.
func (s *study) hotPays(packets []float64, best *price.Prices, cycle float64) TierPayback {
	in := best.In
	var hot []int
	at := make([]float64, len(packets)) // from the first packet until hot, then until swapped
	for i, n := range packets {
		if p := &in.Traces()[i]; n > 0 && p.Better.Search > 0 && !p.Refused {
			hot = append(hot, i)
			at[i] = float64(p.Compile+p.Install)/1000 + float64(in.Hot)/s.rateOf(n)*1e9
		}
	}
	slices.SortStableFunc(hot, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
	out := TierPayback{Tier: 2, Of: "executor time", Traces: len(hot), Hits: -1}
	if len(hot) == 0 {
		return out
	}
	own := make([]float64, len(packets))
	free := make([]float64, s.h.Compilers)
	when := make([]float64, 0, len(hot))
	for _, i := range hot {
		own[i] = packets[i]
		when = append(when, at[i])
		worker := 0
		for k := range free {
			if free[k] < free[worker] {
				worker = k
			}
		}
		b := &in.Traces()[i].Better
		begin := max(at[i], free[worker])
		out.Wait += (begin - at[i]) / float64(len(hot))
		free[worker] = begin + float64(b.Search)/1000
		at[i] = free[worker] + float64(b.Install)/1000
		if b.Slots > 0 {
			out.Found++
			out.Swap += float64(b.Install) / 1000
		}
	}
	of := s.tierPays(2, out.Of, own, func(i int) (spent, gain, before float64) {
		if b := &in.Traces()[i].Better; b.Slots > 0 {
			gain = (float64(best.Cycles[i]) - float64(best.Better[i])) * cycle
		}
		return float64(in.Traces()[i].Better.Search) / 1000, gain, at[i]
	})
	of.Traces, of.Found, of.Wait = out.Traces, out.Found, out.Wait
	of.Hot, of.Swap = when[(len(when)-1)/2], out.Swap/float64(max(1, out.Found))
	return of
}

// rateOf is the rate of a path with so many of the capture's packets, a second.
func (s *study) rateOf(packets float64) float64 {
	return float64(s.Rate) * packets / float64(len(s.w.Packets))
}

// packets counts those of each path.
func (s *study) packets() []float64 {
	out := make([]float64, len(s.w.Paths))
	for i := range s.w.Packets {
		if p := s.w.Packets[i].Path; p >= 0 {
			out[p]++
		}
	}
	return out
}

// hostTime is by trace what a hit saves a host core, in ns, in the mean of its
// packets: of a path that is cut each segment an equal part.
func (s *study) hostTime() []float64 {
	sum, n := make([]float64, len(s.w.Traces())), make([]float64, len(s.w.Traces()))
	parts := make([][]workload.Part, len(s.w.Paths))
	for i := range parts {
		parts[i] = s.w.Parts(i)
	}
	host := price.Packets(s.w, s.h)
	for i := range s.w.Packets {
		q := &s.w.Packets[i]
		if q.Path < 0 {
			continue
		}
		ps := host(q)
		if q.Fate == workload.Pass {
			ps -= s.h.Pass // the stack takes it all the same
		} else {
			ps += s.h.Driver
		}
		for _, p := range parts[q.Path] {
			sum[p.Segment] += float64(ps) / 1000 / float64(len(parts[q.Path]))
			n[p.Segment]++
		}
	}
	for i := range sum {
		sum[i] /= max(1, n[i])
	}
	return sum
}

// tierPays weighs what a tier costs a path against what a hit of it gains, in ns, from
// so long after its first packet (before).
func (s *study) tierPays(tier int, of string, packets []float64, path func(i int) (spent, gain, before float64)) TierPayback {
	out := TierPayback{Tier: tier, Of: of}
	type one struct{ hits, after, packets float64 }
	var ones []one
	all := 0.0
	for i, n := range packets {
		if n == 0 {
			continue
		}
		spent, gain, before := path(i)
		all += n
		out.Spent += n * spent
		out.Gain += n * gain
		x := one{math.Inf(1), math.Inf(1), n}
		if gain > 0 {
			x.hits = math.Ceil(spent / gain)
			x.after = before + x.hits/s.rateOf(n)*1e9
		} else {
			out.Never += n
		}
		ones = append(ones, x)
	}
	if all == 0 {
		return out
	}
	out.Spent, out.Gain, out.Never = out.Spent/all, out.Gain/all, out.Never/all
	median := func(of func(x one) float64) float64 {
		slices.SortFunc(ones, func(a, b one) int { return cmp.Compare(of(a), of(b)) })
		at := 0.0
		for _, x := range ones {
			if at += x.packets; 2*at >= all {
				if v := of(x); !math.IsInf(v, 1) {
					return v
				}
				return -1
			}
		}
		return -1
	}
	out.Hits, out.After = median(func(x one) float64 { return x.hits }), median(func(x one) float64 { return x.after })
	return out
}
