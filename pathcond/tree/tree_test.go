package tree

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
)

// emptyState is a state without maps, on which a packet of n bytes has begun.
func emptyState(t testing.TB, n int) *vm.State {
	t.Helper()
	s := must.Get(vm.NewState(&loader.Object{}, vm.Options{}))(t)
	t.Cleanup(func() { s.Close() })
	must.OK(t, s.Begin(&vm.Input{Data: make([]byte, n)}))
	return s
}

// field is n bytes of the packet at a fixed offset, as a term.
func field(b *bv.Builder, s *vm.State, off uint64, n int) bv.Term {
	return b.Fun(pathcond.FunLoad, 8*n, bv.Fact{}, b.Const(s.Buf+vm.Headroom+off, 64))
}

// manyPaths makes a tree of n paths: 16 protocols by one field each of 64 ports
// by a second, and below them a decision on one bit after the other, as the
// paths of a program with many independent branches have them.
func manyPaths(t testing.TB, n int) (*Tree, *vm.State, [][]byte) {
	s := emptyState(t, 64)
	b := bv.NewBuilder()
	tree := New(b, &pathcond.Env{S: s})
	rng := rand.New(rand.NewPCG(1, 2))
	proto, port, bitsField := field(b, s, 12, 2), field(b, s, 36, 2), field(b, s, 40, 4)
	var pkts [][]byte
	for id := 0; id < n; id++ {
		var cond []pathcond.Pred
		pkt := make([]byte, 64)
		p, q, rest := id%16, id/16%64, id/1024
		for k := 0; k <= p; k++ {
			cond = append(cond, pathcond.Pred{Term: b.Bin(bv.OpEq, proto, b.Const(uint64(k), 16)), Want: k == p})
		}
		for k := 0; k <= q; k++ {
			cond = append(cond, pathcond.Pred{Term: b.Bin(bv.OpEq, port, b.Const(uint64(k), 16)), Want: k == q})
		}
		for k := 0; 1024<<k < n; k++ {
			bit := b.Extract(bitsField, k, 1)
			cond = append(cond, pathcond.Pred{Term: bit, Want: rest>>k&1 == 1})
		}
		binary.LittleEndian.PutUint16(pkt[12:], uint16(p))
		binary.LittleEndian.PutUint16(pkt[36:], uint16(q))
		binary.LittleEndian.PutUint32(pkt[40:], uint32(rest))
		must.OK(t, tree.Insert(&pathcond.Path{Cond: cond}, int32(id)))
		if len(pkts) < 4096 || rng.IntN(n) < 4096 {
			pkts = append(pkts, pkt)
		}
	}
	rng.Shuffle(len(pkts), func(i, j int) { pkts[i], pkts[j] = pkts[j], pkts[i] })
	return tree, s, pkts
}

func id(pkt []byte) int32 {
	return int32(binary.LittleEndian.Uint16(pkt[12:])) + 16*int32(binary.LittleEndian.Uint16(pkt[36:])) + 1024*int32(binary.LittleEndian.Uint32(pkt[40:]))
}

// A packet matches the path it was made for, and matching allocates nothing.
func TestMatchManyPaths(t *testing.T) {
	tree, s, pkts := manyPaths(t, 5000)
	for _, p := range pkts {
		must.OK(t, s.Begin(&vm.Input{Data: p}))
		if got := tree.Match(); got != id(p) {
			t.Fatalf("packet of path %d matches %d", id(p), got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { tree.Match() }); n != 0 {
		t.Errorf("a match allocates %v times", n)
	}
	if tree.Paths() != 5000 {
		t.Errorf("%d paths", tree.Paths())
	}
}

// A condition that can hold together with another is refused.
func TestInsertRefusesOverlap(t *testing.T) {
	s := emptyState(t, 64)
	b := bv.NewBuilder()
	tree := New(b, &pathcond.Env{S: s})
	is := func(off, v uint64) pathcond.Pred {
		return pathcond.Pred{Term: b.Bin(bv.OpEq, field(b, s, off, 1), b.Const(v, 8)), Want: true}
	}
	must.OK(t, tree.Insert(&pathcond.Path{Cond: []pathcond.Pred{is(0, 1)}}, 0))
	if err := tree.Insert(&pathcond.Path{Cond: []pathcond.Pred{is(1, 1)}}, 1); err == nil {
		t.Error("pkt[1] == 1 overlaps pkt[0] == 1 and was inserted")
	}
	if err := tree.Insert(&pathcond.Path{Cond: []pathcond.Pred{is(0, 2)}}, 2); err != nil {
		t.Errorf("pkt[0] == 2: %v", err)
	}
}

// BenchmarkMatch is one walk of the guard tree by number of traces.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tree, s, pkts := manyPaths(b, n)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				// Only the bytes that differ: the packet stays begun.
				p := pkts[i%len(pkts)]
				copy(s.Mem.B[s.Data:], p[:44])
				if tree.Match() < 0 {
					b.Fatal("no match")
				}
			}
			b.ReportMetric(float64(tree.Depth()), "depth")
		})
	}
}

// The simplifier writes x - y == 0 as x == y. A path that has it and one with
// x - y == 7 are disjoint, whichever comes first.
func TestDifferencesAreDisjoint(t *testing.T) {
	for _, order := range [][2]uint64{{0, 7}, {7, 0}} {
		s := emptyState(t, 64)
		b := bv.NewBuilder()
		tree := New(b, &pathcond.Env{S: s})
		x, y := field(b, s, 12, 2), field(b, s, 36, 2)
		for id, c := range order {
			eq := b.Bin(bv.OpEq, b.Bin(bv.OpSub, x, y), b.Const(c, 16))
			if err := tree.Insert(&pathcond.Path{Cond: []pathcond.Pred{{Term: eq, Want: true}}}, int32(id)); err != nil {
				t.Errorf("differences %v: %v", order, err)
			}
		}
	}
}
