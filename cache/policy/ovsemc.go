package policy

import (
	"math/bits"

	"jitnic/pcaps/splitmix"
)

// ovsEMC is the exact match cache of Open vSwitch's userspace datapath
// (lib/dpif-netdev.c): a table in which an entry may stand in two places, by
// two parts of its hash. A miss is put in only with probability 1/n (the
// option emc-insert-inv-prob, 100 by default), in a free place of the two or
// else in the one whose entry has the smaller hash. A hit changes nothing.
//
// On a slot budget a place has 256 slots (or the budget, if that is less);
// larger entries are refused.
type ovsEMC struct {
	base
	place      []uint32 // ids; noEntry: free
	at         []uint32 // per id: place + 1
	placeSlots uint64
	seed       uint64
	rng        rng
	inverse    uint32
}

func newOVSEMC(c Config, inverse int) Policy {
	p := &ovsEMC{base: newBase(c), at: make([]uint32, c.IDs), placeSlots: 1, seed: splitmix.Mix(c.Seed ^ 0x656d63), rng: rng(c.Seed), inverse: uint32(inverse)}
	if c.Sized {
		p.placeSlots = min(256, c.Capacity)
	}
	p.place = make([]uint32, c.Capacity/p.placeSlots)
	for i := range p.place {
		p.place[i] = noEntry
	}
	return p
}

func (p *ovsEMC) Contains(id uint32) bool { return int(id) < len(p.at) && p.at[id] != 0 }
func (p *ovsEMC) Access(id uint32) bool   { return p.Contains(id) }

func (p *ovsEMC) hash(id uint32) uint64 { return splitmix.Mix(uint64(id) + p.seed) }

func (p *ovsEMC) Insert(id, size, _ uint32, evicted []uint32) []uint32 {
	if uint64(size) > p.placeSlots || p.rng.below(p.inverse) != 0 {
		return evicted
	}
	h := p.hash(id)
	best := -1
	for _, part := range [2]uint64{h & 0xffffffff, h >> 32} {
		hi, _ := bits.Mul64(part<<32, uint64(len(p.place)))
		i := int(hi)
		switch {
		case p.place[i] == noEntry:
			best = i
		case best < 0 || p.place[best] != noEntry && p.hash(p.place[i]) < p.hash(p.place[best]):
			best = i
			continue
		default:
			continue
		}
		break
	}
	if v := p.place[best]; v != noEntry {
		p.take(v)
		evicted = append(evicted, v)
	}
	p.place[best] = id
	p.at = fit(p.at, id)
	p.at[id] = uint32(best + 1)
	p.add(id, size)
	return evicted
}

// makeRoom has nothing to do: a place is an entry's alone.
func (p *ovsEMC) makeRoom(_ uint64, evicted []uint32) []uint32 { return evicted }

func (p *ovsEMC) Resize(id, size uint32, evicted []uint32) []uint32 {
	if p.sized && uint64(size) > p.placeSlots {
		p.take(id)
		return append(evicted, id)
	}
	return resize(p, id, size, evicted)
}

func (p *ovsEMC) take(id uint32) {
	p.place[p.at[id]-1] = noEntry
	p.at[id] = 0
	p.sub(id)
}

func (p *ovsEMC) Remove(id uint32) bool {
	if !p.Contains(id) {
		return false
	}
	p.take(id)
	return true
}
