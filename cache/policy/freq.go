package policy

// freqs orders ids by how often they were used and, among equals, by when they
// came to that number, first come first. All operations take constant time:
// there is a list for each number below freqHot. Ids used more often than that
// stand in no list; they are looked through only when no other is left.
type freqs struct {
	slot  []uint32 // per id: its node, 0: not in
	node  []freqNode
	free  []uint32
	list  []freqList // per number of uses
	least uint32     // no list below has ids
	tick  uint64
	late  []uint64 // per node, where used at least freqHot times: when last
}

type freqNode struct {
	prev, next uint32 // nodes, 0: none
	freq       uint32
	id         uint32
}

type freqList struct{ first, last uint32 }

const freqHot = 1 << 16

func newFreqs(ids int) freqs {
	return freqs{slot: make([]uint32, ids), node: make([]freqNode, 1, 64), list: make([]freqList, 64), late: make([]uint64, 1)}
}

func (f *freqs) has(id uint32) bool { return int(id) < len(f.slot) && f.slot[id] != 0 }

// add puts id, which is not in, in as used once.
func (f *freqs) add(id uint32) {
	f.slot = fit(f.slot, id)
	var s uint32
	if k := len(f.free); k > 0 {
		s, f.free = f.free[k-1], f.free[:k-1]
	} else {
		s = uint32(len(f.node))
		f.node = append(f.node, freqNode{})
		f.late = append(f.late, 0)
	}
	f.slot[id] = s
	f.node[s] = freqNode{freq: 1, id: id}
	f.link(s, 1)
	f.least = 1
}

// link appends node s to the list of n uses.
func (f *freqs) link(s, n uint32) {
	if int(n) >= len(f.list) {
		f.list = fit(f.list, n)
	}
	l := &f.list[n]
	p := &f.node[s]
	p.prev, p.next = l.last, 0
	if l.last != 0 {
		f.node[l.last].next = s
	} else {
		l.first = s
	}
	l.last = s
}

func (f *freqs) unlink(s uint32) {
	p := &f.node[s]
	if p.freq >= freqHot {
		return
	}
	l := &f.list[p.freq]
	if p.prev != 0 {
		f.node[p.prev].next = p.next
	} else {
		l.first = p.next
	}
	if p.next != 0 {
		f.node[p.next].prev = p.prev
	} else {
		l.last = p.prev
	}
}

// touch counts a use of id, which is in.
func (f *freqs) touch(id uint32) { f.up(f.slot[id]) }

// replace takes out old, and puts id in as used once, in the same node.
func (f *freqs) replace(old, id uint32) {
	s := f.slot[old]
	f.unlink(s)
	f.slot[old] = 0
	f.slot[id] = s
	f.node[s] = freqNode{freq: 1, id: id}
	f.link(s, 1)
	f.least = 1
}

// up counts a use of node s.
func (f *freqs) up(s uint32) {
	f.unlink(s)
	p := &f.node[s]
	if p.freq != ^uint32(0) {
		p.freq++
	}
	if p.freq >= freqHot {
		f.tick++
		f.late[s] = f.tick
		return
	}
	f.link(s, p.freq)
}

// min is the id used least; there must be one.
func (f *freqs) min() uint32 {
	for n := f.least; int(n) < len(f.list); n++ {
		if s := f.list[n].first; s != 0 {
			f.least = n
			return f.node[s].id
		}
	}
	f.least = uint32(len(f.list))
	best := uint32(0)
	for s := uint32(1); int(s) < len(f.node); s++ {
		p := &f.node[s]
		if p.freq < freqHot {
			continue // free
		}
		if b := &f.node[best]; best == 0 || p.freq < b.freq || p.freq == b.freq && f.late[s] < f.late[best] {
			best = s
		}
	}
	return f.node[best].id
}

func (f *freqs) remove(id uint32) {
	s := f.slot[id]
	f.unlink(s)
	f.node[s] = freqNode{}
	f.slot[id] = 0
	f.free = append(f.free, s)
}
