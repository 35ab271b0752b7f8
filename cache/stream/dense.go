package stream

import "math/bits"

// dense numbers keys in order of first use: open addressing with linear probing,
// key and number side by side, so that a look-up misses the cache once.
type dense struct {
	slots []slot
	shift uint8 // 64 less the table's bits
	n     uint32
}

type slot struct {
	key uint64
	id  uint32 // + 1; 0: free
}

func newDense() *dense { return &dense{slots: make([]slot, 1<<10), shift: 64 - 10} }

// id is the key's number, and whether it is new.
func (d *dense) id(key uint64) (id uint32, fresh bool) {
	mask := uint64(len(d.slots) - 1)
	for i := hash(key) >> d.shift; ; i = (i + 1) & mask {
		s := &d.slots[i]
		switch {
		case s.id == 0:
			d.n++
			*s = slot{key, d.n}
			if int(d.n) > len(d.slots)/2 {
				d.grow()
			}
			return d.n - 1, true
		case s.key == key:
			return s.id - 1, false
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
	d.shift--
	mask := uint64(len(d.slots) - 1)
	for _, s := range old {
		if s.id == 0 {
			continue
		}
		i := hash(s.key) >> d.shift
		for d.slots[i].id != 0 {
			i = (i + 1) & mask
		}
		d.slots[i] = s
	}
}
