package device

import "jitnic/cache"

// finish makes what is left to make when all work is done.
func (m *model) finish(t int64) {
	if m.opt.Mode == Both && len(m.in.Invalidations) > 0 && m.count > 0 {
		m.invalidate(t, uint64(m.count)-1)
		if (int(m.count)+m.first)%len(m.in.Packets) == 0 {
			for _, v := range m.in.Invalidations[m.invalid:] { // behind the last packet
				m.takeOut(t, v.ID)
			}
		}
	}
	m.end = m.shoot(m.over(t))
}

// over is when the last bit is out, all work being done at t.
func (m *model) over(t int64) int64 {
	for i := range m.line {
		t = max(t, m.line[i].free)
	}
	return t
}

// result is the model's state as a Result.
func (m *model) result() *Result {
	r := &m.res
	from, to, end := &m.begin, &m.last, &m.end
	if to.t <= from.t {
		to = end
	}
	window := float64(to.t - from.t)
	r.Mode, r.Pays, r.Better = m.opt.Mode, m.pay, m.betterPay
	r.Window = to.t - from.t
	r.Packets, r.Bytes = m.offered[0], m.offered[1]
	if m.trace != nil {
		r.Cache = m.trace.Stats()
	}

	r.HitLatency, r.MissLatency = m.lat[1].latency(), m.lat[0].latency()
	var all histogram
	all.merge(&m.lat[0])
	all.merge(&m.lat[1])
	r.Latency = all.latency()

	// What comes and what goes are of the same packets and over the same time,
	// that of their arrivals: so much a second is a packet's share of the rate.
	if n := r.Packets; n > 1 && m.last.t > m.begin.t {
		r.Offered = float64(n-1) * second / window
		each := r.Offered / float64(n)
		r.OfferedBit = float64(r.Bytes) * 8 * each
		r.Throughput = float64(r.Finished.Total()) * each
		r.Bit = 8 * float64(end.passed[1]-from.passed[1]) * each
	} else if window > 0 { // a packet, or packets that come at once: what the device takes for them
		r.Throughput = float64(r.Finished.Total()) * second / window
		r.Bit = 8 * float64(end.passed[1]-from.passed[1]) * second / window
	}

	mean := func(g int) float64 { return ratio(to.g[g].since(&from.g[g]), window) }
	station := func(name string, servers uint64, queue, work int) Station {
		s := Station{Name: name, Servers: servers, Served: end.served[queue] - from.served[queue], MaxQueue: end.g[queue].max}
		s.MeanQueue = mean(queue)
		s.Utilisation = ratio(mean(work), float64(servers))
		s.MeanWait = ratio(end.wait[queue].float()-from.wait[queue].float(), float64(s.Served))
		return s
	}
	link := func(name string, line, way int) Station {
		s := Station{Name: name, Servers: 1, Served: end.served[way] - from.served[way], MaxQueue: end.q[line].max}
		s.MeanQueue = ratio(to.q[line].since(&from.q[line]), window)
		s.Utilisation = ratio(float64(to.busy[line]-from.busy[line]), window)
		s.MeanWait = ratio(end.wait[way].float()-from.wait[way].float(), float64(s.Served))
		return s
	}
	matcher := station("matcher", 1, gIngress, gMatcher)
	if m.interval > 0 {
		matcher.Utilisation = ratio(float64(to.matching-from.matching), window)
	}
	r.Stations = []Station{
		matcher,
		station("units", m.nic.Units, gUnitQ, gUnits),
		link("pcie up", up, gUp),
		station("host cores", m.host.Cores, gCoreQ, gCores),
		link("pcie down", down, gBack),
		link("port", port, gEgress),
		station("compilers", m.host.Compilers, gCompileQ, gCompilers),
		station("install channel", 1, gInstallQ, gInstall),
	}
	if m.in.Hot > 0 {
		r.Stations = append(r.Stations, station(Searches, m.host.Compilers, gSearchQ, gSearches))
	}
	r.Growth = m.final - m.middle
	r.Cores = mean(gCores)
	var sum, most int64
	for i := range m.cores {
		sum += m.cores[i].work
		most = max(most, m.cores[i].work)
	}
	r.HostWork += sum
	r.Uneven = ratio(float64(most)*float64(len(m.cores)), float64(sum))
	r.HostBusy = int64(to.g[gCores].since(&from.g[gCores]))

	r.Memory = Memory{side(end.tally.memory.NIC, from.tally.memory.NIC), side(end.tally.memory.Host, from.tally.memory.Host)}
	for c := range Causes {
		r.PCIeUp[c] = end.tally.pcie[up][c] - from.tally.pcie[up][c]
		r.PCIeDown[c] = end.tally.pcie[down][c] - from.tally.pcie[down][c]
	}
	a, b := end.tally.comp, from.tally.comp
	r.Compile = Compile{
		Begun: a.Begun - b.Begun, Made: a.Made - b.Made, Installed: a.Installed - b.Installed, Refused: a.Refused - b.Refused,
		Lost: a.Lost - b.Lost, NoWorker: a.NoWorker - b.NoWorker, NoChannel: a.NoChannel - b.NoChannel,
		Stopped: a.Stopped - b.Stopped, Evicted: a.Evicted - b.Evicted, Dropped: a.Dropped - b.Dropped,
		Hot: a.Hot - b.Hot, Searched: a.Searched - b.Searched, Unfinished: a.Unfinished - b.Unfinished, Found: a.Found - b.Found, Swapped: a.Swapped - b.Swapped,
		Stall: a.Stall - b.Stall,
	}
	o := end.tally.order
	r.Order = Order{
		Reordered: o.Reordered, Extent: m.extent(),
		Held: o.Held - from.tally.order.Held, HoldTime: o.HoldTime - from.tally.order.HoldTime,
		PeakHeld: end.g[gHeld].max,
	}
	return r
}

func side(a, b Side) Side {
	return Side{a.Reads - b.Reads, a.Writes - b.Writes, a.Stalls - b.Stalls, a.Stall - b.Stall, a.Messages - b.Messages}
}

// ratio is a/b, and 0 where there is nothing to divide by.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// HitRatio is the share of packets looked up that hit; 0 where none was.
func (r *Result) HitRatio() float64 {
	return ratio(float64(r.Outcome[cache.Hit]), float64(r.Outcome.Total()))
}

// Loss is the share of packets offered that was lost.
func (r *Result) Loss() float64 { return ratio(float64(r.Drops.Total()), float64(r.Packets)) }
