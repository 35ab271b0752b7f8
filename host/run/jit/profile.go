package jit

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/pathcond"
)

// Specialising where it pays. Every eighth packet whose path is known is
// asked for the keys of its path's look-ups, before it runs. Where one key has
// had nearly all of the packets for a while, and there were enough of them to
// pay for the first packets of the paths it makes, those packets get paths of
// their own, on which the entry is folded; the paths there were keep all other
// keys, their traces and their numbers. When the key's share falls, its paths
// go and the others take its packets back. Nothing here asks what is installed,
// so path numbers are the same for every cache.

// judging says how a look-up's keys are judged.
type judging struct {
	every  uint64 // packets from one sample to the next
	window uint64 // samples of a look-up from one judgement to the next
	heavy  uint64 // of a window: a key is folded from this share on,
	light  uint64 // and no more below this one
	paid   uint64 // packets that pay for one first packet more
}

// usual costs a program 0.2 % of its hits at most, and only keys that nearly all
// packets bring are folded.
var usual = judging{every: 8, window: 64, heavy: 61, light: 32, paid: 512}

const (
	candidates   = 4   // keys counted side by side
	firstPenalty = 16  // windows for which a look-up whose key didn't last is left alone; doubles
	maxKey       = 512 // bytes; longer keys aren't counted
	// An entry that changed twice is left alone for so many packets.
	autoPenalty = 1 << 14
)

// profile counts the keys that packets bring to look-ups.
type profile struct {
	judging
	r      *Runtime
	clock  uint64
	spent  uint64 // first packets of paths that specialising is held to have made
	places map[uint64]*place
	lost   map[int]bool // maps that the program turned out to write
	due    []*place     // whose window is full
	vals   []uint64
	key    [maxKey]byte
}

// place is one look-up, on all paths that agree on everything before it.
type place struct {
	id      uint64
	m       int    // the map's index
	seen    uint64 // samples, in all
	inside  uint64 // in the window
	counts  [candidates]candidate
	heavy   []string // the key that is folded here
	rest    uint64   // windows until the place is judged again
	penalty uint64
}

type candidate struct {
	key string
	n   uint64
}

func newProfile(r *Runtime) *profile {
	return &profile{judging: usual, r: r, places: map[uint64]*place{}, lost: map[int]bool{}}
}

// keys are those worth a path of their own.
func (pf *profile) keys(id uint64) []string {
	if p := pf.places[id]; p != nil {
		return p.heavy
	}
	return nil
}

// sampler is a matcher that looks at the keys of some of the packets it matches.
type sampler struct {
	nic.Matcher
	pf *profile
}

func (m *sampler) Match() nic.Path {
	p := m.Matcher.Match()
	if m.pf.clock++; m.pf.clock%m.pf.every == 0 && p >= 0 && p < nic.Untraceable {
		m.pf.sample(m.pf.r.info[p].Path)
	}
	return p
}

// Batch is nic.Batcher's, for packets of which none is asked (profile.unasked).
func (m *sampler) Batch(in []vm.Input, hits []uint64, after nic.After) (nic.Batch, error) {
	x, ok := m.Matcher.(nic.Batcher)
	if !ok {
		return nic.Batch{}, nil
	}
	b, err := x.Batch(in, hits, after)
	m.pf.clock += uint64(len(b.Paths))
	return b, err
}

// Runs is nic.Batcher's.
func (m *sampler) Runs(p nic.Path) bool {
	x, ok := m.Matcher.(nic.Batcher)
	return ok && x.Runs(p)
}

var _ nic.Batcher = (*sampler)(nil)

// unasked is how many packets come before the next that is asked for its keys.
func (pf *profile) unasked() int { return int(pf.every - 1 - pf.clock%pf.every) }

// sample counts the keys of one packet, which has begun and not run.
func (pf *profile) sample(p *pathcond.Path) {
	for i := range p.Lookups {
		l := &p.Lookups[i]
		n := int(pf.r.S.Maps[l.Map].Spec().KeySize)
		if n > maxKey-8 {
			continue
		}
		at := pf.places[l.Place]
		if at == nil {
			at = &place{id: l.Place, m: l.Map, penalty: firstPenalty}
			if pf.lost[l.Map] {
				at.rest = math.MaxUint64
			}
			pf.places[l.Place] = at
		}
		pf.vals = pf.r.treeOf(p).Values(l.Key, pf.vals[:0])
		for k, v := range pf.vals {
			binary.LittleEndian.PutUint64(pf.key[8*k:], v)
		}
		at.count(pf.key[:n])
		if at.inside >= pf.window {
			pf.due = append(pf.due, at)
		}
	}
}

// count takes one key: Misra and Gries' frequent items, over a window.
func (p *place) count(key []byte) {
	p.seen++
	p.inside++
	free := -1
	for i := range p.counts {
		c := &p.counts[i]
		if c.n > 0 && c.key == string(key) {
			c.n++
			return
		}
		if c.n == 0 {
			free = i
		}
	}
	if free >= 0 {
		c := &p.counts[free]
		if c.key != string(key) {
			c.key = string(key)
		}
		c.n = 1
		return
	}
	for i := range p.counts {
		p.counts[i].n--
	}
}

// judge looks at the places whose window is full. It is called between packets.
func (pf *profile) judge() error {
	for _, p := range pf.due {
		if p.inside < pf.window {
			continue // twice on the list
		}
		top := p.counts[0]
		for _, c := range p.counts[1:] {
			if c.n > top.n {
				top = c
			}
		}
		var share uint64
		for _, c := range p.counts {
			if len(p.heavy) > 0 && c.n > 0 && c.key == p.heavy[0] {
				share = c.n
			}
		}
		p.inside = 0
		for i := range p.counts {
			p.counts[i].n = 0
		}
		switch {
		case p.rest > 0:
			p.rest--
		case len(p.heavy) > 0 && share < pf.light:
			if err := pf.give(p); err != nil {
				return err
			}
		case len(p.heavy) == 0 && top.n >= pf.heavy:
			if err := pf.take(p, top.key); err != nil {
				return err
			}
		}
	}
	pf.due = pf.due[:0]
	return nil
}

// through calls f for every path, dead ones too, that goes through a place.
func (pf *profile) through(id uint64, f func(leaf nic.Path, p *pathcond.Path, l int) error) error {
	at := func(leaf nic.Path, p *pathcond.Path) error {
		l := slices.IndexFunc(p.Lookups, func(l pathcond.Lookup) bool { return l.Place == id })
		if l < 0 {
			return nil
		}
		return f(leaf, p, l)
	}
	for i, info := range pf.r.info {
		if info.gone {
			continue
		}
		if err := at(nic.Path(i), info.Path); err != nil {
			return err
		}
	}
	for i, d := range pf.r.dead {
		if d.Path == nil {
			continue
		}
		if err := at(nic.Untraceable+nic.Path(i), d.Path); err != nil {
			return err
		}
	}
	return nil
}

// take gives the packets that bring a key to a place paths of their own, if
// they pay for them.
func (pf *profile) take(p *place, key string) error {
	paths := uint64(0)
	pf.through(p.id, func(nic.Path, *pathcond.Path, int) error { paths++; return nil })
	if p.seen*pf.every < paths*pf.paid || (pf.spent+paths)*pf.paid > pf.clock {
		return nil
	}
	pf.spent += paths
	p.heavy = []string{key}
	return pf.through(p.id, func(leaf nic.Path, path *pathcond.Path, l int) error {
		t := pf.r.treeOf(path)
		t.Remove(path, leaf)
		path.Exclude(l, pf.r.Comp.IsKey(path.Lookups[l].Key, []byte(key)))
		return t.Insert(path, leaf)
	})
}

// written leaves a map alone that the program turned out to write.
func (pf *profile) written(m int) error {
	pf.lost[m] = true
	for _, id := range slices.Sorted(maps.Keys(pf.places)) {
		p := pf.places[id]
		if p.m != m {
			continue
		}
		if len(p.heavy) > 0 {
			if err := pf.give(p); err != nil {
				return err
			}
		}
		p.rest = math.MaxUint64
	}
	return nil
}

// give lets the paths there are have the packets of a place's heavy key back.
func (pf *profile) give(p *place) error {
	key := p.heavy[0]
	p.heavy = nil
	p.rest, p.penalty = p.penalty, 2*p.penalty
	var drop []nic.Path
	var dead []nic.Path
	pf.through(p.id, func(leaf nic.Path, path *pathcond.Path, l int) error {
		if path.Lookups[l].Folded {
			if n, isDead := Leaf(leaf); isDead {
				dead = append(dead, nic.Path(n))
			} else {
				drop = append(drop, leaf)
			}
		}
		return nil
	})
	if err := pf.r.drop(drop, false); err != nil {
		return err
	}
	for _, n := range dead {
		pf.r.exhume(n)
	}
	return pf.through(p.id, func(leaf nic.Path, path *pathcond.Path, l int) error {
		t := pf.r.treeOf(path)
		t.Remove(path, leaf)
		path.Include(pf.r.Comp.IsKey(path.Lookups[l].Key, []byte(key)))
		return t.Insert(path, leaf)
	})
}
