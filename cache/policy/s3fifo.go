package policy

// s3fifo is S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you
// need for cache eviction, SOSP 2023) as libCacheSim counts it: a tenth of the
// budget is a small fifo for new entries; what was used twice there moves to
// the main fifo, what was not is evicted and remembered, id only, in a fifo of
// nine tenths of the budget; what comes back while remembered goes to main
// directly. Main spares an entry as often as it was used, up to three times.
//
// The current version fills main too before the first eviction; the first one
// (v0, that of the paper) puts every new entry into small.
//
// The small fifo has room for one unit at least, and on a slot budget refuses
// entries that would fill it whole.
type s3fifo struct {
	base
	l                           lanes
	freq                        []uint8
	smallCap, mainCap, ghostCap uint64
	bytes                       [3]uint64
	fillMain                    bool // current version and nothing evicted yet
}

const (
	s3Small = iota
	s3Main
	s3Ghost
)

func newS3FIFO(c Config, current bool) Policy {
	p := &s3fifo{base: newBase(c), l: newLanes(3, c.IDs), freq: make([]uint8, c.IDs), fillMain: current}
	p.smallCap = max(1, uint64(float64(c.Capacity)*0.10))
	p.mainCap = c.Capacity - min(c.Capacity, p.smallCap)
	p.ghostCap = uint64(float64(c.Capacity) * 0.90)
	return p
}

func (p *s3fifo) Contains(id uint32) bool { return uint(p.l.in(id)) < s3Ghost }

func (p *s3fifo) Access(id uint32) bool {
	if uint(p.l.in(id)) >= s3Ghost {
		return false
	}
	if p.freq[id] < 3 {
		p.freq[id]++
	}
	return true
}

func (p *s3fifo) put(q int, id uint32) {
	p.bytes[q] += p.sizeOf(id)
	p.l.push(q, id)
}

func (p *s3fifo) pop(q int) uint32 {
	id := p.l.pop(q)
	p.bytes[q] -= p.sizeOf(id)
	return id
}

func (p *s3fifo) evictSmall(evicted []uint32) []uint32 {
	for p.bytes[s3Small] > 0 {
		id := p.pop(s3Small)
		if p.freq[id] >= 2 {
			p.freq[id] = 0
			p.put(s3Main, id)
			continue
		}
		p.sub(id)
		if s := p.sizeOf(id); s <= p.ghostCap {
			for p.bytes[s3Ghost]+s > p.ghostCap {
				p.pop(s3Ghost)
			}
			p.put(s3Ghost, id)
		}
		return append(evicted, id)
	}
	return evicted
}

func (p *s3fifo) evictMain(evicted []uint32) []uint32 {
	for p.bytes[s3Main] > 0 {
		id := p.pop(s3Main)
		if p.freq[id] == 0 {
			p.sub(id)
			return append(evicted, id)
		}
		p.freq[id]--
		p.put(s3Main, id)
	}
	return evicted
}

func (p *s3fifo) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	ghost := p.l.in(id) == s3Ghost
	if ghost {
		p.bytes[s3Ghost] -= p.sizeOf(id)
		p.l.drop(id)
	}
	s := uint64(size)
	if s > p.smallCap || s > p.capacity {
		return evicted
	}
	for p.used+s > p.capacity {
		p.fillMain = false
		if p.bytes[s3Main] > p.mainCap || p.bytes[s3Small] == 0 {
			evicted = p.evictMain(evicted)
		} else {
			evicted = p.evictSmall(evicted)
		}
	}
	q := s3Small
	switch {
	case ghost:
		q = s3Main
	case s == p.smallCap && s > 1:
		return evicted
	case p.fillMain && p.bytes[s3Small] >= p.smallCap:
		q = s3Main
	}
	p.add(id, size)
	p.freq = fit(p.freq, id)
	p.freq[id] = 0
	p.put(q, id)
	return evicted
}

func (p *s3fifo) Remove(id uint32) bool {
	q := p.l.in(id)
	if q < 0 {
		return false
	}
	p.bytes[q] -= p.sizeOf(id)
	p.l.drop(id)
	if q == s3Ghost {
		return false
	}
	p.sub(id)
	return true
}
