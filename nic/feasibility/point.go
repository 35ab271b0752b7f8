package feasibility

import (
	"jitnic/cache"
	"jitnic/nic/device"
	"jitnic/nic/fit"
	"jitnic/nic/match"
	"jitnic/nic/price"
	"jitnic/nic/profile"
)

// costs are a workload's prices on one device and host.
type costs struct {
	n      *profile.NIC
	h      *profile.Host
	fit    *fit.Report
	match  *match.Costs
	prices *price.Prices
	cache  cache.Config // with the device's budget where none was asked for
	says   string       // what that is
}

func (s *study) cost(n *profile.NIC, h *profile.Host, raw bool) (*costs, error) {
	c := &costs{n: n, h: h}
	var err error
	c.fit = fit.Check(s.w, n)
	if c.match, err = s.x.Costs(s.trees, n); err != nil {
		return nil, err
	}
	c.prices, err = price.Build(s.w, n, h, price.Parts{Match: c.match, Refused: refused(c.fit), Placed: placed(s.w, c.fit, c.match), Raw: raw})
	if err != nil {
		return nil, err
	}
	c.cache, c.says = s.budget(c)
	return c, nil
}

// burst is how many packets come back to back where the load is in bursts:
// what a sender usually hands to its device at once.
const burst = 32

// load is the offered load of a run.
func (s *study) load(rate uint64, packets int) device.Load {
	l := device.Load{Arrivals: s.opt.Arrivals, Rate: rate, Packets: packets, Seed: s.opt.Seed}
	switch l.Arrivals {
	case device.Capture:
		l.Times = s.w.Time
	case device.Burst:
		l.Burst = burst
	}
	return l
}

// options are those of a run in a mode: settled, with the study's cache.
func (s *study) options(c *costs, mode device.Mode) device.Options {
	return device.Options{Mode: mode, Cache: c.cache, Ordered: s.opt.Ordered, Remote: s.opt.Remote, Settle: 1, Stop: s.ctx.Err}
}

// device runs the model once at the study's rate.
func (s *study) device(c *costs, opt device.Options, packets int) (*Figures, error) {
	return s.loaded(c, s.load(s.Rate, packets), opt)
}

// loaded runs the model once under a load.
func (s *study) loaded(c *costs, l device.Load, opt device.Options) (*Figures, error) {
	_, f, err := s.result(c, l, opt)
	return f, err
}

// result is loaded, with all that the model tells beside the figures.
func (s *study) result(c *costs, l device.Load, opt device.Options) (*device.Result, *Figures, error) {
	r, err := device.Run(c.prices.In, c.n, c.h, l, opt)
	if err != nil {
		return nil, nil, err
	}
	return r, run(c.prices.In, c.n, l.Rate, r), nil
}

// point is the run at the study's rate, in all modes, and the same from a cold
// cache.
func (s *study) point(raw, c *costs) (*outcome, error) {
	cold := s.options(c, device.Both)
	cold.Settle = 0
	var got []*Figures
	for i, opt := range []device.Options{s.options(c, device.Both), s.options(c, device.HostOnly), s.options(c, device.NICOnly), cold} {
		if err := s.step("running "+opt.Mode.String(), i, 4); err != nil {
			return nil, err
		}
		r, f, err := s.result(c, s.load(s.Rate, s.opt.Packets), opt)
		if err != nil {
			return nil, err
		}
		got = append(got, f)
		if opt.Settle == 0 {
			s.Pays = s.pays(r, raw.prices, c.prices)
		}
	}
	s.Point, s.Cold = got[:3], got[3]
	return s.outcome(c, s.Point[0], s.Point[1]), nil
}

// outcome judges a pair of runs.
func (s *study) outcome(c *costs, both, host *Figures) *outcome {
	o := &outcome{Both: both, Host: host, Servers: c.h.Cores}
	in := c.prices.In
	var n, core, reads [2]float64 // of packets that the device can take, and of the rest
	var hit float64
	for i := range in.Packets {
		p := &in.Packets[i]
		k := 0
		if p.Path < 0 || in.Paths[p.Path].Refused {
			k = 1
		} else if p.Fate == device.Up {
			hit += float64(c.h.Driver + c.h.Pass)
		}
		n[k]++
		core[k] += float64(c.h.Driver+uint64(p.Host)) / 1000
		for _, a := range in.Accesses[p.First : p.First+uint32(p.N)] {
			if !a.Write {
				reads[k]++
			}
		}
	}
	o.Offload = n[0] / (n[0] + n[1])
	compile := meanCompile(in)
	if n := both.Packets - both.Ingress; n > 0 {
		// No more than there are compilers: what waits for them misses, which
		// the run has counted already.
		o.CompileCores = min(compile*float64(both.Made)/float64(n)*both.Offered/1e9, float64(c.h.Compilers))
	}
	// A read of a core that reaches across PCIe takes what it took in the run.
	stall := 0.0
	if m := both.Memory; m != nil && m.HostReads > 0 {
		stall = m.StallHost * float64(both.Packets) / float64(m.HostReads)
	} else if c.n.Memory == profile.MemNIC {
		stall = float64(c.n.PCIeRead + numa(c.n, s.opt.Remote))
	}
	e := &o.Even
	e.Share = o.Offload
	if looked, can := lookedUp(both); looked > 0 { // the last round of the capture may not be whole
		e.Share = can / looked
	}
	for k := range n {
		n[k] = max(n[k], 1)
	}
	e.HostCore, e.MissCore, e.HitCore = core[0]/n[0], (core[0]+reads[0]*stall)/n[0], hit/n[0]/1000
	e.RestHost, e.Rest = core[1]/n[1], (core[1]+reads[1]*stall)/n[1]
	// Where the run lost nothing and has misses enough, a miss costs what it cost
	// there: paths that miss may be longer than others.
	if left := e.Share - both.HitRatio; left > 0.01 && both.Loss == 0 && both.CoresNeeded > 0 {
		e.MissCore = max(both.CoresNeeded*1e9/both.Offered-both.HitRatio*e.HitCore-(1-e.Share)*e.Rest, 0) / left
	}
	e.Compile = compile * perMiss(both)
	rest, restHost := (1-e.Share)*e.Rest, (1-e.Share)*e.RestHost
	e.Cores = breakEven(e.Share*(e.MissCore+e.Compile)+rest, e.Share*e.HitCore+rest, e.Share*e.HostCore+restHost, e.Share)
	e.MissLatency, e.HitLatency, e.HostLatency = both.MissMean, both.HitMean, host.Mean
	if e.MissLatency == 0 { // nothing missed: as on the host alone, the matcher asked in vain
		e.MissLatency = host.Mean + 1e6*float64(c.match.Miss)/float64(c.n.Clock)
	}
	if e.HitLatency > 0 {
		e.Latency = breakEven(e.MissLatency, (1-e.Share)*e.MissLatency+e.Share*e.HitLatency, e.HostLatency, e.Share)
	} else { // nothing hit
		e.Latency = never
	}
	return o
}

// meanCompile is what a trace takes a compiler, in ns, on average over those that
// the device takes.
func meanCompile(in *device.Input) float64 {
	var sum, n float64
	for i, traces := 0, in.Traces(); i < len(traces); i++ {
		if !traces[i].Refused {
			sum += float64(traces[i].Compile)
			n++
		}
	}
	return sum / max(n, 1) / 1000
}

// lookedUp is how many packets of a run were looked up, and how many of these
// the device can take.
func lookedUp(f *Figures) (all, can float64) {
	for _, n := range f.Outcomes {
		all += float64(n)
	}
	return all, all - float64(f.Outcomes[cache.Uncacheable.String()])
}

// perMiss is how many traces a run makes for each miss of a packet that the
// device can take.
func perMiss(f *Figures) float64 {
	_, can := lookedUp(f)
	return float64(f.Made) / max(can-float64(f.Outcomes[cache.Hit.String()]), 1)
}

// numa is what the model adds to each crossing for memory on the other socket.
func numa(n *profile.NIC, remote bool) uint64 {
	if remote && n.PCIeNUMA == 0 {
		return device.RemoteNUMA
	}
	return n.PCIeNUMA
}
