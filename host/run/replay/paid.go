package replay

import (
	"math"
	"slices"

	"jitnic/host/run/jit"
	"jitnic/nic/profile"
	"jitnic/pathcond"
)

// Paid is when the work of a tier on a path's trace had paid in a run: when the
// path's hits on it had run so many instructions fewer that these take as long as the
// compiler worked. A replay has no time of its own, so both are at the figures cited
// of the profiles: a unit of host "paper", which jitnic calibrate measured, and a
// cycle of device "hxdp" an instruction. The device model has the queues too
// (feasibility).
type Paid struct {
	Tier   int    `json:"tier"`               // 1 or 2
	Traces int    `json:"traces"`             // that it made shorter
	Paid   int    `json:"paid"`               // of these: within the run
	Hits   uint64 `json:"hits"`               // of a path until then, median over Traces
	Saved  uint64 `json:"instructions_saved"` // by all hits of the run
	Worth  uint64 `json:"instructions_spent"` // what its units are worth, in instructions
}

// paying adds one trace, whose hits so far save so much each.
type paying struct {
	Paid
	need  []uint64
	worth float64 // instructions a unit
}

func (p *paying) add(units, hits uint64, gain int) {
	spent := p.worth * float64(units)
	if p.Worth += uint64(spent); gain <= 0 {
		return
	}
	need := max(1, uint64(math.Ceil(spent/float64(gain))))
	p.Traces++
	p.need = append(p.need, need)
	if p.Saved += hits * uint64(gain); hits >= need {
		p.Paid.Paid++
	}
}

// Settle works out when each tier has paid, and takes over what the run's cache has
// counted of hot traces. It says nothing of paths whose number stands for several traces.
func (s *Optimised) Settle(r *jit.Runtime) error {
	if s == nil {
		return nil
	}
	s.Hot.settle(r.NIC.Cache.Stats())
	if s.Paid = nil; s.several {
		return nil
	}
	host, err := profile.LoadHost("paper")
	if err != nil {
		return err
	}
	nic, err := profile.Load("hxdp")
	if err != nil {
		return err
	}
	cycle := 1e9 / float64(nic.Clock) // ps, of a clock in kHz
	units := func(of map[*pathcond.Path]uint64, tier int) *paying {
		p := &paying{Paid: Paid{Tier: tier}, worth: float64(host.Unit) / cycle}
		if tier == 2 {
			p.worth = float64(host.Search) / cycle
		}
		for _, i := range r.Paths() {
			n, ok := of[i.Path]
			if !ok {
				continue
			}
			hits := i.Packets - i.Misses
			switch w := i.Swap; {
			case tier == s.first: // a swap takes nothing from what tier 1 gains
				after := i.Trace.Len()
				if w != nil {
					after = w.From
				}
				p.add(n, hits, i.Before-after)
			case w != nil:
				p.add(n, hits-w.Hits, w.From-i.Trace.Len())
			default:
				p.add(n, 0, 0)
			}
		}
		slices.Sort(p.need)
		if k := len(p.need); k > 0 {
			p.Hits = p.need[(k-1)/2]
		}
		return p
	}
	if len(s.units) > 0 {
		s.Paid = append(s.Paid, units(s.units, s.first).Paid)
	}
	if len(s.searched) > 0 {
		s.Paid = append(s.Paid, units(s.searched, 2).Paid)
	}
	return nil
}
