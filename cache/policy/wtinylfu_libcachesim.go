package policy

import (
	"math"
	"math/bits"
)

// wTinyLFULCS is W-TinyLFU as libCacheSim counts it at unit size: everything
// goes into the window until the cache is full; then what the window would
// evict takes the place of what the main slru (a fifth on probation, the rest
// protected) would evict, if a counting Bloom filter has seen it more often;
// if not, it is evicted. Only hits in the main part, insertions and contests
// are counted, by the id's key; after 32 × the main part's size of such hits
// all counts are halved.
//
// libCacheSim refuses entries larger than its window of a hundredth of the
// budget; this does not.
type wTinyLFULCS struct {
	base
	window lanes
	main   *slru
	cbf    countingBloom
	keys   []uint64
	hits   uint64
	sample uint64
}

func newWTinyLFULCS(c Config) Policy {
	p := &wTinyLFULCS{base: newBase(c), window: newLanes(1, c.IDs), keys: c.Keys}
	windowCap := uint64(float64(c.Capacity) * 0.01)
	m := c
	m.Capacity = c.Capacity - windowCap
	p.main = newSLRUOf(m, []uint64{uint64(float64(1) / 5 * float64(m.Capacity)), uint64(float64(4) / 5 * float64(m.Capacity))})
	if p.main.max[0] == 0 { // too small for two segments
		p.main = newSLRUOf(m, []uint64{m.Capacity})
	}
	p.cbf = newCountingBloom(m.Capacity, 0.001)
	p.sample = 32 * m.Capacity
	return p
}

func (p *wTinyLFULCS) Contains(id uint32) bool { return p.window.in(id) >= 0 || p.main.Contains(id) }
func (p *wTinyLFULCS) Len() int                { return p.window.len(0) + p.main.n }
func (p *wTinyLFULCS) Used() uint64            { return p.used + p.main.used }

func (p *wTinyLFULCS) key(id uint32) uint64 {
	if p.keys == nil {
		return uint64(id)
	}
	return p.keys[id]
}

func (p *wTinyLFULCS) Access(id uint32) bool {
	if p.window.in(id) >= 0 {
		p.window.renew(0, id)
		return true
	}
	if !p.main.Access(id) {
		return false
	}
	p.cbf.add(p.key(id))
	if p.hits++; p.hits >= p.sample {
		p.hits = 0
		p.cbf.halve()
	}
	return true
}

// Late appends what the last Access evicted: the main slru may.
func (p *wTinyLFULCS) Late(evicted []uint32) []uint32 { return p.main.Late(evicted) }

func (p *wTinyLFULCS) Insert(id, size, cost uint32, evicted []uint32) []uint32 {
	s := uint64(size)
	if s > p.capacity || s > p.main.max[0] {
		return evicted
	}
	for p.Used()+s > p.capacity {
		evicted = p.evict(evicted)
	}
	p.add(id, size)
	p.window.push(0, id)
	p.cbf.add(p.key(id))
	return evicted
}

func (p *wTinyLFULCS) Resize(id, size uint32, evicted []uint32) []uint32 {
	switch {
	case !p.sized:
		return evicted
	case p.main.Contains(id):
		evicted = p.main.Resize(id, size, evicted)
	case uint64(size) > p.main.max[0]:
		p.Remove(id)
		return append(evicted, id)
	default:
		p.resized(id, size)
	}
	for p.Used() > p.capacity {
		evicted = p.evict(evicted)
	}
	return evicted
}

func (p *wTinyLFULCS) evict(evicted []uint32) []uint32 {
	for {
		if p.window.len(0) == 0 {
			return p.main.evict(evicted)
		}
		w := p.window.pop(0)
		p.sub(w)
		s := p.sizeOf(w)
		k := p.key(w)
		gone := false
		if p.main.used+s > p.main.capacity {
			m := p.main.l.oldest(p.main.victim())
			if gone = p.cbf.uses(k) <= p.cbf.uses(p.key(m)); !gone {
				evicted = p.main.evict(evicted)
			}
		}
		if !gone {
			evicted = p.main.Insert(w, uint32(s), 1, evicted)
			gone = !p.main.Contains(w)
		}
		p.cbf.add(k)
		if gone {
			return append(evicted, w)
		}
	}
}

func (p *wTinyLFULCS) Remove(id uint32) bool {
	if p.window.in(id) >= 0 {
		p.window.drop(id)
		p.sub(id)
		return true
	}
	return p.main.Remove(id)
}

// countingBloom is a counting Bloom filter as libCacheSim has it: as many
// counters and hashes as a Bloom filter of that error needs bits, all counters
// of a key counted up, the least one read.
type countingBloom struct {
	count  []uint32
	hashes uint32
}

func newCountingBloom(entries uint64, rate float64) countingBloom {
	const ln2 = 0.693147180559945
	each := -math.Log(rate) / 0.480453013918201 // ln(2)²
	hashes := math.Ceil(ln2 * each)
	n := min(math.Ceil(each*float64(entries)), 1<<27)
	if n < hashes {
		n = 2 * hashes
	}
	return countingBloom{make([]uint32, int(n)), uint32(hashes)}
}

func (b *countingBloom) add(key uint64) {
	x, step := uint32(xxh64(key, 0x12345678)), uint32(xxh64(key, 0x12344321))
	for range b.hashes {
		b.count[x%uint32(len(b.count))]++
		x += step
	}
}

func (b *countingBloom) uses(key uint64) uint32 {
	x, step := uint32(xxh64(key, 0x12345678)), uint32(xxh64(key, 0x12344321))
	least := ^uint32(0)
	for range b.hashes {
		least = min(least, b.count[x%uint32(len(b.count))])
		x += step
	}
	return least
}

func (b *countingBloom) halve() {
	for i := range b.count {
		b.count[i] >>= 1
	}
}

// xxh64 is XXH64 (its specification: github.com/Cyan4973/xxHash, doc) of the 8
// bytes of v, little-endian.
func xxh64(v, seed uint64) uint64 {
	const (
		p1 = 0x9e3779b185ebca87
		p2 = 0xc2b2ae3d27d4eb4f
		p3 = 0x165667b19e3779f9
		p4 = 0x85ebca77c2b2ae63
		p5 = 0x27d4eb2f165667c5
	)
	h := seed + p5 + 8
	h ^= bits.RotateLeft64(v*p2, 31) * p1
	h = bits.RotateLeft64(h, 27)*p1 + p4
	h ^= h >> 33
	h *= p2
	h ^= h >> 29
	h *= p3
	return h ^ h>>32
}
