package policy

import (
	"cmp"
	"slices"
)

// freqs orders ids by how often they were used and, among equals, by when they
// came to that number, first come first. There is a list for each number of
// uses below hot. Ids used more often stand in no list, they only note when they
// were used last; when all lists are empty hot is raised, and those that are
// then below it are sorted into lists. So all operations take constant time,
// but for that sorting, which is rare: a new id is always in a list.
type freqs struct {
	slot  []uint32 // per id: its node, 0: not in
	node  []freqNode
	free  []uint32
	list  []freqList // per number of uses
	least uint32     // no list below has ids
	hot   uint32     // number of lists
	tick  uint64
}

// freqNode is 16 bytes, so that a use of a hot id touches one cache line.
type freqNode struct {
	prev, next uint32 // nodes of the list, 0: none; of a hot id: the tick of its last use
	freq       uint32 // 0: free
	id         uint32
}

type freqList struct{ first, last uint32 }

func newFreqs(ids int) freqs {
	const hot = 64
	return freqs{slot: make([]uint32, ids), node: make([]freqNode, 1, 64), list: make([]freqList, hot), hot: hot}
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
	}
	f.put(s, id)
}

func (f *freqs) put(s, id uint32) {
	f.slot[id] = s
	f.node[s] = freqNode{freq: 1, id: id}
	f.link(s, 1)
	f.least = 1
}

// link appends node s to the list of n uses.
func (f *freqs) link(s, n uint32) {
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
	if p.freq >= f.hot {
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

// up counts a use of node s.
func (f *freqs) up(s uint32) {
	p := &f.node[s]
	if p.freq+1 >= f.hot {
		f.unlink(s)
		if p.freq != ^uint32(0) {
			p.freq++
		}
		f.tick++
		p.prev, p.next = uint32(f.tick>>32), uint32(f.tick)
		return
	}
	f.unlink(s)
	p.freq++
	f.link(s, p.freq)
}

// min is the id used least; there must be one.
func (f *freqs) min() uint32 {
	for {
		for n := f.least; n < f.hot; n++ {
			if s := f.list[n].first; s != 0 {
				f.least = n
				return f.node[s].id
			}
		}
		if s := f.raise(); s != 0 {
			return f.node[s].id
		}
	}
}

// freqLists bounds the number of lists: 8 MB.
const freqLists = 1 << 20

// raise makes lists for more numbers of uses, when there is none with an id:
// twice as many, or enough for the id used least. Where that would be too many
// it makes none and returns the node of that id instead.
func (f *freqs) raise() (least uint32) {
	for i := range f.node {
		p := &f.node[i]
		if p.freq == 0 {
			continue
		}
		if b := &f.node[least]; least == 0 || p.freq < b.freq || p.freq == b.freq && p.when() < b.when() {
			least = uint32(i)
		}
	}
	low := f.node[least].freq
	if low >= freqLists/2 {
		f.least = f.hot
		return least
	}
	old := f.hot
	f.least = low
	f.hot = max(2*old, low+low/8+1)
	f.list = append(f.list, make([]freqList, int(f.hot)-len(f.list))...)
	var in []uint32
	for s := range f.node {
		if n := f.node[s].freq; n >= old && n < f.hot {
			in = append(in, uint32(s))
		}
	}
	slices.SortFunc(in, func(a, b uint32) int { return cmp.Compare(f.node[a].when(), f.node[b].when()) })
	for _, s := range in {
		f.link(s, f.node[s].freq)
	}
	return 0
}

// when is the tick of the last use of a hot id.
func (p *freqNode) when() uint64 { return uint64(p.prev)<<32 | uint64(p.next) }

func (f *freqs) remove(id uint32) {
	s := f.slot[id]
	f.unlink(s)
	f.node[s] = freqNode{}
	f.slot[id] = 0
	f.free = append(f.free, s)
}
