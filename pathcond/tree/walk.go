package tree

import "jitnic/pathcond"

// Walk is what matching a packet of one path costs in a tree: the nodes that
// are evaluated from the root to the leaf, and the functions of map state called
// on the way (look-ups, presence, counts, routes, room in a ring). What a node
// above has computed is not called again, and a long chain of equalities is one
// node, as Depth counts it.
type Walk struct{ Nodes, Lookups int }

// Walks measures the way to every path in the tree, by path. Where a path has
// several leaves, the longest counts.
func (t *Tree) Walks() map[int32]Walk {
	all := make(map[int32]Walk, t.paths)
	t.measure(t.root, Walk{}, all)
	return all
}

// Walk measures the way to one path; of one that isn't in the tree it has no
// nodes. It looks at the whole tree: for many paths ask Walks.
func (t *Tree) Walk(id int32) (nodes, lookups int) {
	w := t.Walks()[id]
	return w.Nodes, w.Lookups
}

// measure notes the walks to all leaves below r, w being that to r.
func (t *Tree) measure(r ref, w Walk, all map[int32]Walk) {
	if r == none {
		return
	}
	if r.isLeaf() {
		old, ok := all[r.path()]
		if !ok || w.Nodes > old.Nodes || w.Nodes == old.Nodes && w.Lookups > old.Lookups {
			all[r.path()] = w
		}
		return
	}
	n := &t.nodes[r]
	w.Nodes++
	for _, in := range t.code[n.code:n.end] {
		switch in.Op {
		case OpLookup:
			w.Lookups++
		case OpCall:
			switch id, _ := pathcond.FunParts(t.calls[in.K].Fun); id {
			case pathcond.FunLookup, pathcond.FunCount, pathcond.FunFib, pathcond.FunConn, pathcond.FunQuery, pathcond.FunPresent, pathcond.FunRoom:
				w.Lookups++
			}
		}
	}
	if n.table >= 0 {
		c := &t.chains[n.table]
		for _, m := range c.list {
			t.measure(t.nodes[m].yes, w, all)
		}
		t.measure(t.nodes[c.last].no, w, all)
		return
	}
	t.measure(n.yes, w, all)
	t.measure(n.no, w, all)
}
