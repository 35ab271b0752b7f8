package device

import (
	"jitnic/cache"
	"jitnic/nic/profile"
)

const memHost = profile.MemHost

// saved is what a packet takes a host core less where it hits, in ps.
func (m *model) saved(p *Packet) int64 {
	whole := m.driver + int64(p.Host)
	if p.Fate == Up {
		return max(0, whole-m.driver-m.pass)
	}
	return whole
}

// paid notes at a hit whether the traces it ran have saved by now what they cost. What
// a packet saves counts for its segments in equal parts.
func (m *model) paid(t int64, p *Packet) {
	k := int64(m.parts(p))
	left := m.saved(p)
	for i := range k {
		won := left / (k - i)
		left -= won
		if y := &m.pay[m.part(p, int(i))]; y.After < 0 {
			if y.Saved += won; y.Saved >= y.Spent {
				y.After = t - y.First
			}
		}
	}
}

// parts is how many traces a packet runs, and part the k'th of them.
func (m *model) parts(p *Packet) int { return max(len(m.in.Paths[p.Path].Parts), 1) }

func (m *model) part(p *Packet, k int) uint32 {
	if parts := m.in.Paths[p.Path].Parts; parts != nil {
		return parts[k].Segment
	}
	return uint32(p.Path)
}

// unfit is the part of a refused path at which the device finds that it can't go on:
// the first that isn't in, else the last.
func (m *model) unfit(p *Packet) uint8 {
	last := 0
	if p.Path >= 0 {
		last = m.parts(p) - 1
		for k := range last {
			if !m.trace.Installed(m.part(p, k)) {
				return uint8(k)
			}
		}
	}
	return uint8(last)
}

// look asks the trace cache for a packet, for each of its segments where paths are
// cut, and notes in its slot what follows. The packet's outcome is that of its first
// trace that isn't in.
func (m *model) look(t int64, s uint32, p *Packet) cache.Outcome {
	sl := &m.slots[s]
	if p.Path < 0 || m.in.Paths[p.Path].Refused {
		sl.fails = m.unfit(p)
		return m.trace.Uncacheable()
	}
	first := cache.Hit
	for k := range m.parts(p) {
		id := m.part(p, k)
		out := m.trace.Request(id, m.size(id), m.traces[id].Cost)
		if y := &m.pay[id]; y.First < 0 {
			y.First = t
		}
		if out == cache.Hit {
			if m.in.Hot > 0 {
				m.hotHit(t, id)
			}
			continue
		}
		if first == cache.Hit {
			first, sl.fails = out, uint8(k)
		}
		if out != cache.InFlight && m.trace.InFlight(id) { // it began
			m.sum.comp.Begun++
			m.gen[id]++
			m.begun[s] = append(m.begun[s], job{path: id, gen: m.gen[id]})
		}
	}
	if first == cache.Hit {
		sl.onNIC = true
		m.paid(t, p)
	}
	return first
}

// settle lets the packets pass the trace cache so many times without a device:
// nothing takes time, each install is done at once.
func (m *model) settle(passes int) {
	for range passes {
		gone := m.in.Invalidations
		for i := range m.in.Packets {
			for len(gone) > 0 && gone[0].At <= uint64(i) {
				m.forget(gone[0].ID)
				gone = gone[1:]
			}
			p := &m.in.Packets[i]
			if p.Path < 0 || m.in.Paths[p.Path].Refused {
				m.trace.Uncacheable()
				continue
			}
			for k := range m.parts(p) {
				id := m.part(p, k)
				if m.trace.Request(id, m.size(id), m.traces[id].Cost) == cache.Hit && m.in.Hot > 0 {
					m.settledHit(id)
				}
			}
			for k := range m.parts(p) { // when all have been asked for, as on the device
				if id := m.part(p, k); m.trace.InFlight(id) {
					m.trace.Finish(id)
					m.made[id] = true
				}
			}
		}
		for _, v := range gone {
			m.forget(v.ID)
		}
	}
}

// forget is an invalidation before time begins.
func (m *model) forget(path uint32) {
	m.trace.Invalidate(path)
	m.made[path] = false
	m.outdated(0, path)
}

// invalidate takes out what packet seq must not find, and reports whether a
// message had to be sent for it. What is still being compiled needs none.
func (m *model) invalidate(t int64, seq uint64) (sent bool) {
	all := m.in.Invalidations
	for {
		if m.invalid == len(all) {
			if seq < m.invalidBase+uint64(len(m.in.Packets)) {
				return sent
			}
			m.invalid = 0
			m.invalidBase += uint64(len(m.in.Packets))
		}
		v := all[m.invalid]
		if v.At+m.invalidBase > seq {
			return sent
		}
		m.invalid++
		if m.takeOut(t, v.ID) {
			sent = true
		}
	}
}

// takeOut invalidates one path.
func (m *model) takeOut(t int64, path uint32) (sent bool) {
	m.made[path] = false // what it was made from has changed
	m.outdated(t, path)
	inside := m.trace.Installed(path)
	if !m.trace.Invalidate(path) {
		return false
	}
	if !inside {
		m.sum.comp.Stopped++
		m.gen[path]++ // its job is stale
		return false
	}
	m.sum.comp.Dropped++
	m.book(down, t, m.message, 1, Invalidations)
	m.disturb(t)
	return true
}

func (m *model) stale(j job) bool {
	if j.swap {
		return m.tier[j.path].gen != j.gen
	}
	return m.gen[j.path] != j.gen
}

// recorded is a path that the host has run, and whose install may go on: it
// compiles, or, where its trace was made before and is still good, goes to the
// install channel. A segment that is made already stays behind those before it in
// its chain that aren't: the compilers hand it on, in no time.
func (m *model) recorded(t int64, j job, behind bool) {
	switch {
	case m.stale(j):
	case m.made[j.path] && !behind:
		m.send(t, j)
	case len(m.compilers) < int(m.host.Compilers):
		m.compile(t, j, t)
	case uint64(m.compileQ.n) < m.host.CompileQueue:
		m.compileQ.push(j)
		m.compileSince.push(t)
		m.g[gCompileQ].inc(t)
	default:
		m.sum.comp.NoWorker++
		m.trace.Abandon(j.path)
	}
}

func (m *model) compile(t int64, j job, since int64) {
	m.wait[gCompileQ].add(t - since)
	m.served[gCompileQ]++
	m.progress(t)
	m.g[gCompilers].inc(t)
	id := uint32(len(m.jobs))
	if n := len(m.freeJobs); n > 0 {
		id = m.freeJobs[n-1]
		m.freeJobs = m.freeJobs[:n-1]
		m.jobs[id] = j
	} else {
		m.jobs = append(m.jobs, j)
	}
	m.jobSeq++
	takes := int64(0)
	if !m.made[j.path] {
		takes = int64(m.traces[j.path].Compile)
	}
	m.pay[j.path].Spent += takes
	m.compilers.push(timer{t + takes, m.jobSeq, id})
	m.next[evCompiled] = m.compilers.next()
	m.plan(t)
}

// compiled is a trace made; it goes to the install channel.
func (m *model) compiled(t int64) {
	m.progress(t)
	id := m.compilers.pop().id
	j := m.jobs[id]
	m.freeJobs = append(m.freeJobs, id)
	m.g[gCompilers].dec(t)
	for m.compileQ.n > 0 && len(m.compilers) < int(m.host.Compilers) {
		w, since := m.compileQ.pop(), m.compileSince.pop()
		m.g[gCompileQ].dec(t)
		if !m.stale(w) {
			m.compile(t, w, since)
		}
	}
	m.next[evCompiled] = m.compilers.next()
	m.plan(t)
	if !m.stale(j) {
		if !m.made[j.path] {
			m.made[j.path] = true
			m.sum.comp.Made++
		}
		m.send(t, j)
	}
}

// send gives a trace to the install channel: the best the host has.
func (m *model) send(t int64, j job) {
	if !j.swap && m.tier[j.path].ready {
		j.better = true
		m.trace.Resize(j.path, m.traces[j.path].Better.Slots) // it may have been found meanwhile
	}
	switch {
	case !m.installing:
		m.begins(t, j, t)
	case uint64(m.installQ.n) < m.nic.InstallQueue:
		m.installQ.push(j)
		m.installSince.push(t)
		m.g[gInstallQ].inc(t)
	default:
		m.sum.comp.NoChannel++
		m.trace.Abandon(j.path)
	}
}

// begins sends a trace over the install channel, not sooner after the one
// before than the channel's rate allows. It takes the path's time, or longer
// where PCIe, which carries its bytes from t on, has not brought them by then.
func (m *model) begins(t int64, j job, since int64) {
	m.wait[gInstallQ].add(t - since)
	m.served[gInstallQ]++
	m.g[gInstall].inc(t)
	start := max(t, m.lastInstall+m.installGap)
	m.lastInstall = start
	x, takes := m.install[j.path], m.traces[j.path].Install
	if j.better {
		b := &m.traces[j.path].Better
		x, takes = m.newCrossing(onLink(uint64(b.Bytes), m.nic)), b.Install
	}
	m.sum.pcie[down][Installs] += x.bytes
	_, through := m.line[down].book(t, x.ser)
	m.installing = true
	m.installJob = j
	m.next[evInstalled] = max(through, start+int64(takes))
}

// installed is a trace going in, unless it has become stale under way or the
// policy does not take it.
func (m *model) installed(t int64) {
	j := m.installJob
	m.installing = false
	m.g[gInstall].dec(t)
	m.next[evInstalled] = never
	switch {
	case m.stale(j):
	case j.swap:
		m.swapped(t, j.path)
	default:
		m.trace.Finish(j.path)
		if m.trace.Installed(j.path) {
			m.sum.comp.Installed++
			m.holds(j.path, j.better)
			m.disturb(t)
			m.planTake(t)
		} else {
			m.sum.comp.Refused++
		}
	}
	for m.installQ.n > 0 && !m.installing {
		w, since := m.installQ.pop(), m.installSince.pop()
		m.g[gInstallQ].dec(t)
		if !m.stale(w) {
			m.begins(t, w, since)
		}
	}
}
