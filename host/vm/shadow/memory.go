package shadow

const pageSize = 4096

type page [pageSize]Mark

// memory holds a mark for every byte of flat memory. Pages without a mark
// aren't there.
type memory struct {
	pages map[uint64]*page
	last  uint64 // the page looked at last, plus one
	lastp *page
}

func (m *memory) page(addr uint64, make bool) *page {
	n := addr / pageSize
	if m.last == n+1 && (m.lastp != nil || !make) {
		return m.lastp
	}
	p := m.pages[n]
	if p == nil && make {
		if m.pages == nil {
			m.pages = map[uint64]*page{}
		}
		p = new(page)
		m.pages[n] = p
	}
	m.last, m.lastp = n+1, p
	return p
}

// load reads the marks of up to eight bytes.
func (m *memory) load(addr uint64, n int) lanes {
	at := addr % pageSize
	if at+uint64(n) <= pageSize {
		p := m.page(addr, false)
		if p == nil {
			return 0
		}
		var w lanes
		for i := range n {
			w |= lanes(p[at+uint64(i)]) << (8 * i)
		}
		return w
	}
	var w lanes
	for i := range n {
		if p := m.page(addr+uint64(i), false); p != nil {
			w |= lanes(p[(addr+uint64(i))%pageSize]) << (8 * i)
		}
	}
	return w
}

// store writes the marks of up to eight bytes.
func (m *memory) store(addr uint64, n int, w lanes) {
	for i := range n {
		p := m.page(addr+uint64(i), w != 0)
		if p == nil {
			continue
		}
		p[(addr+uint64(i))%pageSize] = Mark(w >> (8 * i))
	}
}

// fill gives n bytes one mark.
func (m *memory) fill(addr, n uint64, mark Mark) {
	for n > 0 {
		at := addr % pageSize
		k := min(n, pageSize-at)
		if p := m.page(addr, mark != 0); p != nil {
			part := p[at : at+k]
			for i := range part {
				part[i] = mark
			}
		}
		addr, n = addr+k, n-k
	}
}

// copy takes the marks of n bytes along.
func (m *memory) copy(to, from, n uint64) {
	for i := range n {
		m.store(to+i, 1, m.load(from+i, 1))
	}
}

// any is the sum of the marks of n bytes.
func (m *memory) any(addr, n uint64) Mark {
	var sum Mark
	for n > 0 {
		at := addr % pageSize
		k := min(n, pageSize-at)
		if p := m.page(addr, false); p != nil {
			for _, x := range p[at : at+k] {
				sum |= x
			}
		}
		addr, n = addr+k, n-k
	}
	return sum
}
