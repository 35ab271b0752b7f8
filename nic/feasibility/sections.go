package feasibility

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"jitnic/nic/designs"
	"jitnic/nic/device"
	"jitnic/nic/device/load"
	"jitnic/nic/fit"
	"jitnic/nic/match"
	"jitnic/nic/price"
	"jitnic/nic/profile"
	"jitnic/nic/vliw"
	"jitnic/nic/workload"
)

// executors tells what traces and the whole program take on the device's core.
func (s *study) executors(raw, best *price.Prices) error {
	e := &s.Executors
	e.Kind, e.Lanes, e.Clock = string(s.n.Executor), s.n.Lanes, float64(s.n.Clock)/1000
	if p := s.opt.Static; p != nil {
		e.Program.Insns, e.Program.Bundles, e.Program.IPC = p.Insns, p.Bundles, p.IPC()
		e.Program.Schedule = p.Format(s.mapName)
	}
	e.Raw = s.traceCost(raw, price.Scalar(s.w, s.n, true))
	e.Best = e.Raw
	if s.Optimised {
		e.Best = s.traceCost(best, price.Scalar(s.w, s.n, false))
	}
	most, traces := -1, s.w.Traces()
	for i := range traces {
		if most < 0 || traces[i].Packets > traces[most].Packets {
			most = i
		}
	}
	e.SchedulePath = most
	if most < 0 {
		return nil
	}
	x, err := vliw.New(traces[most].Trace, price.Machine(s.w.Compiler, s.n))
	if err != nil {
		return fmt.Errorf("path %d: %w", most, err)
	}
	e.Schedule = x.Format(s.mapName)
	return nil
}

func (s *study) mapName(i int) string { return s.w.Maps[i].Name }

func (s *study) traceCost(p *price.Prices, scalar []uint32) TraceCost {
	var c TraceCost
	var packets float64
	traces := s.w.Traces()
	for i := range traces {
		in, cy, sc, n := float64(p.Insns[i]), float64(p.Cycles[i]), float64(scalar[i]), float64(traces[i].Packets)
		c.Insns += in
		c.Cycles += cy
		c.Scalar += sc
		c.PacketInsns += n * in
		c.PacketCycles += n * cy
		c.PacketScalar += n * sc
		if traces[i].Table == 0 { // of segments each packet has one there
			packets += n
		}
		c.LongestInsns, c.LongestCycles = max(c.LongestInsns, p.Insns[i]), max(c.LongestCycles, p.Cycles[i])
	}
	if c.Cycles > 0 {
		c.IPC = c.Insns / c.Cycles
	}
	if n := float64(len(traces)); n > 0 {
		c.Insns, c.Cycles, c.Scalar = c.Insns/n, c.Cycles/n, c.Scalar/n
	}
	if packets > 0 {
		c.PacketInsns, c.PacketCycles, c.PacketScalar = c.PacketInsns/packets, c.PacketCycles/packets, c.PacketScalar/packets
	}
	return c
}

// order is the run at the study's rate with flows kept in order, or not kept
// where the study keeps them.
func (s *study) order(c *costs) error {
	opt := s.options(c, device.Both)
	opt.Ordered = !opt.Ordered
	err := s.step("keeping flows in order", 0, 1)
	if err == nil {
		s.Ordered, err = s.device(c, opt, s.opt.Packets)
	}
	return err
}

// memory runs the four memory models, each with what the device takes then.
func (s *study) memory(c *costs) error {
	models := []profile.MemoryModel{profile.MemNIC, profile.MemHost, profile.MemShared, profile.MemReplicated}
	var rows []MemoryRow
	for i, m := range models {
		if err := s.step("memory model "+string(m), i, len(models)); err != nil {
			return err
		}
		n := c.n.Clone()
		n.Memory = m
		d, err := s.reprice(c, n, c.h, reachOf("memory.model")) // limits of maps hold for maps on the device
		if err != nil {
			return err
		}
		f, err := s.device(d, s.options(d, device.Both), s.opt.Packets)
		if err != nil {
			return err
		}
		rows = append(rows, MemoryRow{string(m), f})
	}
	s.Memory = rows
	return nil
}

// each does n independent things on the study's workers; the first error in
// order counts.
func (s *study) each(what string, n int, do func(i int) error) error {
	workers := s.opt.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	errs := make([]error, n)
	var wg sync.WaitGroup
	var mu sync.Mutex
	next, done := 0, 0
	for range min(workers, n) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				if i < n && s.opt.Progress != nil {
					s.opt.Progress(what, done, n)
				}
				mu.Unlock()
				if i >= n || s.ctx.Err() != nil {
					return
				}
				errs[i] = do(i)
				mu.Lock()
				done++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if err := s.ctx.Err(); err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// designs runs the competing designs and loads each as the study is loaded.
func (s *study) designs(c *costs) error {
	if err := s.step("other designs", 0, 1); err != nil {
		return err
	}
	set := &designs.Setting{W: s.w, NIC: s.n, Host: s.h, In: c.prices.In, Cache: c.cache, Program: s.program(c), Prefix: s.opt.Prefix}
	cmp, err := designs.Compare(set, nil)
	if err != nil {
		return err
	}
	loaded := make([]*Figures, len(cmp.Results))
	err = s.each("designs under load", len(cmp.Results), func(i int) error {
		d := cmp.Results[i]
		opt := s.options(c, device.Both)
		opt.Cache = d.Cache
		r, err := device.Run(d.Input, s.n, s.h, s.load(s.Rate, s.opt.Packets), opt)
		if err != nil {
			return fmt.Errorf("%s: %w", d.Design, err)
		}
		loaded[i] = run(d.Input, s.n, s.Rate, r)
		return nil
	})
	if err != nil {
		return err
	}
	s.Designs, s.Loaded = cmp, loaded
	return nil
}

// bench is the study's device under test at some prices, settled: RFC 2544,
// section 23, has learning frames sent before a trial.
func (s *study) bench(c *costs) *load.Bench {
	b := &load.Bench{Input: c.prices.In, NIC: c.n, Host: c.h, Load: s.load(0, s.opt.Packets), Options: s.options(c, device.Both), Workers: s.opt.Workers}
	if b.Workers == 0 {
		b.Workers = runtime.GOMAXPROCS(0)
	}
	return b
}

// curves are the answers to a rising load, mode by mode.
func (s *study) curves(c *costs) error {
	modes := load.AllModes()
	b := s.bench(c)
	var curves []Curve
	for i, m := range modes {
		if err := s.step("load curves", i, len(modes)); err != nil {
			return err
		}
		points, err := b.Sweep(s.ctx, []device.Mode{m}, s.opt.Rates)
		if err != nil {
			return err
		}
		curve := Curve{Mode: m.String()}
		for _, p := range points {
			f := figures(p.Result)
			f.BeyondWire = p.AboveLine
			curve.Points = append(curve.Points, f)
		}
		curves = append(curves, curve)
	}
	s.Curves = curves
	return nil
}

// throughput is RFC 2544's search, before and after superoptimization.
func (s *study) throughput(raw, best *costs) error {
	type search struct {
		c         *costs
		optimised bool
		modes     []device.Mode
	}
	searches := []search{{raw, false, load.AllModes()}}
	if s.Optimised {
		searches = append(searches, search{best, true, []device.Mode{device.NICOnly, device.Both}})
	}
	var out []Throughput
	for i, x := range searches {
		if err := s.step("searching the throughput", i, len(searches)); err != nil {
			return err
		}
		b := s.bench(x.c)
		b.Load.Arrivals, b.Load.Times, b.Load.Burst = device.Constant, nil, 0
		found, err := b.Throughputs(s.ctx, x.modes, 0)
		if err != nil {
			return err
		}
		for i := range found {
			out = append(out, throughputOf(&found[i], x.optimised))
		}
	}
	s.Throughput = out
	return nil
}

// forPackets says whether packets wait at a station, not traces.
func forPackets(station string) bool {
	return station != "compilers" && station != "install channel" && station != device.Searches
}

// throughputOf names what keeps a mode from more: the link, or the station that
// was busiest at the rate found.
func throughputOf(t *load.Throughput, optimised bool) Throughput {
	out := Throughput{Mode: t.Mode.String(), Optimised: optimised, Rate: t.Rate}
	if t.Result != nil {
		f := figures(t.Result)
		out.Mean, out.P99 = f.Mean, f.P99
		most, busiest, which := 0.0, Station{}, ""
		for _, st := range f.Stations {
			use, name := st.Utilisation, st.Name
			if !forPackets(name) {
				continue
			}
			if name == hostStation && f.Uneven > 1.05 { // one core is full before the others are
				use, name = use*f.Uneven, "the busiest host core"
			}
			if use > most {
				most, busiest, which = use, st, name
			}
		}
		if busiest.Name != "" {
			out.Bound = fmt.Sprintf("%s, %s busy", which, percent(min(most, 1)))
			if most < 0.9 { // on average: queues overflow while many packets come that take long, or for one core
				out.Bound = fmt.Sprintf("bursts within the capture; %s, %s busy on average", which, percent(most))
			}
		}
	}
	if r := t.Result; r != nil && r.Drops.NeedsHost == r.Packets {
		out.Rate, out.Mean, out.P99, out.Bound = 0, 0, 0, "all packets need the host"
		return out
	}
	switch {
	case t.Unlimited:
		out.Bound = "nothing: no limit found"
	case t.Line:
		out.Bound = "the link's rate"
	case t.Rate == 0:
		out.Bound = "some packets are lost at any rate"
	}
	return out
}

// placed are the maps that paths on the device use: those it takes by its own
// limits and by its matcher's.
func placed(w *workload.Workload, r *fit.Report, m *match.Costs) []bool {
	out := make([]bool, len(r.Maps))
	for i := range r.Paths {
		matched := !slices.ContainsFunc(w.Parts(i), func(p workload.Part) bool { return m.Paths[p.Segment].Refused != "" })
		if p := &r.Paths[i]; len(p.Blockers) == 0 && matched {
			for _, id := range p.Maps {
				out[id] = true
			}
		}
	}
	return out
}

// refused are the paths the device can't hold or run.
func refused(r *fit.Report) []bool {
	out := make([]bool, len(r.Paths))
	for i := range r.Paths {
		out[i] = len(r.Paths[i].Blockers) > 0
	}
	return out
}

// program prices whole programs, shape by shape, where the device runs them at
// all and has what the run needs: the blockers of a path that are not about
// traces hold for the whole program too.
func (s *study) program(c *costs) func(shape uint32) (uint32, bool) {
	if s.opt.Program == nil {
		return nil
	}
	blocked := make([]bool, len(s.w.Shapes))
	for i := range c.fit.Paths {
		for _, b := range c.fit.Paths[i].Blockers {
			switch c.fit.Blockers[b].Kind {
			case fit.KindTrace, fit.KindStore, fit.KindTables, fit.KindHeld:
			default:
				blocked[s.w.Paths[i].Shape] = true
			}
		}
	}
	large := s.n.Slots > 0 && s.opt.Static != nil && uint64(s.opt.Static.Insns) > s.n.Slots
	return func(shape uint32) (uint32, bool) {
		cycles, ok := s.opt.Program(shape)
		return cycles, ok && s.n.RunProgram == 1 && !blocked[shape] && !large
	}
}
