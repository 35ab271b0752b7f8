package designs

import (
	"jitnic/cache"
	"jitnic/cache/stream"
	"jitnic/nic/device"
	"jitnic/nic/workload"
)

// requests is what the packets of a workload ask a cache for, and at what price:
// a design with a cache is its requests.
type requests struct {
	ids           []uint32 // by packet; stream.None: not to be had on the device
	path          []int32  // by packet: what it really takes, None where the device can't
	invalidations []stream.Invalidation
	entries       []device.Path // by id

	// cut, where set, says that packets ask for the segments of their path, and ids
	// are by packet that path: a packet is a hit where all of them are in.
	cut bool

	// naive, where set, is by packet the id under which a packet finds an entry
	// and is decided by it even where its path can't be on the device; and an
	// entry decides as the packet did that it was made of.
	naive []uint32
	// code is by id what entries of the same path share, in slots; it counts
	// once for each path.
	code []uint32
	// miss, where set, is what the matcher takes where no entry is found.
	miss *uint32
}

// cached plays requests through the trace cache, as replay does.
func (s *Setting) cached(d Design, q *requests) (*Result, error) {
	cfg := s.Cache
	if cfg.Policy == "" {
		cfg.Policy = "lru"
	}
	cfg.IDs, cfg.Events, cfg.Keys, cfg.External = len(q.entries), true, nil, q.cut
	c, err := cache.NewTraceCache(cfg)
	if err != nil {
		return nil, err
	}
	r := &Result{Design: d.Name(), Is: d.Is(), Cached: true, Cache: s.Cache}
	r.Cache.Policy, r.Cache.InstallDelay, r.Cache.InstallTime = cfg.Policy, 0, 0
	where := make([]place, len(q.ids))
	var vain []spent
	if q.cut {
		vain = make([]spent, len(q.ids))
	}
	var made []int // by id: the packet its entry was made of
	if q.naive != nil {
		made = make([]int, len(q.entries))
	}
	var used, slots uint64
	in := make([]uint32, len(s.W.Paths)) // by path: entries that share its code
	code := func(id uint32, by uint32) {
		if q.code == nil {
			return
		}
		p := q.code[id]
		if by == 1 && in[p] == 0 {
			slots += s.codeSize(p)
		}
		in[p] += by
		if by != 1 && in[p] == 0 {
			slots -= s.codeSize(p)
		}
	}
	events := func(i int) {
		for _, e := range c.Events() {
			switch e.Kind {
			case cache.Began:
				if made != nil {
					made[e.ID] = i
				}
			case cache.Put:
				used++
				slots += uint64(q.entries[e.ID].Slots)
				code(e.ID, 1)
				r.Used, r.Slots = max(r.Used, used), max(r.Slots, slots)
			case cache.Evicted, cache.Dropped:
				used--
				slots -= uint64(q.entries[e.ID].Slots)
				code(e.ID, ^uint32(0))
			}
		}
	}
	v := 0
	for i, id := range q.ids {
		for ; v < len(q.invalidations) && q.invalidations[v].At <= uint64(i); v++ {
			c.Invalidate(q.invalidations[v].ID)
		}
		if s.W.Time != nil {
			c.At(s.W.Time[i])
		}
		if id == stream.None && q.naive != nil && c.Installed(q.naive[i]) {
			id = q.naive[i]
		}
		o := cache.Uncacheable
		switch {
		case q.cut:
			o, vain[i] = s.segments(c, i, id == stream.None)
		case id == stream.None:
			c.Uncacheable()
		default:
			e := &q.entries[id]
			o = c.Request(id, e.Slots, e.Cost)
		}
		r.Counts[o]++
		events(i)
		if o == cache.Hit {
			where[i] = onNIC
			if made != nil && s.otherwise(q, i, made[id]) {
				where[i] = wrongly
			}
		}
	}
	for ; v < len(q.invalidations); v++ {
		c.Invalidate(q.invalidations[v].ID)
	}
	events(len(q.ids) - 1)

	st := c.Stats()
	r.Installs, r.Evictions = st.Installed, st.Evicted
	r.Invalidations = st.Invalidated + st.Canceled
	if t := s.seconds(); t > 0 {
		r.InstallRate = float64(r.Installs) / t
	}
	if q.cut {
		r.Entries = s.asked(q)
		r.Need = s.needCut(q, r.Entries)
	} else {
		r.Entries = q.asked()
		r.Need = q.need(r.Entries)
	}
	r.account(s, q.input(s, where), where, nil, vain)
	return r, nil
}

// otherwise says whether a packet's outcome is another than that of the packet
// whose path an entry was made of. A path does to each of its packets what the
// program does; another path may do the same all the same.
func (s *Setting) otherwise(q *requests, i, made int) bool {
	if q.path[i] == q.path[made] {
		return false
	}
	return s.W.Effects == nil || s.W.Effects[i] != s.W.Effects[made]
}

// asked counts the ids that are requested.
func (q *requests) asked() (n uint64) {
	seen := make([]bool, len(q.entries))
	for _, id := range q.ids {
		if id != stream.None && !seen[id] {
			seen[id] = true
			n++
		}
	}
	return n
}

// codeSize is the length of a path's trace in slots.
func (s *Setting) codeSize(path uint32) uint64 {
	if t := s.W.Paths[path].Trace; t != nil {
		return uint64(t.Len())
	}
	return 0
}

// input is the requests as a device model takes them.
func (q *requests) input(s *Setting, where []place) *device.Input {
	in := &device.Input{Packets: make([]device.Packet, len(q.ids)), Accesses: s.In.Accesses, Entries: s.In.Entries,
		Paths: q.entries, Invalidations: q.invalidations}
	if q.cut {
		in.Paths, in.Segments = s.In.Paths, s.In.Segments
	}
	copy(in.Packets, s.In.Packets)
	if q.cut {
		return in
	}
	for i, id := range q.ids {
		if id == stream.None && q.naive != nil && (where[i] == wrongly || where[i] == onNIC) {
			id = q.naive[i]
		}
		in.Packets[i].Path = int32(id) // stream.None is workload.None
		if q.miss != nil {
			in.Packets[i].Miss = *q.miss
		}
	}
	return in
}

// keyed makes requests of a key for each packet, where an entry stands for the
// path of the key's last packet: a packet of the key that takes another path
// finds the entry stale, and so does every packet once what the path depends on
// has changed. ok says whether the packet has a key at all.
func (s *Setting) keyed(keys []uint32, n int, ok func(i int) bool) *requests {
	const empty = workload.None - 1
	q := &requests{ids: make([]uint32, len(keys)), path: make([]int32, len(keys))}
	last := make([]int32, n) // by key: the path its entry stands for
	for k := range last {
		last[k] = empty
	}
	of := make([][]uint32, len(s.W.Paths)) // by path: keys whose entries stood for it
	drop := func(i int, k uint32) {
		q.invalidations = append(q.invalidations, stream.Invalidation{At: uint64(i), ID: k})
		last[k] = empty
	}
	v := 0
	for i, k := range keys {
		for ; v < len(s.W.Invalidations) && s.W.Invalidations[v].At <= uint64(i); v++ {
			p := int32(s.W.Invalidations[v].ID)
			if int(p) >= len(of) || p < 0 {
				continue
			}
			for _, k := range of[p] {
				if last[k] == p {
					drop(i, k)
				}
			}
			of[p] = of[p][:0]
		}
		p := s.path(i)
		q.path[i], q.ids[i] = p, stream.None
		if !ok(i) {
			continue
		}
		if last[k] != p && last[k] != empty {
			drop(i, k)
		}
		if p == workload.None {
			continue
		}
		q.ids[i] = k
		if last[k] != p {
			last[k] = p
			of[p] = append(of[p], k)
		}
	}
	return q
}

// price gives each entry the mean of its packets' paths for what a hit costs,
// and the first one's for the rest; match and slots are the design's.
func (s *Setting) price(q *requests, n int, match func(id uint32, path int32) uint32, slots func(path int32) uint32) {
	q.entries = make([]device.Path, n)
	q.code = make([]uint32, n)
	type sum struct{ n, exec, reads, writes uint64 }
	sums := make([]sum, n)
	for i, id := range q.ids {
		if id == stream.None {
			continue
		}
		p := &s.In.Paths[q.path[i]]
		t := &sums[id]
		if t.n == 0 {
			size := slots(q.path[i])
			q.code[id] = uint32(q.path[i])
			q.entries[id] = device.Path{Match: match(id, q.path[i]), Slots: size, Cost: p.Cost, Bytes: 8 * size,
				Install: 1000 * (s.NIC.InstallBase + uint64(size)*s.NIC.InstallSlot)}
		}
		t.n++
		t.exec += uint64(p.Exec)
		t.reads += uint64(p.Reads)
		t.writes += uint64(p.Writes)
	}
	for id := range sums {
		if t := &sums[id]; t.n > 0 {
			mean := func(v uint64) uint64 { return (v + t.n/2) / t.n }
			e := &q.entries[id]
			e.Exec, e.Reads, e.Writes = uint32(mean(t.exec)), uint16(mean(t.reads)), uint16(mean(t.writes))
		}
	}
}
