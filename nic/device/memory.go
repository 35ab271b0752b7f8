package device

import "jitnic/nic/profile"

// What crosses PCIe for one access to a map is what pcie-bench measured: 64 B,
// a cache line. A message that takes something out is one write of 8 B.
const (
	lineBytes    = 64
	messageBytes = 8
)

// tally is what is counted by time and not by packet.
type tally struct {
	memory Memory
	pcie   [2]Traffic
	order  Order
	comp   Compile
}

// The directions of PCIe.
const (
	up = iota
	down
)

// crossing is what one direction carries for one access.
type crossing struct {
	bytes uint64
	ser   int64
}

func (m *model) newCrossing(bytes uint64) crossing {
	return crossing{bytes, serial(bytes, m.nic.PCIeRate)}
}

// book sends n transfers in a direction and returns how long the first waited.
func (m *model) book(dir int, t int64, x crossing, n uint64, why Cause) int64 {
	if n == 0 {
		return 0
	}
	m.sum.pcie[dir][why] += n * x.bytes
	wait, _ := m.line[dir].book(t, int64(n)*x.ser)
	return wait
}

// fetch makes n reads one after the other, asked for in direction ask, and
// returns the stall: a crossing each, behind what the links had to do before.
func (m *model) fetch(side *Side, ask int, t int64, n uint64) int64 {
	if n == 0 {
		return 0
	}
	wait := m.book(ask, t, m.request, n, MapReads)
	wait += m.book(1-ask, t, m.data, n, MapReads)
	stall := wait + int64(n)*m.read
	side.Stalls += n
	side.Stall += stall
	return stall
}

// post makes n writes; nobody waits for them.
func (m *model) post(dir int, t int64, n uint64) { m.book(dir, t, m.data, n, MapWrites) }

// uses is how many accesses of each kind a packet makes.
type uses struct{ reads, writes uint16 }

// onNIC is the stall of a unit that begins packet p at t: its bytes are booked
// then.
func (m *model) onNIC(t int64, pkt uint32, path int32) int64 {
	side := &m.sum.memory.NIC
	if m.uses != nil {
		u := m.uses[pkt]
		side.Reads += uint64(u.reads)
		side.Writes += uint64(u.writes)
	}
	switch m.memory {
	case profile.MemHost:
		p := &m.in.Paths[path]
		stall := m.fetch(side, up, t, uint64(p.Reads))
		m.post(up, t, uint64(p.Writes))
		return stall
	case profile.MemReplicated:
		return m.copies(side, 0, up, t, pkt)
	}
	return 0
}

// inVain is the stall of a unit that begins packet p at t and runs segments of it up
// to one that isn't in, which make n accesses: reads alone, as writes are held back.
// The unit is done sooner than with onNIC, so what it fetches is.
func (m *model) inVain(t int64, pkt uint32, n int) int64 {
	side := &m.sum.memory.NIC
	p := &m.in.Packets[pkt]
	var reads, fetched uint64
	for _, a := range m.in.Accesses[p.First : p.First+uint32(n)] {
		if a.Write {
			continue
		}
		reads++
		switch {
		case m.memory == memHost:
			fetched++
		case m.memory == profile.MemReplicated && m.valid[a.Entry]&1 == 0:
			m.valid[a.Entry] |= 1
			fetched++
		}
	}
	side.Reads += reads
	return m.fetch(side, up, t, fetched)
}

// onHost is the stall of a core that begins packet p at t.
func (m *model) onHost(t int64, pkt uint32) int64 {
	if m.uses == nil {
		return 0
	}
	side := &m.sum.memory.Host
	u := m.uses[pkt]
	side.Reads += uint64(u.reads)
	side.Writes += uint64(u.writes)
	switch m.memory {
	case profile.MemNIC:
		stall := m.fetch(side, down, t, uint64(u.reads))
		m.post(down, t, uint64(u.writes))
		return stall
	case profile.MemReplicated:
		return m.copies(side, 1, down, t, pkt)
	}
	return 0
}

// copies runs a packet's accesses on copies of the entries: who is 0 for the
// NIC and 1 for the host, and dir where it sends to. At the start only the
// host's copies are valid. A read of a copy that is not fetches it; a write
// makes the own copy valid and takes the other out by a message, where it was
// in.
func (m *model) copies(side *Side, who uint8, dir int, t int64, pkt uint32) int64 {
	p := &m.in.Packets[pkt]
	own, other := uint8(1)<<who, uint8(2)>>who
	var reads, messages uint64
	for _, a := range m.in.Accesses[p.First : p.First+uint32(p.N)] {
		v := &m.valid[a.Entry]
		switch {
		case a.Write:
			if *v&other != 0 {
				messages++
			}
			*v = own
		case *v&own == 0:
			reads++
			*v |= own
		}
	}
	stall := m.fetch(side, dir, t, reads)
	side.Messages += messages
	m.book(dir, t, m.message, messages, Invalidations)
	return stall
}
