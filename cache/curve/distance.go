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

// timeline is the bitmap and its counts:
//
//	word    64 bits of time
//	block   512 bits: 8 words
//	pack    16 blocks (8,192 bits); its 16 counts of bits lie in 4 words, 16 bits each
//	group   16 packs (131,072 bits); its 16 counts in 4 words likewise
//	level   counts of groups, of 16 groups, and so on, as plain numbers
//
// Counts that lie in one word are added up four at a time, under a mask for
// those that are asked for, so that up to the level of groups there is no loop
// whose length depends on the data.
type timeline struct {
	last   []uint32   // per id: its time + 1, 0: not requested yet
	at     []uint32   // per time: the id
	word   []uint64   // bit set: the time is the last request of its id
	blocks []uint64   // counts of blocks, 4 a word
	packs  []uint64   // counts of packs, 4 a word
	level  [][]uint32 // level[0]: counts of groups; level[k+1]: sums of fan of level[k]
	now    uint32
}

// fan is how many counts of one level one count of the next level sums up.
const fan = 16

func newTimeline(n int) *timeline {
	size := 1 << bits.Len(uint(max(4*n, 1<<13)-1))
	groups := (size + 1<<17 - 1) >> 17
	t := &timeline{
		last: make([]uint32, n), at: make([]uint32, size), word: make([]uint64, size/64),
		blocks: make([]uint64, size>>9>>2), packs: make([]uint64, groups*4),
	}
	for k := groups; ; k = (k + fan - 1) / fan {
		t.level = append(t.level, make([]uint32, (k+fan-1)/fan*fan))
		if k <= fan {
			return t
		}
	}
}

// add counts by more set bits in p's block, and in all that it is part of.
func (t *timeline) add(p uint32, by uint64) {
	b := p >> 9
	t.blocks[b>>2] += by << (b & 3 * 16)
	b >>= 4
	t.packs[b>>2] += by << (b & 3 * 16)
	b >>= 4
	for _, l := range t.level {
		l[b] += uint32(by)
		b /= fan
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
		t.add(p, ^uint64(0)) // one less: a count is not 0, so nothing is carried out of it
	}
	p := t.now
	t.now++
	t.last[id] = t.now
	t.at[p] = id
	t.word[p>>6] |= 1 << (p & 63)
	t.add(p, 1)
	return d
}

// forget takes id out, as if it had never been requested.
func (t *timeline) forget(id uint32) {
	p := t.last[id] - 1
	t.last[id] = 0
	t.word[p>>6] &^= 1 << (p & 63)
	t.add(p, ^uint64(0))
}

// later[k] masks, of 16 counts in 4 words, those after number k.
var later = func() (m [16][4]uint64) {
	for k := range m {
		for j := k + 1; j < 16; j++ {
			m[k][j>>2] |= 0xffff << (j & 3 * 16)
		}
	}
	return m
}()

// after counts the bits set after time p.
func (t *timeline) after(p uint32) uint32 {
	w := p >> 6
	words := (*[8]uint64)(t.word[w&^7:])
	n := bits.OnesCount64(words[w&7] >> (p & 63) >> 1)
	for j := range words {
		n += bits.OnesCount64(words[j]) & int((int(w&7)-j)>>63) // those after w
	}
	b := p >> 9
	x, m := (*[4]uint64)(t.blocks[b>>4*4:]), &later[b&15]
	n += sum4(x[0]&m[0] + x[1]&m[1] + x[2]&m[2] + x[3]&m[3])
	b >>= 4
	x, m = (*[4]uint64)(t.packs[b>>4*4:]), &later[b&15]
	n += sum4(x[0]&m[0] + x[1]&m[1] + x[2]&m[2] + x[3]&m[3])
	b >>= 4
	sum := uint32(n)
	head := (t.now - 1) >> 17
	for _, l := range t.level {
		if b == head {
			break // nothing is set in later groups
		}
		for _, c := range l[b+1 : min(b/fan*fan+fan, head+1)] {
			sum += c
		}
		b /= fan
		head /= fan
	}
	return sum
}

// sum4 adds up the four 16-bit numbers in x.
func sum4(x uint64) int {
	x = x&0x0000ffff0000ffff + x>>16&0x0000ffff0000ffff
	return int(uint32(x) + uint32(x>>32))
}

// each calls f with the ids that were requested, the oldest first.
func (t *timeline) each(f func(id uint32)) {
	for w, x := range t.word {
		for ; x != 0; x &= x - 1 {
			f(t.at[64*w+bits.TrailingZeros64(x)])
		}
	}
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
	clear(t.blocks)
	clear(t.packs)
	for _, l := range t.level {
		clear(l)
	}
	for p := range n {
		t.word[p>>6] |= 1 << (p & 63)
		t.add(p, 1)
	}
}
