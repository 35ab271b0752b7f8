package native

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/vm"
	"jitnic/nic/native/asm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/tree"
)

// forest is a State on which a packet has begun, and terms over its bytes.
type forest struct {
	s *vm.State
	b *bv.Builder
	t *tree.Tree
	m *Matcher
}

func newForest(t testing.TB) *forest {
	t.Helper()
	s := must.Get(vm.NewState(&loader.Object{}, vm.Options{}))(t)
	t.Cleanup(func() { s.Close() })
	must.OK(t, s.Begin(&vm.Input{Data: make([]byte, 64)}))
	f := &forest{s: s, b: bv.NewBuilder()}
	f.t = tree.New(f.b, &pathcond.Env{S: s, Versions: pathcond.NewVersions()})
	f.m = NewMatcher(NewMachine(s, memory(t)), f.t)
	return f
}

// field is n bytes of the packet at a fixed offset.
func (f *forest) field(off uint64, n int) bv.Term {
	return f.b.Fun(pathcond.FunLoad, 8*n, bv.Fact{}, f.b.Const(f.s.Buf+vm.Headroom+off, 64))
}

// path adds path id of n: 16 protocols by one field, each of 64 ports by a
// second, and below them one bit after the other. It gives the packet's bytes.
func (f *forest) path(t testing.TB, id, n int) []byte {
	t.Helper()
	b := f.b
	proto, port, word := f.field(12, 2), f.field(36, 2), f.field(40, 4)
	p, q, rest := id%16, id/16%64, id/1024
	var cond []pathcond.Pred
	for k := 0; k <= p; k++ {
		cond = append(cond, pathcond.Pred{Term: b.Bin(bv.OpEq, proto, b.Const(uint64(k), 16)), Want: k == p})
	}
	for k := 0; k <= q; k++ {
		cond = append(cond, pathcond.Pred{Term: b.Bin(bv.OpEq, port, b.Const(uint64(k), 16)), Want: k == q})
	}
	for k := 0; 1024<<k < n; k++ {
		cond = append(cond, pathcond.Pred{Term: b.Extract(word, k, 1), Want: rest>>k&1 == 1})
	}
	must.OK(t, f.t.Insert(&pathcond.Path{Cond: cond}, int32(id)))
	pkt := make([]byte, 64)
	binary.LittleEndian.PutUint16(pkt[12:], uint16(p))
	binary.LittleEndian.PutUint16(pkt[36:], uint16(q))
	binary.LittleEndian.PutUint32(pkt[40:], uint32(rest))
	return pkt
}

// TestMatcher grows a tree while packets are matched, and takes paths out: what
// code says is what the tree in Go says, and in the end it is code that says it.
func TestMatcher(t *testing.T) {
	f := newForest(t)
	r := rand.New(rand.NewPCG(11, 12))
	const n = 3000
	var pkts [][]byte
	check := func(pkt []byte) {
		t.Helper()
		must.OK(t, f.s.Begin(&vm.Input{Data: pkt}))
		if want, got := f.t.Match(), f.m.Match(); want != got {
			t.Fatalf("%x: path %d, as machine code %d", pkt, want, got)
		}
	}
	for _, id := range r.Perm(n) {
		pkts = append(pkts, f.path(t, id, n))
		check(pkts[len(pkts)-1])
		for range 3 {
			pkt := append([]byte(nil), pkts[r.IntN(len(pkts))]...)
			check(pkt)
			pkt[12+r.IntN(32)] ^= 1 << r.IntN(8)
			check(pkt)
		}
	}
	// Packets that code doesn't know yet pay for its being made anew.
	for pass := 0; ; pass++ {
		walked := f.m.Walked
		for _, pkt := range pkts {
			check(pkt)
		}
		if f.m.Walked == walked {
			break
		}
		if pass == 100 {
			t.Fatalf("%d of %d known packets are still walked in Go", f.m.Walked-walked, n)
		}
	}
	if f.m.Made < 2 || f.m.Made > 16 {
		t.Errorf("code was made %d times while the tree grew to %d paths", f.m.Made, n)
	}
	if a := testing.AllocsPerRun(100, func() { f.m.Match() }); a != 0 {
		t.Errorf("a match allocates %v", a)
	}
	if f.m.m.Mem.Used() > 2<<20 {
		t.Errorf("%d bytes of code", f.m.m.Mem.Used())
	}
}

// TestExact has trees whose paths are fields with certain values, among others that
// are the rest of a chain, ask for a length, or hang below a value that is no field's.
func TestExact(t *testing.T) {
	for round := range 20 {
		f := newForest(t)
		b := f.b
		r := rand.New(rand.NewPCG(uint64(round), 5))
		x, y, z := f.field(12, 2), f.field(23, 1), f.field(36, 8)
		id := int32(0)
		insert := func(cond ...pathcond.Pred) {
			must.OK(t, f.t.Insert(&pathcond.Path{Cond: cond}, id))
			id++
		}
		is := func(t bv.Term, k, w int, want bool) pathcond.Pred {
			return pathcond.Pred{Term: b.Bin(bv.OpEq, t, b.Const(uint64(k), w)), Want: want}
		}
		odd := b.Bin(bv.OpULt, b.Bin(bv.OpMul, x, b.Const(77, 16)), b.Const(30000, 16))
		var start []pathcond.Pred
		if round%3 == 1 {
			start = append(start, pathcond.Pred{Term: odd, Want: true})
			insert(pathcond.Pred{Term: odd, Want: false})
		}
		xs := start
		for i := range 12 {
			ys := append(slices.Clone(xs), is(x, 3*i, 16, true))
			for k := range 1 + r.IntN(14) {
				zs := append(slices.Clone(ys), is(y, 2*k, 8, true))
				switch r.IntN(4) {
				case 0:
					insert(append(slices.Clone(zs), pathcond.Pred{Term: b.Extract(z, 3, 1), Want: true})...)
					if r.IntN(2) == 0 {
						insert(append(slices.Clone(zs), pathcond.Pred{Term: b.Extract(z, 3, 1), Want: false})...)
					}
				case 1:
					insert(append(slices.Clone(zs), pathcond.Pred{Term: b.Bin(bv.OpULt, b.Extract(z, 0, 8), b.Const(100, 8)), Want: true})...)
				default:
					insert(zs...)
				}
				ys = append(ys, is(y, 2*k, 8, false))
			}
			if r.IntN(2) == 0 {
				insert(ys...)
			}
			xs = append(slices.Clone(xs), is(x, 3*i, 16, false))
		}
		insert(xs...)
		f.m.make()
		if f.m.off != nil {
			t.Fatal(f.m.off)
		}
		found := 0
		for i := range 4000 {
			pkt := make([]byte, 64)
			binary.LittleEndian.PutUint16(pkt[12:], uint16(r.IntN(40)))
			pkt[23], pkt[36] = byte(r.IntN(30)), byte(r.Uint32())
			must.OK(t, f.s.Begin(&vm.Input{Data: pkt}))
			want, got := f.t.Match(), f.m.Match()
			if want != got {
				t.Fatalf("round %d, packet %d, %x: path %d, as machine code %d", round, i, pkt, want, got)
			}
			if got >= 0 {
				found++
			}
		}
		if found < 1000 {
			t.Errorf("round %d: %d packets have a path", round, found)
		}
		if n := len(f.m.tables); n == 0 && id > 150 {
			t.Errorf("round %d: no look-up of fields for %d paths", round, id)
		}
	}
}

// A batch is as long as the work of its packets allows, whatever tree and traces are
// like: a packet alone where one would take it all.
func TestBatchWork(t *testing.T) {
	f := newForest(t)
	b := f.b
	var cond []pathcond.Pred
	short := 0
	for i := range 200 {
		x := f.field(uint64(8+i%40), 4)
		k := b.Const(uint64(1000+i), 32)
		cond = append(cond, pathcond.Pred{Term: b.Bin(bv.OpULt, b.Bin(bv.OpMul, b.Bin(bv.OpXor, x, k), b.Bin(bv.OpAdd, x, k)), b.Const(5, 32)), Want: false})
		if i == 0 || i == 199 {
			f = newForestLike(t, f)
			must.OK(t, f.t.Insert(&pathcond.Path{Cond: cond}, 1))
			f.m.make()
			if f.m.off != nil {
				t.Fatal(f.m.off)
			}
			if i == 0 {
				short = f.m.longest
			}
		}
	}
	if f.m.longest < 20*short || f.m.longest > f.m.block.Len {
		t.Errorf("the longest walk has %d bytes of %d, that of one predicate %d", f.m.longest, f.m.block.Len, short)
	}
	for _, trace := range []int{0, 10_000, batchWork / 2, 2 * batchWork} {
		f.m.m.longest = trace
		n := f.m.mayRun(1000)
		if n > maxBatch || n > 1 && n*(trace+f.m.longest+headWork) > batchWork {
			t.Errorf("%d packets at %d bytes of trace and %d of tree: more than %d", n, trace, f.m.longest, batchWork)
		}
		if trace == 0 && n < 2 {
			t.Errorf("%d packets at a tree of %d bytes", n, f.m.longest)
		}
	}
}

// newForestLike is another tree of the same terms on the same State.
func newForestLike(t testing.TB, f *forest) *forest {
	g := &forest{s: f.s, b: f.b}
	g.t = tree.New(f.b, &pathcond.Env{S: f.s, Versions: pathcond.NewVersions()})
	g.m = NewMatcher(NewMachine(f.s, memory(t)), g.t)
	return g
}

// TestMatcherRemoved takes a path out: it must not be matched any more, whether
// code is made anew or not.
func TestMatcherRemoved(t *testing.T) {
	f := newForest(t)
	is := func(v uint64) *pathcond.Path {
		return &pathcond.Path{Cond: []pathcond.Pred{{Term: f.b.Bin(bv.OpEq, f.field(12, 2), f.b.Const(v, 16)), Want: true}}}
	}
	must.OK(t, f.t.Insert(is(1), 7))
	pkt := make([]byte, 64)
	pkt[12] = 1
	must.OK(t, f.s.Begin(&vm.Input{Data: pkt}))
	for range 3 * firstCode {
		if p := f.m.Match(); p != 7 {
			t.Fatalf("path %d", p)
		}
	}
	f.t.Remove(is(1), 7)
	for i := range 3 * firstCode {
		if p := f.m.Match(); p != -1 {
			t.Fatalf("walk %d after it was taken out: path %d", i, p)
		}
	}
	must.OK(t, f.t.Insert(is(1), 7))
	for range 3 * firstCode {
		if p := f.m.Match(); p != 7 {
			t.Fatalf("path %d after it came back", p)
		}
	}
}

// TestTreeOperations holds every operation of conditions to the tree in Go, on
// random values.
func TestTreeOperations(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for round := range 60 {
		f := newForest(t)
		b := f.b
		var term func(w, depth int) bv.Term
		term = func(w, depth int) bv.Term {
			if depth == 0 {
				if r.IntN(4) == 0 {
					return b.Const(r.Uint64()&bv.Mask(w), w)
				}
				return b.Extract(f.field(uint64(8+r.IntN(40)), 8), r.IntN(65-w), w)
			}
			x, y := term(w, depth-1), term(w, depth-1)
			switch r.IntN(8) {
			case 0:
				return b.Ite(b.Bin(bv.OpULt, x, y), y, b.Bin(bv.OpXor, x, y))
			case 1:
				return b.ZExt(b.Extract(x, 0, w/2), w)
			case 2:
				return b.SExt(b.Extract(y, w/4, w/2), w)
			case 3:
				return b.Not(x)
			case 4:
				return b.Concat(b.Extract(x, 0, w/2), b.Extract(y, w/2, w-w/2))
			}
			op := []bv.Op{bv.OpAdd, bv.OpSub, bv.OpMul, bv.OpUDiv, bv.OpURem, bv.OpAnd, bv.OpOr, bv.OpXor, bv.OpShl, bv.OpLShr, bv.OpAShr}[r.IntN(11)]
			return b.Bin(op, x, y)
		}
		var cond []pathcond.Pred
		for range 4 {
			w := []int{8, 16, 32, 64}[r.IntN(4)]
			p := b.Bin([]bv.Op{bv.OpULt, bv.OpEq}[r.IntN(2)], term(w, 3), term(w, 2))
			if _, fixed := b.IsConst(p); !fixed {
				cond = append(cond, pathcond.Pred{Term: p, Want: r.IntN(2) == 0})
			}
		}
		must.OK(t, f.t.Insert(&pathcond.Path{Cond: cond}, 1))
		for i := range 400 {
			pkt := make([]byte, 64)
			for j := range pkt {
				if pkt[j] = byte(r.Uint32()); r.IntN(3) == 0 {
					pkt[j] = 0
				}
			}
			must.OK(t, f.s.Begin(&vm.Input{Data: pkt}))
			if want, got := f.t.Match(), f.m.Match(); want != got {
				t.Fatalf("round %d, packet %d, %x: path %d, as machine code %d", round, i, pkt, want, got)
			}
		}
		if f.m.off != nil {
			t.Errorf("round %d: %v", round, f.m.off)
		}
	}
}

// BenchmarkMatcher is one walk of the guard tree by number of paths, the 44
// bytes that differ copied in before it.
func BenchmarkMatcher(b *testing.B) {
	const turn = 2000
	for _, n := range []int{10, 1000, 100_000} {
		f := newForest(b)
		var pkts [][]byte
		for id := range n {
			if pkt := f.path(b, id, n); len(pkts) < 4096 || id%(n/4096+1) == 0 {
				pkts = append(pkts, pkt)
			}
		}
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(pkts), func(i, j int) { pkts[i], pkts[j] = pkts[j], pkts[i] })
		f.m.make()
		if f.m.off != nil {
			b.Fatal(f.m.off)
		}
		for _, e := range []struct {
			name  string
			match func() int32
		}{{"native", f.m.Match}, {"go", f.t.Match}, {"copy", func() int32 { return 0 }}} {
			b.Run(fmt.Sprintf("%d/%s", n, e.name), func(b *testing.B) {
				fastest, k := math.MaxFloat64, 0 // turn: what a busy machine slows least
				for i := 0; i < b.N; i += turn {
					begin, n := time.Now(), min(b.N-i, turn)
					for range n {
						copy(f.s.Mem.B[f.s.Data:], pkts[k][:44])
						if e.match() < 0 {
							b.Fatal("no match")
						}
						if k++; k == len(pkts) {
							k = 0
						}
					}
					if n == turn {
						fastest = min(fastest, float64(time.Since(begin))/turn)
					}
				}
				if fastest < math.MaxFloat64 {
					b.ReportMetric(fastest, "fastest-ns")
				}
			})
		}
	}
}

// BenchmarkMake is a guard tree's code being made, and read back, in ns a node.
func BenchmarkMake(b *testing.B) {
	f := newForest(b)
	for id := range 1000 {
		f.path(b, id, 1000)
	}
	backend, err := asm.New(runtime.GOARCH)
	if err != nil {
		b.Skip(err)
	}
	w := &work{}
	for _, read := range []bool{false, true} {
		b.Run(fmt.Sprintf("read back %v", read), func(b *testing.B) {
			for b.Loop() {
				made, c, err := compileTree(backend, f.s, f.t)
				if err == nil && read {
					err = w.readTree(c, made)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*f.t.Nodes()), "ns/node")
		})
	}
}
