package policy

// lfuda is lfu with dynamic aging (Arlitt, Cherkasova, Dilley, Friedrich, Jin:
// Evaluating content management techniques for web proxy caches, 2000) as
// libCacheSim counts it: an entry begins at the age of the cache plus one, the
// age being the value of what was evicted last or a larger one that is now the
// least; a hit adds the age.
type lfuda struct {
	simple
	h   heap
	age uint64
	seq uint64
}

func newLFUDA(c Config) Policy { return &lfuda{simple: newSimple(c), h: newHeap(c.IDs)} }

func (p *lfuda) Contains(id uint32) bool { return p.h.has(id) }

func (p *lfuda) Access(id uint32) bool {
	if !p.h.has(id) {
		return false
	}
	old := p.h.e[p.h.at[id]-1].pri
	value := old + p.age
	p.h.remove(id)
	p.grow(old)
	p.seq++
	p.h.push(id, value, p.seq)
	return true
}

// grow raises the age to the least value, once none of value old is left that
// gave the age.
func (p *lfuda) grow(old uint64) {
	if old == p.age && p.h.len() > 0 && p.h.min().pri > p.age {
		p.age = p.h.min().pri
	}
}

func (p *lfuda) oust() uint32 {
	v := *p.h.min()
	p.age = v.pri
	p.h.remove(v.id)
	p.grow(v.pri)
	return v.id
}

func (p *lfuda) enter(id, _ uint32) {
	p.seq++
	p.h.push(id, p.age+1, p.seq)
}

func (p *lfuda) leave(id uint32) {
	old := p.h.e[p.h.at[id]-1].pri
	p.h.remove(id)
	p.grow(old)
}
