package match

import (
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// Class says what a predicate asks of a matcher. A predicate of several parts
// has the class of its worst: they stand from what every matcher can do to what
// none does in its key.
type Class uint8

// The classes.
const (
	Equal    Class = iota // bits of the key have given values: masked equality
	NotEqual              // they don't: the complement of one
	Range                 // a number in the key lies between two others
	Table                 // anything else that at most maxTable bits of the key decide
	Relation              // arithmetic over more of them, or bytes at a variable offset
	Latched               // time, random draws, and what of the context the key leaves out
	State                 // maps: presence, values, counts, versions, routes
	Classes  = int(iota)
)

var classNames = [...]string{"equality", "inequality", "range", "table", "relation", "latched", "state"}

func (c Class) String() string { return classNames[c] }

// Ternary says whether entries of value and mask can express it.
func (c Class) Ternary() bool { return c <= Table }

// maxTable bounds the bits of a predicate that is expressed value by value.
const maxTable = 16

// flags say what a term reads.
type flags uint8

const (
	readsState    flags = 1 << iota // maps
	readsLatched                    // latched inputs that are not in the key
	readsVariable                   // packet bytes whose offset depends on the packet
)

// function takes the number of a function apart (see pathcond.FunLoad).
func function(k uint64) uint64 { return k & 0xffff }

// reads says what t reads, and keeps it. Terms are walked as the graph they
// are: written out, a hash function has more nodes than memory.
func (a *Analyser) reads(t bv.Term) flags {
	if f, ok := a.flags[t]; ok {
		return f
	}
	b := a.b
	var f flags
	for _, x := range b.Args(t) {
		f |= a.reads(x)
	}
	switch b.Op(t) {
	case bv.OpInput:
		id := b.K(t)
		switch {
		case id >= pathcond.InVersion:
			f |= readsState
		default:
			if _, _, ok := a.metadata(id); !ok {
				f |= readsLatched
			}
		}
	case bv.OpFun:
		if function(b.K(t)) != pathcond.FunLoad {
			f |= readsState
			break
		}
		base, off := b.SplitAdd(b.Args(t)[0])
		switch {
		case base == 0 && a.isHanded(off): // in the key
		case a.throughHanded(base):
			f |= readsVariable
		case !a.inPacket(off): // a value of a map at a place known or computed
			f |= readsState
		case base != 0:
			f |= readsVariable
		}
	}
	a.flags[t] = f
	return f
}

// lookups counts the calls of map functions in the terms of a condition, each
// once.
func (a *Analyser) lookups(cond []pathcond.Pred) (n int) {
	seen := map[bv.Term]bool{}
	count := func(t bv.Term) bool {
		if a.reads(t)&readsState == 0 {
			return false
		}
		if a.b.Op(t) == bv.OpFun {
			switch function(a.b.K(t)) {
			case pathcond.FunLookup, pathcond.FunCount, pathcond.FunFib, pathcond.FunConn, pathcond.FunQuery, pathcond.FunPresent, pathcond.FunRoom,
				pathcond.FunElem, pathcond.FunKeyAt, pathcond.FunLookupOn, pathcond.FunTimer:
				n++
			}
		}
		return true
	}
	for _, p := range cond {
		a.b.Walk(p.Term, seen, count)
	}
	return n
}

// size counts the operations a predicate computes, shared ones once.
func (a *Analyser) size(t bv.Term) int {
	if n, ok := a.sizes[t]; ok {
		return n
	}
	seen := map[bv.Term]bool{}
	var walk func(t bv.Term)
	walk = func(t bv.Term) {
		if _, constant := a.b.IsConst(t); constant || seen[t] {
			return
		}
		seen[t] = true
		for _, x := range a.b.Args(t) {
			walk(x)
		}
	}
	walk(t)
	a.sizes[t] = len(seen)
	return len(seen)
}
