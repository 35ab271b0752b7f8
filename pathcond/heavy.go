package pathcond

import (
	"slices"

	"jitnic/pathcond/bv"
)

// Lookup is a look-up of a path in a map that no program writes, at which the
// path parts from others by its key, or may come to.
type Lookup struct {
	Place  uint64    // the same for all paths that agree on everything before it, folded keys apart
	Map    int       // index
	Key    []bv.Term // in chunks of 8 bytes
	At     int       // index into Path.Cond where a predicate about the key belongs: behind those there are
	Folded bool      // the key is a heavy one: the condition fixes it, and its entry's version

	Prog, PC int32 // where it is
}

// IsKey is the predicate that a key, in chunks of 8 bytes, has these bytes.
func (c *Compiler) IsKey(key []bv.Term, is []byte) bv.Term {
	p := c.B.Bool(true)
	for i, k := range chunksOf(is) {
		p = c.B.AndB(p, c.B.Bin(bv.OpEq, key[i], c.B.Const(k, c.B.Width(key[i]))))
	}
	return p
}

// profiledLookup folds a look-up where the key is one of the heavy ones of its
// place, or a constant; else the condition says that it is none of them, and
// the look-up stays.
func (x *exec) profiledLookup(i int, key []bv.Term, concrete []byte, ret uint64) bv.Term {
	constant := true
	for k := range key {
		t := x.f.fixed(key[k])
		_, ok := x.b.IsConst(t)
		constant = constant && ok
	}
	if constant {
		return x.versionedLookup(i, key, concrete, ret)
	}
	for _, t := range key {
		if x.b.Opaque(t) {
			return x.genericLookup(i, key, concrete, ret)
		}
	}
	l := Lookup{Place: x.place64(), Map: i, Key: key, Prog: x.step.Prog, PC: x.step.PC}
	for _, heavy := range x.c.Heavy(l.Place) {
		is := string(concrete) == heavy
		h := x.c.IsKey(key, []byte(heavy))
		if is {
			x.decide(h, true, WhyKey)
			l.Folded, l.At = true, len(x.path.Cond)
			x.path.Lookups = append(x.path.Lookups, l)
			return x.versionedLookup(i, key, concrete, ret)
		}
		x.ask(h, false, WhyKey)
	}
	l.At = len(x.path.Cond)
	x.path.Lookups = append(x.path.Lookups, l)
	return x.genericLookup(i, key, concrete, ret)
}

// place64 hashes the place of a look-up: where the program
// is, and how the path came there but for keys folded on the way.
func (x *exec) place64() uint64 {
	h := x.hash()
	h.add(uint64(x.step.Prog)<<32 | uint64(x.step.PC))
	h.add(uint64(x.looks))
	for _, p := range x.path.Cond {
		if p.Why != WhyVersion && p.Why != WhyKey {
			h.add(uint64(p.Term)<<1 | bv.Bit(p.Want))
		}
	}
	return uint64(h)
}

// Exclude adds to a path's condition that the key of a look-up isn't this one:
// packets that bring it have a path of their own from now on.
func (p *Path) Exclude(l int, h bv.Term) {
	at, look := p.Lookups[l].At, &p.Lookups[l]
	p.Cond = slices.Insert(slices.Clip(p.Cond), at, Pred{Term: h, Why: WhyKey, Prog: look.Prog, PC: look.PC})
	p.shift(at, 1)
	i := slices.IndexFunc(p.Choices, func(c Choice) bool { return int(c.Pred) > at })
	if i < 0 {
		i = len(p.Choices)
	}
	p.Choices = slices.Insert(slices.Clip(p.Choices), i, Choice{Prog: look.Prog, PC: look.PC, Pred: int32(at), Term: h})
}

// Include takes that away again.
func (p *Path) Include(h bv.Term) {
	for i, pr := range p.Cond {
		if pr.Term == h && !pr.Want && pr.Why == WhyKey {
			p.Cond = slices.Delete(slices.Clone(p.Cond), i, i+1)
			p.Choices = slices.DeleteFunc(slices.Clone(p.Choices), func(c Choice) bool { return int(c.Pred) == i })
			p.shift(i+1, -1)
			return
		}
	}
}

// shift moves what is counted in predicates, from one of them on.
func (p *Path) shift(from, by int) {
	for i := range p.Lookups {
		if p.Lookups[i].At >= from {
			p.Lookups[i].At += by
		}
	}
	for i := range p.Choices {
		if c := &p.Choices[i]; int(c.Pred) >= from {
			c.Pred += int32(by)
		}
	}
}
