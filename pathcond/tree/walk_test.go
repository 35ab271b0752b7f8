package tree

import (
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"

	cebpf "github.com/cilium/ebpf"
)

// The walks of a tree of 16 protocols by 64 ports: a chain of six equalities
// or more is one node, the bits below are one node each.
func TestWalks(t *testing.T) {
	tree, _, _ := manyPaths(t, 5000)
	walks := tree.Walks()
	if len(walks) != 5000 {
		t.Fatalf("%d walks of 5000 paths", len(walks))
	}
	longest := 0
	for id, w := range walks {
		// The protocols and the ports are a chain each, and the bits are those
		// that tell 0 to 4 apart, three.
		if w.Nodes != 5 || w.Lookups != 0 {
			t.Fatalf("path %d: %+v, want 5 nodes", id, w)
		}
		longest = max(longest, w.Nodes)
	}
	if longest != tree.Depth() {
		t.Errorf("longest walk %d, depth %d", longest, tree.Depth())
	}
	if n, l := tree.Walk(17); n != 5 || l != 0 {
		t.Errorf("Walk(17) = %d, %d", n, l)
	}
	if n, _ := tree.Walk(5000); n != 0 {
		t.Errorf("a path that isn't there has %d nodes", n)
	}
}

// A look-up that a node above has made is not made again; the third node's
// is of another key.
func TestWalkLookups(t *testing.T) {
	spec := &maps.Spec{Name: "flows", Type: cebpf.Hash, KeySize: 4, ValueSize: 4, Max: 8}
	s := must.Get(vm.NewState(&loader.Object{Maps: []*maps.Spec{spec}}, vm.Options{}))(t)
	t.Cleanup(func() { s.Close() })
	b := bv.NewBuilder()
	tree := New(b, &pathcond.Env{S: s})
	found := func(off uint64) bv.Term {
		return b.Fun(pathcond.Fun(pathcond.FunLookup, 0), 64, bv.Fact{}, b.ZExt(field(b, s, off, 4), 64))
	}
	value := b.Fun(pathcond.FunLoad, 32, bv.Fact{}, found(26))
	cond := []pathcond.Pred{
		{Term: b.Bin(bv.OpEq, found(26), b.Const(0, 64)), Want: false},
		{Term: b.Bin(bv.OpEq, value, b.Const(1, 32)), Want: true},
		{Term: b.Bin(bv.OpEq, found(30), b.Const(0, 64)), Want: false},
	}
	must.OK(t, tree.Insert(&pathcond.Path{Cond: cond}, 3))
	if n, l := tree.Walk(3); n != 3 || l != 2 {
		t.Errorf("%d nodes and %d look-ups, want 3 and 2", n, l)
	}
}
