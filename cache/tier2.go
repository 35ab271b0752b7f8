package cache

import "jitnic/cache/stream"

// Tier2 makes the traces of entries that hit often better while they go on being
// hit. One compiler works on them in turn, and how long it takes is counted in
// packets that go by, so a run is the same on every machine. A better trace takes
// the place of the other where that one is: no install, no hit, but the entry's
// size is another from then on (policy.Policy's Resize).
type Tier2 struct {
	After     uint64 // hits of an id until it is hot; at least 1
	PerPacket uint64 // units of work that are done between two packets; 0 is 1
	// Now, where set, counts the packets so far; else each request is one.
	Now func() uint64
	// Better is asked for each id that has become hot, once, unless it is
	// invalidated: the size of the better trace, and the units that finding it
	// costs. 0 slots: there is none, and the units were spent for nothing. Caches
	// that run side by side may ask at once.
	Better func(id uint32) (slots uint32, units uint64)
	// Swapped, where set, is told when the better trace of an id is ready, wait
	// packets after it became hot and so many hits after the id's trace was made:
	// before its size and all events that follow.
	Swapped func(id uint32, wait, hits uint64)
}

// of is for a stream of some of the ids, numbered anew.
func (t *Tier2) of(s *stream.Stream) *Tier2 {
	if t == nil {
		return nil
	}
	out := *t
	out.Better = func(id uint32) (uint32, uint64) { return t.Better(uint32(s.Key(id))) }
	return &out
}

// tier2 is what a TraceCache keeps for it.
type tier2 struct {
	Tier2
	hits  []uint64 // by id, since its trace was made
	slots []uint32 // by id: of its better trace, once that was swapped in
	hot   []uint32 // became so since the last Due
	queue []swap   // in order of at
	free  uint64   // packet from which the compiler is
}

// swap is a better trace that is ready before the packet after at.
type swap struct {
	id, slots uint32
	hot, at   uint64
}

func newTier2(t *Tier2, ids int) *tier2 {
	if t == nil {
		return nil
	}
	out := &tier2{Tier2: *t, hits: make([]uint64, ids), slots: make([]uint32, ids)}
	out.PerPacket = max(1, out.PerPacket)
	return out
}

func (t *tier2) hit(id uint32) {
	for int(id) >= len(t.hits) {
		t.hits = append(t.hits, make([]uint64, max(64, len(t.hits)))...)
		t.slots = append(t.slots, make([]uint32, len(t.hits)-len(t.slots))...)
	}
	if t.hits[id]++; t.hits[id] == t.After {
		t.hot = append(t.hot, id)
	}
}

// forget is told that the trace of an id is no more: the next is another.
func (t *tier2) forget(id uint32) {
	if t == nil || int(id) >= len(t.hits) {
		return
	}
	t.hits[id], t.slots[id] = 0, 0
	for i := range t.queue {
		if t.queue[i].id == id {
			t.queue[i].slots = 0
		}
	}
	for i := range t.hot {
		if t.hot[i] == id {
			t.hot[i] = noID
		}
	}
}

// size is that of id's trace where the one it had at first is of a size of its own.
func (t *tier2) size(id, first uint32) uint32 {
	if t == nil || int(id) >= len(t.slots) || t.slots[id] == 0 {
		return first
	}
	return t.slots[id]
}

// Due makes the swaps that are ready before the next packet and asks for the better
// traces of what has become hot. With Config.Tier2 it is called before each packet,
// after the invalidations that come before it.
func (c *TraceCache) Due() {
	t := c.tier2
	if t == nil {
		return
	}
	n := c.stats.Packets
	if t.Now != nil {
		n = t.Now()
	}
	for len(t.queue) > 0 && t.queue[0].at <= n {
		s := t.queue[0]
		t.queue = t.queue[1:]
		if s.slots == 0 { // invalidated meanwhile
			continue
		}
		c.stats.Swapped++
		c.stats.Waited += s.at - s.hot
		if t.Swapped != nil {
			t.Swapped(s.id, s.at-s.hot, t.hits[s.id])
		}
		t.slots[s.id] = s.slots
		c.Resize(s.id, s.slots)
		if c.policy.Contains(s.id) {
			c.event(Swapped, s.id)
		}
	}
	for _, id := range t.hot {
		if id == noID {
			continue
		}
		c.stats.Hot++
		slots, units := t.Better(id)
		t.free = max(t.free, n) + units/t.PerPacket + 1
		if slots > 0 {
			t.queue = append(t.queue, swap{id, slots, n, t.free})
		}
	}
	t.hot = t.hot[:0]
}

// Resize tells that the trace of id is of another size, in slots, from now on,
// whether it is in or on its way. That is neither a request nor an install, but
// where a budget in slots holds no longer the policy evicts, id itself perhaps.
func (c *TraceCache) Resize(id, size uint32) {
	if !c.sized || int(id) >= len(c.id) {
		return
	}
	size = max(size, 1)
	switch {
	case c.id[id].state&stInFlight != 0:
		if c.cfg.External {
			c.price[id].size = size
		}
		c.flight.resize(id, size)
	case c.policy.Contains(id):
		c.stats.Resized++
		c.buf = c.policy.Resize(id, size, c.buf[:0])
		c.evicted(c.buf, noID)
	}
}
