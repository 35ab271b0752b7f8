package stream

import "math/bits"

// dense numbers keys in order of first use: open addressing with linear probing,
// key, number and size side by side, so that a look-up misses the cache once.
type dense struct {
	slots []slot
	shift uint8 // 64 less the table's bits
	n     uint32
}

type slot struct {
	key uint64
	id  uint32 // + 1; 0: free
	// size is what was asked for first, for who notes it.
	size uint32
}

func newDense() *dense { return &dense{slots: make([]slot, 1<<10), shift: 64 - 10} }

// id is the key's number, and whether it is new.
func (d *dense) id(key uint64) (id uint32, fresh bool) {
	s, fresh := d.slot(key)
	return s.id - 1, fresh
}

// slot is where the key stands, good until the next one is asked for, and whether
// it is new.
func (d *dense) slot(key uint64) (s *slot, fresh bool) {
	mask := uint64(len(d.slots) - 1)
	for i := hash(key) >> d.shift; ; i = (i + 1) & mask {
		s := &d.slots[i]
		switch {
		case s.id == 0:
			d.n++
			if int(d.n) > len(d.slots)/2 {
				d.grow()
				s = d.free(key)
			}
			*s = slot{key: key, id: d.n}
			return s, true
		case s.key == key:
			return s, false
		}
	}
}

// hash spreads keys that differ in few bits, as block numbers do, over all.
func hash(key uint64) uint64 {
	hi, lo := bits.Mul64(key^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hi ^ lo
}

func (d *dense) grow() {
	old := d.slots
	d.slots = make([]slot, 2*len(old))
	for i := 0; i < len(d.slots); i += pageSlots {
		d.slots[i] = slot{}
	}
	d.shift--
	for _, s := range old {
		if s.id != 0 {
			*d.free(s.key) = s
		}
	}
}

// pageSlots is how many slots a page has. Fresh memory that is looked at before it is
// written to is got twice, the second time with a word to all cores.
const pageSlots = 4096 / 16

// near brings the slots of keys into the caches: their look-ups then don't wait for
// memory one after the other. What it returns means nothing.
func (d *dense) near(keys []uint64) (any uint32) {
	for _, k := range keys {
		any ^= d.slots[hash(k)>>d.shift].id
	}
	return any
}

// free is a free slot for a key that has none.
func (d *dense) free(key uint64) *slot {
	mask := uint64(len(d.slots) - 1)
	i := hash(key) >> d.shift
	for d.slots[i].id != 0 {
		i = (i + 1) & mask
	}
	return &d.slots[i]
}
