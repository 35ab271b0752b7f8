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
// a distance is the number of bits that aren't set before it, which a few levels of
// counts answer. Time is renumbered whenever the bitmap is full, so its size depends
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
//	block   512 bits: 8 words, whose counts of bits lie in one word, 8 bits each
//	pack    16 blocks (8,192 bits); its 16 counts lie in 4 words, 16 bits each
//	group   16 packs (131,072 bits); its 16 counts in 4 words likewise
//	level   counts of groups, of 16 groups, and so on, as plain numbers
//
// Counts that lie in one word are added up together, under a mask for those that
// are asked for, so that up to the level of groups there is no loop whose length
// depends on the data. The block that requests go to now isn't counted in its pack
// yet: a request adds to one count, and takes off where its id was.
type timeline struct {
	last   []seen        // per id
	at     []uint32      // per time: the id
	word   []uint64      // bit set: the time is the last request of its id
	words  []uint64      // counts of words, 8 a word: those of a block
	blocks []uint64      // counts of blocks, 4 a word
	packs  []uint64      // counts of packs, 4 a word
	level  [][][8]uint64 // level[0]: counts of groups; level[k+1]: sums of fan of level[k]
	now    uint32
	live   uint32 // bits set
}

// seen is what is known of an id: its time + 1 in the timeline, 0: not in it; and for
// who counts requests, the number of its last one + 1, and how many there were.
type seen struct{ time, request, count uint32 }

// fan is how many counts of one level one count of the next level sums up.
const fan = 16

func newTimeline(n int) *timeline {
	size := 1 << bits.Len(uint(max(4*n, 1<<13)-1))
	groups := (size + 1<<17 - 1) >> 17
	t := &timeline{
		last: make([]seen, n), at: make([]uint32, size), word: make([]uint64, size/64), words: make([]uint64, size>>9),
		blocks: make([]uint64, size>>9>>2), packs: make([]uint64, groups*4),
	}
	for k := groups; ; k = (k + fan - 1) / fan {
		t.level = append(t.level, make([][8]uint64, (k+fan-1)/fan))
		if k <= fan {
			return t
		}
	}
}

// add counts by more set bits in block b, and in all that it is part of. One less
// is all ones: a count it is taken off isn't 0, so nothing is carried out of it.
func (t *timeline) add(b uint32, by uint64) {
	t.blocks[b>>2] += by << (b & 3 * 16)
	b >>= 4
	t.packs[b>>2] += by << (b & 3 * 16)
	b >>= 4
	for _, l := range t.level {
		l[b>>4][b&15>>1] += by << (b & 1 * 32)
		b >>= 4
	}
}

// request is take and push.
func (t *timeline) request(id uint32) uint32 {
	d := t.take(&t.last[id])
	t.push(id)
	return d
}

// take takes an id out, and tells its distance: Never where it isn't in.
func (t *timeline) take(s *seen) uint32 {
	p := s.time
	if p == 0 {
		return Never
	}
	p--
	d := t.live - t.before(p)
	t.clear(p)
	s.time = 0
	return d
}

// push puts an id that isn't in at the young end.
func (t *timeline) push(id uint32) {
	if int(t.now) == len(t.at) {
		t.renumber()
	}
	p := t.now
	if p&511 == 0 && p > 0 {
		b := p>>9 - 1
		t.add(b, uint64(sum8(t.words[b])))
	}
	t.now++
	t.last[id].time = t.now
	t.at[p] = id
	t.word[p>>6] |= 1 << (p & 63)
	t.words[p>>9] += 1 << (p >> 6 & 7 * 8)
	t.live++
}

// clear takes the bit of time p, which is set, away.
func (t *timeline) clear(p uint32) {
	t.word[p>>6] &^= 1 << (p & 63)
	b := p >> 9
	t.words[b] -= 1 << (p >> 6 & 7 * 8)
	t.live--
	if b != (t.now-1)>>9 {
		t.add(b, ^uint64(0))
	}
}

// forget takes id out, as if it had never been requested.
func (t *timeline) forget(id uint32) {
	t.clear(t.last[id].time - 1)
	t.last[id] = seen{}
}

// earlier[k] masks, of 16 counts in 4 words, those before number k.
var earlier = func() (m [16][4]uint64) {
	for k := range m {
		for j := range k {
			m[k][j>>2] |= 0xffff << (j & 3 * 16)
		}
	}
	return m
}()

// sooner is earlier of 16 counts in 8 words.
var sooner = func() (m [16][8]uint64) {
	for k := range m {
		for j := range k {
			m[k][j>>1] |= 0xffff_ffff << (j & 1 * 32)
		}
	}
	return m
}()

// before counts the bits set before time p.
func (t *timeline) before(p uint32) uint32 {
	w := p >> 6
	n := bits.OnesCount64(t.word[w] & (1<<(p&63) - 1))
	b := p >> 9
	n += sum8(t.words[b] & (1<<(w&7*8) - 1))
	x, m := (*[4]uint64)(t.blocks[b>>4*4:]), &earlier[b&15]
	n += int((x[0]&m[0] + x[1]&m[1] + x[2]&m[2] + x[3]&m[3]) * 0x0001_0001_0001_0001 >> 48)
	b >>= 4
	x, m = (*[4]uint64)(t.packs[b>>4*4:]), &earlier[b&15]
	n += sum4(x[0]&m[0] + x[1]&m[1] + x[2]&m[2] + x[3]&m[3])
	b >>= 4
	sum := uint32(n)
	for _, l := range t.level {
		x, m := &l[b>>4], &sooner[b&15]
		v := x[0]&m[0] + x[1]&m[1] + x[2]&m[2] + x[3]&m[3] + x[4]&m[4] + x[5]&m[5] + x[6]&m[6] + x[7]&m[7]
		sum += uint32(v) + uint32(v>>32)
		b >>= 4
	}
	return sum
}

// sum4 adds up the four 16-bit numbers in x.
func sum4(x uint64) int {
	x = x&0x0000ffff0000ffff + x>>16&0x0000ffff0000ffff
	return int(uint32(x) + uint32(x>>32))
}

// sum8 adds up the eight bytes of x, none above 64.
func sum8(x uint64) int {
	x = x&0x00ff00ff00ff00ff + x>>8&0x00ff00ff00ff00ff
	return int(x * 0x0001_0001_0001_0001 >> 48)
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
			t.last[id].time = n
		}
	}
	t.now = n
	clear(t.word)
	clear(t.words)
	clear(t.blocks)
	clear(t.packs)
	for _, l := range t.level {
		clear(l)
	}
	for p := range n {
		t.word[p>>6] |= 1 << (p & 63)
		t.words[p>>9] += 1 << (p >> 6 & 7 * 8)
	}
	for b := range (max(n, 1) - 1) >> 9 { // the last is counted when it is full
		t.add(b, 512)
	}
}
