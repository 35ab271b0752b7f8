package device

// Tier 2 makes the trace of a path that hits often better while it goes on being
// hit (Input.Hot). Compilers search such traces one after the other when no path
// waits for them: a search stops where it is as long as a new path needs the
// compiler. A better trace that was found goes over the install channel as an
// install does, and takes the place of the other at its end: that is no install
// and no miss, but the entry is of another size from then on.

// Better is what tier 2 makes of a path's trace.
type Better struct {
	Search  uint64 // ps of a compiler; 0: the trace isn't searched
	Slots   uint32 // of its entry; 0: no better trace was found
	Exec    uint32 // cycles, as Path.Exec
	Install uint64 // ps of the install channel
	Bytes   uint32 // over PCIe for that
}

// tiered is how far a path's trace is.
type tiered struct {
	hits   uint64
	gen    uint32 // of the trace the host has: what was begun for an older one is stale
	ready  bool   // the host has the better trace
	in     bool   // which is the one that is installed
	moving bool   // it is on the install channel, or waits for it
}

// search is one of a hot trace.
type search struct {
	path, gen uint32
	since     int64 // when the trace became hot
	left      int64 // ps
}

// quicker is what the better traces among a packet's first k are shorter, in ps.
func (m *model) quicker(p *Packet, k int) (less int64) {
	for i := range k {
		less += m.less[m.part(p, i)]
	}
	return less
}

// hotHit counts a hit of a path, on the trace as it is installed.
func (m *model) hotHit(t int64, path uint32) {
	x := &m.tier[path]
	p := &m.traces[path]
	switch x.hits++; {
	case x.hits == m.in.Hot && p.Better.Search > 0:
		m.sum.comp.Hot++
		m.progress(t)
		m.searches = append(m.searches, search{path, x.gen, t, int64(p.Better.Search)})
		m.plan(t)
	case x.in:
		if y := &m.betterPay[path]; y.After < 0 {
			if y.Saved += m.gain(path); y.Saved >= y.Spent {
				y.After = t - m.pay[path].First
			}
		}
	case x.ready && !x.moving:
		m.swap(t, path)
	}
}

// gain is the time a hit is shorter with the better trace, in ps.
func (m *model) gain(path uint32) int64 {
	p := &m.traces[path]
	return m.clock.ps(uint64(p.Exec)) - m.clock.ps(uint64(p.Better.Exec))
}

// running is how many of the searches compilers work on, the first ones.
func (m *model) running() int {
	return min(len(m.searches), int(m.host.Compilers)-len(m.compilers))
}

// progress brings the searches up to date; it comes before whatever changes how
// many compilers are free.
func (m *model) progress(t int64) {
	for i := range m.running() {
		m.searches[i].left -= t - m.searchedTo
	}
	m.searchedTo = t
}

// plan says when a search ends next.
func (m *model) plan(t int64) {
	n := m.running()
	m.g[gSearches].set(t, int64(n))
	m.g[gSearchQ].set(t, int64(len(m.searches)-n))
	m.next[evSearched] = never
	for i := range n {
		m.next[evSearched] = min(m.next[evSearched], t+m.searches[i].left)
	}
}

// searched is a search at its end.
func (m *model) searched(t int64) {
	m.progress(t)
	for i := range m.running() {
		s := m.searches[i]
		if s.left > 0 {
			continue
		}
		m.drop(t, i)
		m.sum.comp.Searched++
		x, p := &m.tier[s.path], &m.traces[s.path]
		y := &m.betterPay[s.path]
		y.First = m.pay[s.path].First
		y.Spent += int64(p.Better.Search)
		if x.ready = p.Better.Slots > 0; x.ready {
			m.sum.comp.Found++
			m.swap(t, s.path)
		}
		break
	}
	m.plan(t)
}

// drop takes search i out; it has waited for whatever it wasn't worked on.
func (m *model) drop(t int64, i int) {
	s := m.searches[i]
	m.searches = append(m.searches[:i], m.searches[i+1:]...)
	m.wait[gSearchQ].add(t - s.since - (int64(m.traces[s.path].Better.Search) - s.left))
	m.served[gSearchQ]++
}

// unsearched ends all searches: no packet is left that could hit.
func (m *model) unsearched(t int64) {
	m.progress(t)
	m.sum.comp.Unfinished += uint64(len(m.searches))
	for len(m.searches) > 0 {
		m.drop(t, 0)
	}
	m.plan(t)
}

// swap gives the better trace of a path that is installed to the install channel. Of
// one that isn't, the next install is of the better trace; one that finds no place
// in the channel's queue is sent when the path is hit again.
func (m *model) swap(t int64, path uint32) {
	x := &m.tier[path]
	if m.trace.Installed(path) && !(m.installing && uint64(m.installQ.n) >= m.nic.InstallQueue) {
		x.moving = true
		m.send(t, job{path: path, gen: x.gen, better: true, swap: true})
	}
}

// swapped is a better trace through the install channel.
func (m *model) swapped(t int64, path uint32) {
	x := &m.tier[path]
	x.moving = false
	if !m.trace.Installed(path) { // evicted meanwhile
		return
	}
	m.sum.comp.Swapped++
	m.holds(path, true)
	m.trace.Resize(path, m.traces[path].Better.Slots)
	m.disturb(t)
	m.planTake(t)
}

// holds says which of a trace's forms the device has.
func (m *model) holds(path uint32, better bool) {
	m.tier[path].in = better
	if m.less[path] = 0; better {
		m.less[path] = m.gain(path)
	}
}

// size is that of the trace which the host has of a path.
func (m *model) size(path uint32) uint32 {
	if m.tier[path].ready {
		return m.traces[path].Better.Slots
	}
	return m.traces[path].Slots
}

// outdated is a path whose traces are no more: what they were made from has changed.
func (m *model) outdated(t int64, path uint32) {
	x := &m.tier[path]
	*x = tiered{gen: x.gen + 1}
	m.holds(path, false)
	m.progress(t)
	for i := range m.searches {
		if m.searches[i].path == path {
			m.drop(t, i)
			m.sum.comp.Unfinished++
			break
		}
	}
	m.plan(t)
}

// settledHit is hotHit before time begins: the better trace of what is hot is there
// at once.
func (m *model) settledHit(path uint32) {
	x := &m.tier[path]
	p := &m.traces[path]
	if x.hits++; x.hits == m.in.Hot && p.Better.Search > 0 && p.Better.Slots > 0 {
		x.ready = true
		m.holds(path, true)
		m.trace.Resize(path, p.Better.Slots)
	}
}

// Searches is the station of hot traces: what waits there and what is searched.
const Searches = "hot traces"
