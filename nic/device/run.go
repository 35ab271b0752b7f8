package device

// stopEvery is after how many events Options.Stop is asked: some milliseconds.
const stopEvery = 1 << 16

// run is the loop: what happens next happens, until nothing does.
func (m *model) run() error {
	var t int64
	for n := 1; ; n++ {
		if n%stopEvery == 0 && m.opt.Stop != nil {
			if err := m.opt.Stop(); err != nil {
				return err
			}
		}
		k := 0
		at := m.next[0]
		for i := 1; i < events; i++ {
			if m.next[i] < at {
				at, k = m.next[i], i
			}
		}
		if k == evSearched && m.inside == 0 && m.next[evArrive] == never {
			m.unsearched(t)
			continue
		}
		if at == never {
			break
		}
		t = at
		switch k {
		case evInstalled:
			m.installed(t)
		case evCompiled:
			m.compiled(t)
		case evSearched:
			m.searched(t)
		case evCore:
			m.coreDone(t)
		case evUp:
			m.reached(t)
		case evBack:
			m.back(t)
		case evUnit:
			m.unitDone(t)
		case evMatched:
			m.matched(t)
		case evTake:
			if m.take(t) {
				m.g[gIngress].dec(t)
			}
		case evArrive:
			m.arrive(t)
		}
	}
	m.finish(t)
	return nil
}

// arrive is a packet fully received.
func (m *model) arrive(t int64) {
	seq, pkt := m.seq, m.pkt
	if seq == m.warm {
		m.mark(t)
	}
	if seq == m.warm+(m.count-m.warm)/2 {
		m.middle = m.backlog(t)
	}
	if seq == m.count-1 {
		m.last = m.shoot(t)
		m.final = m.backlog(t)
	}
	m.seq++
	m.pkt++
	if int(m.pkt) == len(m.in.Packets) {
		m.pkt = 0
		m.round++
	}
	if m.seq < m.count {
		m.arriving = m.src.next(false, int(m.pkt), m.round, m.wire[m.in.Packets[m.pkt].onWire()])
		m.next[evArrive] = m.arriving
	} else {
		m.next[evArrive] = never
	}
	if seq >= m.warm {
		m.offered[0]++
		m.offered[1] += uint64(m.in.Packets[pkt].Len)
		if g := len(m.res.Groups); g > 0 {
			m.res.Groups[int(pkt)%g].Packets++
		}
	}

	if m.opt.Mode == HostOnly {
		s := m.enterSlot(t, seq, pkt)
		m.sendUp(t, s)
		return
	}
	// A place is needed unless the matcher takes the packet at once.
	if uint64(m.ingress.n) >= m.nic.IngressQueue && (m.ingress.n > 0 || m.ready(t) > t) {
		if seq >= m.warm {
			m.res.Drops.Ingress++
		}
		return
	}
	s := m.enterSlot(t, seq, pkt)
	m.ingress.push(s)
	if m.ingress.n == 1 {
		m.next[evTake] = m.ready(t)
		if m.next[evTake] == t && m.take(t) {
			return
		}
	}
	m.g[gIngress].inc(t)
}

func (m *model) enterSlot(t int64, seq, pkt uint32) uint32 {
	s := m.slot()
	m.slots[s] = slot{arrival: t, since: t, seq: seq, pkt: pkt}
	if m.flows != nil {
		m.enter(s)
	}
	return s
}

// ready is when the matcher can take a packet, from t on.
func (m *model) ready(t int64) int64 {
	if m.blocked {
		return never
	}
	t = max(t, m.stallUntil)
	if m.interval == 0 {
		if m.pipe.n > 0 {
			return never
		}
		return t
	}
	return max(t, m.lastTake+m.interval)
}

func (m *model) planTake(t int64) {
	if m.ingress.n == 0 {
		m.next[evTake] = never
		return
	}
	m.next[evTake] = m.ready(t)
}

// disturb keeps the matcher from taking packets, behind what keeps it already.
func (m *model) disturb(t int64) {
	m.stallUntil = max(t, m.stallUntil) + m.stall
	m.sum.comp.Stall += m.stall
}

// take looks the first waiting packet up, in the table as it stands now. It
// reports false where the packet has to wait for messages in front of it.
func (m *model) take(t int64) bool {
	s := *m.ingress.first()
	sl := &m.slots[s]
	p := &m.in.Packets[sl.pkt]
	if len(m.in.Invalidations) > 0 && m.opt.Mode == Both && m.invalidate(t, uint64(sl.seq)) {
		// The messages come in front of the packet.
		if m.stallUntil > t {
			m.next[evTake] = m.ready(t)
			return false
		}
	}
	m.ingress.pop()
	m.wait[gIngress].add(t - sl.arrival)
	m.served[gIngress]++
	counted := sl.seq >= m.warm
	var latency int64
	if m.opt.Mode == NICOnly {
		sl.onNIC = p.Path >= 0 && !m.in.Paths[p.Path].Refused
		sl.lost = !sl.onNIC
	} else {
		out := m.look(t, s, p)
		if counted {
			m.res.Outcome[out]++
			if g := len(m.res.Groups); g > 0 {
				m.res.Groups[int(sl.pkt)%g].Outcome[out]++
			}
		}
	}
	if sl.onNIC || sl.fails > 0 {
		latency = m.match[p.Path]
	} else {
		latency = m.clock.ps(uint64(p.Miss))
	}
	m.lastTake = t
	at := t + latency
	if m.pipe.n > 0 {
		// They leave in the order they came.
		at = max(at, m.pipe.at(m.pipe.n-1).t)
	} else if !m.blocked {
		m.next[evMatched] = at
	}
	m.pipe.push(timed{at, s})
	m.g[gMatcher].inc(t)
	if m.interval > 0 {
		m.matching += m.interval
	}
	m.planTake(t)
	return true
}

// matched is the oldest packet of the matcher leaving it, if it can.
func (m *model) matched(t int64) {
	s := m.pipe.first().s
	sl := &m.slots[s]
	switch {
	case sl.lost:
		if sl.seq >= m.warm {
			m.res.Drops.NeedsHost++
		}
		m.done(t, s, lost)
	case !sl.onNIC && sl.fails == 0:
		m.sendUp(t, s)
	case len(m.units) < int(m.nic.Units):
		m.startUnit(t, s, t)
	case uint64(m.unitQ.n) < m.nic.UnitQueue:
		sl.since = t
		m.unitQ.push(s)
		m.g[gUnitQ].inc(t)
	default:
		m.blocked = true
		m.next[evMatched] = never
		m.next[evTake] = never
		return
	}
	m.pipe.pop()
	m.g[gMatcher].dec(t)
	m.blocked = false
	if m.pipe.n > 0 {
		m.next[evMatched] = max(t, m.pipe.first().t)
	} else {
		m.next[evMatched] = never
	}
	m.planTake(t)
}

// startUnit begins the trace of a packet that has been waiting for a unit.
func (m *model) startUnit(t int64, s uint32, since int64) {
	sl := &m.slots[s]
	p := &m.in.Packets[sl.pkt]
	m.wait[gUnitQ].add(t - since)
	m.served[gUnitQ]++
	end := t
	if sl.fails > 0 { // a later segment isn't in: those before it run in vain
		part := &m.in.Paths[p.Path].Parts[sl.fails]
		end += m.fail[p.Path][sl.fails] - m.quicker(p, int(sl.fails)) + m.inVain(t, sl.pkt, int(part.Accesses))
	} else if end += m.exec[p.Path] - m.quicker(p, m.parts(p)); m.memory == memHost || m.uses != nil {
		end += m.onNIC(t, sl.pkt, p.Path)
	}
	m.g[gUnits].inc(t)
	m.units.push(timer{end, sl.seq, s})
	m.next[evUnit] = m.units.next()
}

func (m *model) unitDone(t int64) {
	s := m.units.pop().id
	m.g[gUnits].dec(t)
	if m.unitQ.n > 0 {
		w := m.unitQ.pop()
		m.g[gUnitQ].dec(t)
		m.startUnit(t, w, m.slots[w].since)
	}
	m.next[evUnit] = m.units.next()
	if m.blocked {
		m.next[evMatched] = t
	}
	if !m.slots[s].onNIC {
		m.sendUp(t, s)
		return
	}
	switch m.in.Packets[m.slots[s].pkt].Fate {
	case Drop:
		m.done(t, s, verdictDrop)
	case Wire:
		m.done(t, s, toWire)
	case Up:
		m.sendUp(t, s)
	}
}

// sendUp begins a packet's way to its core. It needs a place in the core's
// ring from here on, as a device needs a descriptor before it can write.
func (m *model) sendUp(t int64, s uint32) {
	sl := &m.slots[s]
	p := &m.in.Packets[sl.pkt]
	sl.core = uint16(uint64(p.Queue) % m.host.Cores)
	c := &m.cores[sl.core]
	if c.used >= m.host.Queue {
		if sl.seq >= m.warm {
			m.res.Drops.Host++
			m.res.HostWork += m.driver
			if sl.onNIC {
				m.res.HostWork += m.pass
			} else {
				m.res.HostWork += int64(p.Host) // without the stalls that it would have had
			}
		}
		for _, j := range m.begun[s] {
			if !m.stale(j) {
				m.sum.comp.Lost++
				m.trace.Abandon(j.path)
			}
		}
		m.done(t, s, lost)
		return
	}
	c.used++
	m.sum.pcie[up][PacketsUp] += m.toHostBytes[p.Len]
	begin, end := m.line[up].put(t, m.toHost[p.Len], 0)
	m.wait[gUp].add(begin - t)
	m.served[gUp]++
	m.g[gUp].inc(t)
	m.upRing.push(timed{end + m.upWay, s})
	m.next[evUp] = m.upRing.first().t
}

// arrived takes the packet that is at a link's end out of those under way; ev is
// then due for the next one.
func (m *model) arrived(way *ring[timed], ev int) uint32 {
	s := way.pop().s
	m.next[ev] = never
	if way.n > 0 {
		m.next[ev] = way.first().t
	}
	return s
}

// reached is a packet that its core can see.
func (m *model) reached(t int64) {
	s := m.arrived(&m.upRing, evUp)
	m.g[gUp].dec(t)
	sl := &m.slots[s]
	c := &m.cores[sl.core]
	if c.busy {
		sl.since = t
		c.ring.push(s)
		m.g[gCoreQ].inc(t)
		return
	}
	m.startCore(t, s, t)
}

func (m *model) startCore(t int64, s uint32, since int64) {
	sl := &m.slots[s]
	c := &m.cores[sl.core]
	c.used--
	c.busy = true
	m.wait[gCoreQ].add(t - since)
	m.served[gCoreQ]++
	end := t + m.driver
	if sl.onNIC {
		end += m.pass // the verdict has been reached, only the stack is left
	} else {
		end += int64(m.in.Packets[sl.pkt].Host) + m.onHost(t, sl.pkt)
	}
	if sl.seq >= m.warm {
		c.work += end - t
	}
	m.g[gCores].inc(t)
	m.coreTimers.push(timer{end, sl.seq, s})
	m.next[evCore] = m.coreTimers.next()
}

func (m *model) coreDone(t int64) {
	s := m.coreTimers.pop().id
	m.g[gCores].dec(t)
	sl := &m.slots[s]
	c := &m.cores[sl.core]
	c.busy = false
	if c.ring.n > 0 {
		w := c.ring.pop()
		m.g[gCoreQ].dec(t)
		m.startCore(t, w, m.slots[w].since)
	}
	m.next[evCore] = m.coreTimers.next()
	begun := m.begun[s]
	m.verdict(t, s)
	behind := false
	for _, j := range begun { // after the packet: the installs' bytes don't go before it
		behind = behind || !m.made[j.path]
		m.recorded(t, j, behind)
	}
}

// verdict carries out what the host has decided on a packet.
func (m *model) verdict(t int64, s uint32) {
	sl := &m.slots[s]
	p := &m.in.Packets[sl.pkt]
	c := &m.cores[sl.core]
	switch p.Fate {
	case Drop:
		m.done(t, s, verdictDrop)
	case Up:
		m.done(t, s, toStack)
	case Wire:
		if c.out >= m.host.Queue {
			if sl.seq >= m.warm {
				m.res.Drops.Transmit++
			}
			m.done(t, s, lost)
			return
		}
		c.out++
		m.book(up, t, m.request, 1, PacketsBack)
		m.sum.pcie[down][PacketsBack] += m.toHostBytes[p.OutLen]
		begin, end := m.line[down].put(t, m.toHost[p.OutLen], 0)
		m.wait[gBack].add(begin - t)
		m.served[gBack]++
		m.g[gBack].inc(t)
		m.backRing.push(timed{end + m.read, s})
		m.next[evBack] = m.backRing.first().t
	}
}

// back is a packet that the host sends out, in the device again.
func (m *model) back(t int64) {
	s := m.arrived(&m.backRing, evBack)
	m.g[gBack].dec(t)
	m.cores[m.slots[s].core].out--
	m.done(t, s, toWire)
}

// leave is the end of a packet's way.
func (m *model) leave(t int64, s uint32, end ending) {
	sl := &m.slots[s]
	p := &m.in.Packets[sl.pkt]
	counted := sl.seq >= m.warm
	switch end {
	case lost:
		m.lostTime.add(t - sl.arrival)
		return
	case verdictDrop:
		if counted {
			m.res.Finished.Drop++
		}
		m.passed[0]++
	case toStack:
		if counted {
			m.res.Finished.Up++
		}
		m.passed[0]++
		m.passed[1] += uint64(p.OutLen)
		m.exited(sl.seq, sl.pkt, true)
	case toWire:
		l := &m.line[port]
		l.drain(t)
		if l.free > t && uint64(l.waiting.n) >= m.nic.EgressQueue {
			if counted {
				m.res.Drops.Egress++
			}
			m.lostTime.add(t - sl.arrival)
			return
		}
		begin, through := l.put(t, max(m.wire[p.OutLen], m.sending), uint32(p.OutLen))
		m.wait[gEgress].add(begin - t)
		m.served[gEgress]++
		if counted {
			m.res.Finished.Wire++
		}
		m.passed[0]++
		m.passed[1] += uint64(p.OutLen)
		m.exited(sl.seq, sl.pkt, false)
		t = through
	}
	if counted {
		k := 0
		if sl.onNIC {
			k = 1
		}
		m.lat[k].add(t - sl.arrival)
		if g := len(m.res.Groups); g > 0 {
			x := &m.res.Groups[int(sl.pkt)%g]
			x.Finished++
			x.Latency += float64(t - sl.arrival)
		}
	}
}
