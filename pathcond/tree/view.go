package tree

import (
	"iter"
	"slices"

	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// What a compiler of the tree needs to see of it. Nodes are never changed and
// never leave: what changes is that an edge to nothing gets a node or a leaf
// (Insert) and that a leaf becomes nothing (Remove).

// Ref is a child: a node (>= 0), nothing (Nothing) or a leaf.
type Ref = int32

// Nothing is an edge that no path takes so far.
const Nothing = Ref(none)

// Leaf is the path of a leaf.
func Leaf(r Ref) (path int32, ok bool) { return ref(r).path(), ref(r).isLeaf() }

// Node is one predicate: run Code, then decide by Test. Slots, Addr, Sh, Mask
// and K are the test's.
type Node struct {
	Term    bv.Term // the predicate itself
	Code    []Insn
	Test    Test
	Sh      uint8
	A, B    uint16
	Addr    uint64
	Mask, K uint64
	Yes, No Ref
	// Cases, where there are any, stand for a whole chain of equalities, of
	// what a TestField or TestEqK compares with K; No is then what is left.
	Cases []Case
}

// Case is one value of a chain.
type Case struct {
	K  uint64
	To Ref
}

// Below gives the paths of the leaves below r, a predicate's yes before its no.
func (t *Tree) Below(r Ref) iter.Seq[int32] {
	return func(yield func(int32) bool) { t.below(r, yield) }
}

func (t *Tree) below(r Ref, yield func(int32) bool) (more bool) {
	if path, ok := Leaf(r); ok {
		return yield(path)
	}
	if r == Nothing {
		return true
	}
	n := t.Node(r)
	for _, c := range n.Cases {
		if !t.below(c.To, yield) {
			return false
		}
	}
	if len(n.Cases) == 0 && !t.below(n.Yes, yield) {
		return false
	}
	return t.below(n.No, yield)
}

// Root is where a walk begins.
func (t *Tree) Root() Ref { return Ref(t.root) }

// Node is node r.
func (t *Tree) Node(r Ref) Node {
	n := &t.nodes[r]
	v := Node{
		Term: t.from[r].term,
		Code: t.code[n.code:n.end], Test: n.test, Sh: n.sh, A: n.a, B: n.b, Addr: n.addr, Mask: n.mask, K: n.k,
		Yes: Ref(n.yes), No: Ref(n.no),
	}
	if n.table >= 0 {
		c := &t.chains[n.table]
		for _, m := range c.list {
			k, _ := t.b.IsConst(t.b.Args(t.from[m].term)[1])
			v.Cases = append(v.Cases, Case{K: k, To: Ref(t.nodes[m].yes)})
		}
		v.No = Ref(t.nodes[c.last].no)
	}
	return v
}

// Call is the call of an OpLookup or OpCall.
func (t *Tree) Call(in *Insn) *Call { return &t.calls[in.K] }

// Env is what conditions are matched in.
func (t *Tree) Env() *pathcond.Env { return t.env }

// Lookups are the look-ups (OpLookup) on the way to a path, in the order a walk
// makes them: the terms of their results. A path to which several ways lead
// that don't make the same ones has none.
func (t *Tree) Lookups(path int32) []bv.Term {
	var all []bv.Term
	for i, parent := range t.leaves[path] {
		var way []bv.Term
		for p := parent; p >= 0; p = t.from[p].parent {
			n := &t.nodes[p]
			code := t.code[n.code:n.end]
			for j := len(code) - 1; j >= 0; j-- {
				if code[j].Op == OpLookup {
					way = append(way, t.from[p].made[j])
				}
			}
		}
		slices.Reverse(way)
		if i > 0 && !slices.Equal(way, all) {
			return nil
		}
		all = way
	}
	return all
}

// OnRemove has f told of every path that is taken out.
func (t *Tree) OnRemove(f func(path int32)) { t.onRemove = append(t.onRemove, f) }
