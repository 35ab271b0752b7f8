package tree

import (
	"fmt"
	"slices"

	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// Tree holds the conditions of many paths of one program as one decision tree:
// matching a packet is one walk from the root to a leaf, whatever the number of
// paths. Paths of one program agree on their next predicate as long as they
// have agreed on the outcomes so far, so in program order they form a tree of
// themselves; nodes that a path decides without naming (the fixed values of a
// variable offset) are passed by what the path implies.
type Tree struct {
	b     *bv.Builder
	env   *pathcond.Env
	ev    *bv.Evaluator
	nodes []node
	from  []origin // by node
	code  []Insn
	root  ref
	paths int

	val    []uint64           // slots
	above  map[bv.Term]uint16 // those that the nodes from the root to lowest fill
	lowest int32              // the node made last
	calls  []Call
	chains []chain
	args   []uint64
	key    [512]byte

	leaves   map[int32][]int32 // by path: the nodes its leaves hang at, -1 for the root
	onRemove []func(path int32)
}

// ref is a child: a node (>= 0), nothing (none) or a leaf (-2 - path).
type ref int32

const none = ref(-1)

func leaf(path int32) ref  { return ref(-2 - path) }
func (r ref) isLeaf() bool { return r <= -2 }
func (r ref) path() int32  { return int32(-2 - r) }
func (t *Tree) child(n int32, v bool) *ref {
	if v {
		return &t.nodes[n].yes
	}
	return &t.nodes[n].no
}

// node is one predicate of the tree: what a walk touches, 56 bytes.
type node struct {
	test  Test
	sh    uint8
	a, b  uint16 // slots the test compares
	yes   ref
	no    ref
	code  int32 // its code: Tree.code[code:end]
	end   int32
	table int32 // of a long chain's head: index into Tree.chains, else -1
	addr  uint64
	mask  uint64
	k     uint64
}

// origin is the rest of a node: what building the tree needs.
type origin struct {
	term   bv.Term
	parent int32
	chain  int32     // the chain of equality nodes it belongs to, or -1
	next   uint16    // first slot free below
	made   []bv.Term // what the code computes
}

// chain is a run of nodes x == k1, x == k2, … along no edges. A long one is
// answered by a table.
type chain struct {
	x     bv.Term
	list  []int32          // its nodes from the head on
	table map[uint64]int32 // value to node, from tableAt nodes on
	last  int32            // the last node, where there is a table
}

const tableAt = 6

// New returns an empty tree of b's conditions, matched in env.
func New(b *bv.Builder, env *pathcond.Env) *Tree {
	return &Tree{b: b, env: env, ev: bv.NewEvaluator(b, env), root: none, leaves: map[int32][]int32{}}
}

// Paths is the number of leaves, Nodes that of predicates.
func (t *Tree) Paths() int { return t.paths }
func (t *Tree) Nodes() int { return len(t.nodes) }

// Insert adds a path's condition with the number to return when it holds. It
// fails if the condition can hold together with another path's.
func (t *Tree) Insert(p *pathcond.Path, id int32) error {
	if err := t.insert(&t.root, -1, false, once(p.Cond), entry{p.Cond, t.facts(p), id}); err != nil {
		t.remove(&t.root, t.facts(p), id) // where it was put before the overlap was found
		delete(t.leaves, id)
		return err
	}
	t.paths++
	return nil
}

// once is a condition in which each predicate stands once: of keys that aren't the
// heavy ones of a look-up it may say the same for several (pathcond.Path.Exclude).
func once(cond []pathcond.Pred) []pathcond.Pred {
	seen := make(map[bv.Term]bool, len(cond))
	return slices.DeleteFunc(slices.Clone(cond), func(p pathcond.Pred) bool {
		again := seen[p.Term]
		seen[p.Term] = true
		return again
	})
}

// facts are what a path's condition says.
func (t *Tree) facts(p *pathcond.Path) *pathcond.Facts {
	f := pathcond.NewFacts(t.b)
	for _, pr := range p.Cond {
		f.Learn(pr.Term, pr.Want)
	}
	return f
}

// Find gives the number of the path in the tree whose condition a path's implies;
// of one the tree doesn't know, false.
func (t *Tree) Find(p *pathcond.Path) (id int32, ok bool) {
	return t.find(t.root, t.facts(p))
}

func (t *Tree) find(r ref, f *pathcond.Facts) (id int32, ok bool) {
	for r >= 0 {
		v, known := f.Known(t.from[r].term)
		if !known { // the path says nothing of this predicate: it stands on both sides
			if id, ok := t.find(*t.child(int32(r), true), f); ok {
				return id, true
			}
		}
		r = *t.child(int32(r), v)
	}
	if r == none {
		return 0, false
	}
	return r.path(), true
}

// maxSlots bounds the values one walk may compute.
const maxSlots = 1 << 15

// errSlots is the error of a condition that needs more.
var errSlots = fmt.Errorf("pathcond: the conditions of a path compute more than %d values", maxSlots)

// entry is a path to be added: its condition, what that says, and its number.
type entry struct {
	cond  []pathcond.Pred
	facts *pathcond.Facts
	id    int32
}

// insert adds the rest of a condition below the edge (parent, side); at is the
// edge itself.
func (t *Tree) insert(at *ref, parent int32, side bool, rest []pathcond.Pred, p entry) error {
	for {
		r := *at
		if r.isLeaf() {
			if r.path() == p.id {
				return nil
			}
			return fmt.Errorf("pathcond: conditions of paths %d and %d overlap", r.path(), p.id)
		}
		if r == none {
			break
		}
		n := int32(r)
		term := t.from[n].term
		v, known := p.facts.Known(term)
		if known {
			rest = without(rest, term)
		} else {
			// The path says nothing of this predicate: it goes both ways that it can.
			if t.possible(n, true, p.cond) {
				if err := t.insert(t.child(n, true), n, true, rest, p); err != nil {
					return err
				}
			}
			if !t.possible(n, false, p.cond) {
				return nil
			}
		}
		parent, side = n, v
		at = t.child(n, v)
	}
	for _, pr := range rest {
		if parent >= 0 && t.from[parent].next > maxSlots {
			return errSlots
		}
		n := t.newNode(pr.Term, parent, side)
		*t.edge(parent, side) = ref(n)
		parent, side = n, pr.Want
	}
	*t.edge(parent, side) = leaf(p.id)
	t.leaves[p.id] = append(t.leaves[p.id], parent)
	return nil
}

// possible says whether a condition may hold where node n's predicate has value v: no
// predicate of it is otherwise by that alone. A condition that has a value of two ways
// taken together be one number is in a form that says nothing of the form for another
// number, until that is taken apart: not (long and k != 3) of long and k == 5.
func (t *Tree) possible(n int32, v bool, cond []pathcond.Pred) bool {
	f := pathcond.NewFacts(t.b)
	f.Learn(t.from[n].term, v)
	return !slices.ContainsFunc(cond, func(pr pathcond.Pred) bool {
		is, ok := f.Known(pr.Term)
		return ok && is != pr.Want
	})
}

// without leaves out the predicate that a walk has just asked.
func without(rest []pathcond.Pred, term bv.Term) []pathcond.Pred {
	for i := range rest {
		if rest[i].Term != term {
			continue
		}
		if i == 0 {
			return rest[1:]
		}
		return append(append([]pathcond.Pred{}, rest[:i]...), rest[i+1:]...)
	}
	return rest
}

func (t *Tree) edge(parent int32, side bool) *ref {
	if parent < 0 {
		return &t.root
	}
	return t.child(parent, side)
}

// newNode makes a node for the predicate, to hang at (parent, side).
func (t *Tree) newNode(p bv.Term, parent int32, side bool) int32 {
	n := node{yes: none, no: none, table: -1}
	o := origin{term: p, parent: parent, chain: -1}
	next := t.slotsAbove(parent)
	t.lower(&n, &o, t.above, next)
	id := int32(len(t.nodes))
	t.lowest = id
	t.nodes = append(t.nodes, n)
	t.from = append(t.from, o)
	b := t.b
	if b.Op(p) != bv.OpEq {
		return id
	}
	args := b.Args(p)
	if _, isConst := b.IsConst(args[1]); !isConst {
		return id
	}
	if parent >= 0 && !side {
		if ci := t.from[parent].chain; ci >= 0 {
			if c := &t.chains[ci]; c.x == args[0] && c.list[len(c.list)-1] == parent {
				c.list = append(c.list, id)
				t.from[id].chain = ci
				t.updateTable(ci)
				return id
			}
		}
	}
	t.from[id].chain = int32(len(t.chains))
	t.chains = append(t.chains, chain{x: args[0], list: []int32{id}})
	return id
}

// updateTable takes the last node of a chain into its table.
func (t *Tree) updateTable(ci int32) {
	c := &t.chains[ci]
	add := c.list[len(c.list)-1:]
	if len(c.list) < tableAt {
		return
	}
	if c.table == nil {
		c.table = make(map[uint64]int32, 2*len(c.list))
		add = c.list
		t.nodes[c.list[0]].table = ci
	}
	for _, n := range add {
		k, _ := t.b.IsConst(t.b.Args(t.from[n].term)[1])
		c.table[k] = n
	}
	c.last = c.list[len(c.list)-1]
}

// slotsAbove makes t.above the slots that the nodes from the root to parent fill, and
// gives the first that is free. It knows them where parent is the node made last.
func (t *Tree) slotsAbove(parent int32) (next uint16) {
	if parent >= 0 {
		next = t.from[parent].next
		if parent == t.lowest {
			return next
		}
	}
	if t.above == nil {
		t.above = map[bv.Term]uint16{}
	}
	clear(t.above)
	for p := parent; p >= 0; p = t.from[p].parent {
		n := &t.from[p]
		for i, x := range n.made {
			t.above[x] = n.next - uint16(len(n.made)) + uint16(i)
		}
	}
	return next
}

// Holds evaluates a condition by itself, predicate by predicate.
func (t *Tree) Holds(cond []pathcond.Pred) bool {
	t.ev.Reset()
	for _, p := range cond {
		if (t.ev.Eval(p.Term) != 0) != p.Want {
			return false
		}
	}
	return true
}

// Values evaluates terms for the packet that has begun, into out: nothing may
// have been written since.
func (t *Tree) Values(terms []bv.Term, out []uint64) []uint64 {
	t.ev.Reset()
	for _, x := range terms {
		out = append(out, t.ev.Eval(x))
	}
	return out
}

// Remove takes a path out. Its predicates stay until the tree is rebuilt.
func (t *Tree) Remove(p *pathcond.Path, id int32) {
	t.remove(&t.root, t.facts(p), id)
	t.paths--
	delete(t.leaves, id)
	for _, f := range t.onRemove {
		f(id)
	}
}

func (t *Tree) remove(at *ref, f *pathcond.Facts, id int32) {
	for {
		r := *at
		if r.isLeaf() {
			if r.path() == id {
				*at = none
			}
			return
		}
		if r == none {
			return
		}
		n := int32(r)
		v, ok := f.Known(t.from[n].term)
		if !ok {
			t.remove(t.child(n, true), f, id)
			v = false
		}
		at = t.child(n, v)
	}
}

// Depth is the number of predicates evaluated on the longest walk.
func (t *Tree) Depth() int {
	var walk func(r ref) int
	walk = func(r ref) int {
		if r < 0 {
			return 0
		}
		n := &t.nodes[r]
		if n.table >= 0 {
			c := &t.chains[n.table]
			d := walk(t.nodes[c.last].no)
			for _, m := range c.list {
				d = max(d, walk(t.nodes[m].yes))
			}
			return d + 1
		}
		return 1 + max(walk(n.yes), walk(n.no))
	}
	return walk(t.root)
}
