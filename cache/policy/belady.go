package policy

import (
	"math"
	"math/bits"
	"slices"
)

const never = math.MaxUint32

// Next is, for each request, the number of the next request of the same id, or
// math.MaxUint32. The stream must have fewer requests than that.
func Next(r Requests) []uint32 {
	next := make([]uint32, len(r.IDs))
	last := make([]uint32, r.N)
	for i := range last {
		last[i] = never
	}
	for i := len(r.IDs) - 1; i >= 0; i-- {
		id := r.IDs[i]
		next[i] = last[id]
		last[id] = uint32(i)
	}
	return next
}

// Belady plays the stream with Belady's MIN: on a miss without room the entry
// goes whose next request is furthest away. miss is as in Runner. At unit size
// no policy that must take in every miss misses less often.
//
// With sizes it evicts in the same order until the entry fits, as libCacheSim
// does, down to the order of ids that are never requested again: that is a
// heuristic, not a bound.
func Belady(r Requests, capacity uint64, miss []uint64) {
	next := Next(r)
	if r.Sizes == nil {
		beladyUnit(r, next, capacity, miss)
	} else {
		beladySized(r, next, capacity, false, miss)
	}
}

// BeladyBypass is Belady that need not take in what misses: when the id's own
// next request is the furthest, it is left out. At unit size no policy with any
// admission misses less often.
func BeladyBypass(r Requests, capacity uint64, miss []uint64) {
	next := Next(r)
	if r.Sizes == nil {
		beladyBypassUnit(r, next, capacity, miss)
	} else {
		beladySized(r, next, capacity, true, miss)
	}
}

// beladyBypassUnit keeps entries without a future out altogether, so that the
// bitmap holds every entry.
func beladyBypassUnit(r Requests, next []uint32, capacity uint64, miss []uint64) {
	in := make([]bool, r.N)
	b := newTopBits(len(r.IDs))
	var n uint64
	clear(miss)
	for i, id := range r.IDs {
		if in[id] {
			b.clear(i)
			n--
		} else {
			miss[i>>6] |= 1 << (i & 63)
		}
		in[id] = next[i] != never
		if !in[id] {
			continue
		}
		b.set(int(next[i]))
		if n++; n > capacity {
			in[r.IDs[b.popTop()]] = false
			n--
		}
	}
}

// beladyUnit needs no queue: next requests are distinct numbers of requests,
// so the entries are a bitmap over the stream, and the furthest is its highest
// bit. Passing time needs no clearing: the search for the highest bit never
// comes down to the past while an entry has a future. Entries without a future
// are counted only; which one goes makes no difference.
func beladyUnit(r Requests, next []uint32, capacity uint64, miss []uint64) {
	var (
		in   = make([]bool, r.N)
		b    = newTopBits(len(r.IDs))
		n    uint64
		dead []uint32 // entries without a future
	)
	clear(miss)
	for i, id := range r.IDs {
		if !in[id] {
			miss[i>>6] |= 1 << (i & 63)
			if n == capacity {
				if k := len(dead); k > 0 {
					in[dead[k-1]] = false
					dead = dead[:k-1]
				} else {
					in[r.IDs[b.popTop()]] = false
				}
			} else {
				n++
			}
			in[id] = true
		}
		if next[i] == never {
			dead = append(dead, id)
		} else {
			b.set(int(next[i]))
		}
	}
}

// topBits is a set of numbers below a bound with the largest at hand: a bitmap,
// a bitmap of its nonzero words, and so on up.
type topBits struct{ level [][]uint64 }

func newTopBits(n int) *topBits {
	b := &topBits{}
	for {
		n = (n + 63) / 64
		b.level = append(b.level, make([]uint64, max(n, 1)))
		if n <= 1 {
			return b
		}
	}
}

func (b *topBits) set(i int) {
	w := i >> 6
	old := b.level[0][w]
	b.level[0][w] = old | 1<<(i&63)
	if old != 0 {
		return
	}
	for l := 1; l < len(b.level); l++ {
		i = w
		w = i >> 6
		old := b.level[l][w]
		b.level[l][w] = old | 1<<(i&63)
		if old != 0 {
			return
		}
	}
}

// popTop takes the largest out and returns it. There must be one.
func (b *topBits) popTop() int {
	i := 0
	for l := len(b.level) - 1; l >= 0; l-- {
		i = i<<6 | (bits.Len64(b.level[l][i]) - 1)
	}
	b.clear(i)
	return i
}

func (b *topBits) clear(i int) {
	for l := range b.level {
		w := i >> 6
		b.level[l][w] &^= 1 << (i & 63)
		if b.level[l][w] != 0 {
			return
		}
		i = w
	}
}

// beladySized keeps entries in a binary heap by next request, the furthest on
// top. Among entries without a future libCacheSim's order is that of its heap
// (a common one: replace the top by the last and sift down, left child first
// among equals); it decides which sizes leave, so it is kept.
func beladySized(r Requests, next []uint32, capacity uint64, bypass bool, miss []uint64) {
	h := furthest{at: make([]uint32, r.N), e: make([]furthestEntry, 1)}
	var used uint64
	clear(miss)
	for i, id := range r.IDs {
		if h.at[id] != 0 {
			h.update(id, next[i])
			continue
		}
		miss[i>>6] |= 1 << (i & 63)
		size := uint64(r.Sizes[id])
		if size > capacity {
			continue
		}
		if bypass {
			used += size
			h.push(id, next[i])
			for used > capacity {
				used -= uint64(r.Sizes[h.pop()])
			}
			continue
		}
		for used+size > capacity {
			used -= uint64(r.Sizes[h.pop()])
		}
		used += size
		h.push(id, next[i])
	}
}

type furthest struct {
	e  []furthestEntry // from 1
	at []uint32        // per id: place in e, 0: not in
}

type furthestEntry struct{ next, id uint32 }

func (h *furthest) up(i int, x furthestEntry) {
	for i > 1 && h.e[i/2].next < x.next {
		h.e[i] = h.e[i/2]
		h.at[h.e[i].id] = uint32(i)
		i /= 2
	}
	h.e[i] = x
	h.at[x.id] = uint32(i)
}

func (h *furthest) down(i int, x furthestEntry) {
	for 2*i < len(h.e) {
		c := 2 * i
		if c+1 < len(h.e) && h.e[c].next < h.e[c+1].next {
			c++
		}
		if x.next >= h.e[c].next {
			break
		}
		h.e[i] = h.e[c]
		h.at[h.e[i].id] = uint32(i)
		i = c
	}
	h.e[i] = x
	h.at[x.id] = uint32(i)
}

func (h *furthest) push(id, next uint32) {
	h.e = append(h.e, furthestEntry{})
	h.up(len(h.e)-1, furthestEntry{next, id})
}

func (h *furthest) update(id, next uint32) {
	i := int(h.at[id])
	if old := h.e[i].next; old < next {
		h.up(i, furthestEntry{next, id})
	} else {
		h.down(i, furthestEntry{next, id})
	}
}

func (h *furthest) pop() uint32 {
	id := h.e[1].id
	last := h.e[len(h.e)-1]
	h.e = h.e[:len(h.e)-1]
	h.at[id] = 0
	if len(h.e) > 1 {
		h.down(1, last)
	}
	return id
}

// PFOOL is the lower bound PFOO-L of Berger, Beckmann and Harchol-Balter
// (Practical bounds on optimal caching with variable object sizes, SIGMETRICS
// 2018) for every capacity at once. To hit, an entry must be kept from one
// request to the next: it takes its size for that many requests. The budget
// gives capacity × requests of that in all; the cheapest hits are taken first,
// as if each could be kept in parts and whenever there is room over the whole
// stream. No cache that fits the budget at every moment misses less.
type PFOOL struct {
	requests uint64
	sum      []float64 // sum[k]: what the k cheapest hits take
}

// NewPFOOL prepares the bound for a stream.
func NewPFOOL(r Requests) *PFOOL {
	next := Next(r)
	cost := make([]uint64, 0, len(r.IDs))
	for i, n := range next {
		if n == never {
			continue
		}
		c := uint64(n) - uint64(i)
		if r.Sizes != nil {
			c *= uint64(r.Sizes[r.IDs[i]])
		}
		cost = append(cost, c)
	}
	slices.Sort(cost)
	p := &PFOOL{requests: uint64(len(r.IDs)), sum: make([]float64, len(cost)+1)}
	for i, c := range cost {
		p.sum[i+1] = p.sum[i] + float64(c)
	}
	return p
}

// Misses is the least number of misses at a capacity.
func (p *PFOOL) Misses(capacity uint64) uint64 {
	budget := float64(capacity) * float64(p.requests)
	k, found := slices.BinarySearch(p.sum, budget)
	if !found {
		k-- // sum[k] ≤ budget < sum[k+1]
	}
	// Equal sums can't be: each hit takes at least one.
	return p.requests - uint64(k)
}
