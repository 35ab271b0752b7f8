package device

// flowLink is the packets of a flow that are in the device, in the order they
// were taken in: the slots of the first and last, -1 where there are none.
type flowLink struct{ first, last int32 }

// enter puts a packet at the end of its flow (Ordered).
func (m *model) enter(s uint32) {
	sl := &m.slots[s]
	sl.next = -1
	f := &m.flows[m.in.Packets[sl.pkt].Flow]
	if f.first < 0 {
		f.first = int32(s)
	} else {
		m.slots[f.last].next = int32(s)
	}
	f.last = int32(s)
}

// done says that a packet is ready to leave, or is lost. In an ordered flow it
// waits for those in front of it; so it leaves at once, or with the first of
// the flow.
func (m *model) done(t int64, s uint32, end ending) {
	if m.flows == nil {
		m.leave(t, s, end)
		m.release(s)
		return
	}
	sl := &m.slots[s]
	f := &m.flows[m.in.Packets[sl.pkt].Flow]
	if f.first != int32(s) {
		sl.end = end
		sl.since = t
		if end == lost || end == verdictDrop {
			m.leave(t, s, end) // nothing leaves, so nothing to wait for
			sl.end = lost
			return
		}
		m.sum.order.Held++
		m.g[gHeld].inc(t)
		return
	}
	m.leave(t, s, end)
	for {
		next := m.slots[s].next
		m.release(s)
		f.first = next
		if next < 0 {
			return
		}
		s = uint32(next)
		sl = &m.slots[s]
		switch sl.end {
		case pending:
			return
		case lost:
		default:
			m.g[gHeld].dec(t)
			m.sum.order.HoldTime += t - sl.since
			m.leave(t, s, sl.end)
		}
	}
}

// exited notes that a packet left by the port or to the stack, in the order of
// leaving.
func (m *model) exited(seq, pkt uint32, stack bool) {
	k := m.in.Packets[pkt].Flow * 2
	if stack {
		k++
	}
	m.log = append(m.log, exit{seq, k})
	if seq+1 < m.highest[k] {
		if seq >= m.warm {
			m.sum.order.Reordered++
		}
		m.anyReorder = true
		return
	}
	m.highest[k] = seq + 1
}

// exit is one packet of the log of all that left.
type exit struct{ seq, flow uint32 }

// extent is the largest reordering extent of RFC 4737, section 4.2.1: of a
// packet that was reordered, how many places of its flow it is behind the first
// packet that had come later and left earlier.
func (m *model) extent() uint64 {
	if !m.anyReorder {
		return 0
	}
	// The log by flow, each in the order of leaving.
	from := make([]uint32, len(m.highest)+1)
	for _, e := range m.log {
		from[e.flow+1]++
	}
	for i := 1; i < len(from); i++ {
		from[i] += from[i-1]
	}
	at := append([]uint32(nil), from[:len(from)-1]...)
	seqs := make([]uint32, len(m.log))
	for _, e := range m.log {
		seqs[at[e.flow]] = e.seq
		at[e.flow]++
	}
	var most uint64
	var records []uint32 // places of packets later than all before them
	for f := range m.highest {
		flow := seqs[from[f]:from[f+1]]
		records = records[:0]
		for i, s := range flow {
			if len(records) == 0 || s > flow[records[len(records)-1]] {
				records = append(records, uint32(i))
				continue
			}
			if s < m.warm {
				continue
			}
			lo, hi := 0, len(records)-1 // the first record above s
			for lo < hi {
				if mid := (lo + hi) / 2; flow[records[mid]] > s {
					hi = mid
				} else {
					lo = mid + 1
				}
			}
			most = max(most, uint64(i)-uint64(records[lo]))
		}
	}
	return most
}
