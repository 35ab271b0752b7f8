package curve

import "math/bits"

// Never is the distance of a first request.
const Never = ^uint32(0)

// Distances gives each request its lru stack distance: how many different ids
// were requested since the id's last request, itself included. So a request
// hits an lru cache of k entries exactly if its distance is at most k. First
// requests have Never. out must be as long as ids; ids must be below n.
//
// It is Mattson's stack (Mattson, Gecsei, Slutz, Traiger, IBM Systems Journal
// 1970) as a bitmap over time: the last request of each id has its bit set, so
// a distance is the number of bits set since, which a few levels of counts
// answer. Time is renumbered whenever the bitmap is full, so its size depends
// on the number of ids, not of requests.
func Distances(ids []uint32, n int, out []uint32) {
	d := newTimeline(n)
	for i, id := range ids {
		out[i] = d.request(id)
	}
}

// fan is how many counts of one level one count of the next level sums up.
const fan = 16

type timeline struct {
	last  []uint32   // per id: its time + 1, 0: not requested yet
	at    []uint32   // per time: the id
	word  []uint64   // bit set: the time is the last request of its id
	level [][]uint32 // level[0]: bits set in 8 words; level[k+1]: sums of fan of level[k]
	now   uint32
	live  uint32
}

func newTimeline(n int) *timeline {
	size := 1 << bits.Len(uint(max(4*n, 1<<12)-1))
	t := &timeline{last: make([]uint32, n), at: make([]uint32, size), word: make([]uint64, size/64)}
	for k := size / 512; ; k = (k + fan - 1) / fan {
		t.level = append(t.level, make([]uint32, (k+fan-1)/fan*fan))
		if k <= fan {
			return t
		}
	}
}

func (t *timeline) request(id uint32) uint32 {
	if int(t.now) == len(t.at) {
		t.renumber()
	}
	d := Never
	if p := t.last[id]; p != 0 {
		p--
		d = t.after(p) + 1
		t.word[p>>6] &^= 1 << (p & 63)
		b := p >> 9
		for _, l := range t.level {
			l[b]--
			b /= fan
		}
	} else {
		t.live++
	}
	p := t.now
	t.now++
	t.last[id] = t.now
	t.at[p] = id
	t.word[p>>6] |= 1 << (p & 63)
	b := p >> 9
	for _, l := range t.level {
		l[b]++
		b /= fan
	}
	return d
}

// after counts the bits set after time p.
func (t *timeline) after(p uint32) uint32 {
	w := int(p >> 6)
	n := bits.OnesCount64(t.word[w] >> (p & 63) >> 1)
	end := (w | 7) + 1
	if head := int(t.now+63) >> 6; head < end {
		end = head
	}
	for _, x := range t.word[w+1 : max(end, w+1)] {
		n += bits.OnesCount64(x)
	}
	sum := uint32(n)
	b := int(p >> 9)
	head := int(t.now-1) >> 9
	for _, l := range t.level {
		if b == head {
			break // nothing is set in later blocks
		}
		end := min(b/fan*fan+fan, head+1)
		for _, x := range l[b+1 : max(end, b+1)] {
			sum += x
		}
		b /= fan
		head /= fan
	}
	return sum
}

// renumber moves all bits together, keeping their order.
func (t *timeline) renumber() {
	n := uint32(0)
	for w, x := range t.word {
		for ; x != 0; x &= x - 1 {
			id := t.at[64*w+bits.TrailingZeros64(x)]
			t.at[n] = id
			n++
			t.last[id] = n
		}
	}
	t.now = n
	clear(t.word)
	for _, l := range t.level {
		clear(l)
	}
	for p := range n {
		t.word[p>>6] |= 1 << (p & 63)
		t.level[0][p>>9]++
	}
	for k := 1; k < len(t.level); k++ {
		for b, x := range t.level[k-1] {
			if x != 0 {
				t.level[k][b/fan] += x
			}
		}
	}
}
