package match

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/pathcond/text"
	"jitnic/pathcond/tree"

	"pgregory.net/rapid"
)

// randomTree makes the conditions of a random program without maps: a decision
// tree over a few small fields and the length, whose nodes are of the shapes that
// programs have.
func randomTree(t *rapid.T, c *pathcond.Compiler, depth int, above []pathcond.Pred, out *[]Condition) {
	if depth == 0 || rapid.IntRange(0, 5).Draw(t, "leaf") == 0 {
		if len(above) > 0 {
			*out = append(*out, Condition{int32(len(*out)), rapid.Uint64Range(0, 9).Draw(t, "packets"), append([]pathcond.Pred(nil), above...)})
		}
		return
	}
	field := rapid.SampledFrom([]string{"eth.type", "pkt[14:15]", "pkt[15:16]", "pkt[16:18]"}).Draw(t, "field")
	k := rapid.IntRange(0, 7).Draw(t, "k")
	var words string
	switch rapid.IntRange(0, 5).Draw(t, "shape") {
	case 0, 1:
		words = fmt.Sprintf("%s == %d", field, k)
	case 2:
		m := rapid.IntRange(1, 7).Draw(t, "mask")
		words = fmt.Sprintf("%s & %d == %d", field, m, m&k)
	case 3:
		words = fmt.Sprintf("%s < %d", field, k+1)
	case 4:
		words = fmt.Sprintf("pkt.len < %d", 18+k)
	default:
		words = fmt.Sprintf("%s in %d..%d", field, k, k+3)
	}
	cond, err := text.Parse(c, words)
	must.OKf(t, err, "%s", words)
	p := cond[0]
	for _, a := range above { // decided already
		if a.Term == p.Term {
			return
		}
	}
	for _, want := range []bool{true, false} {
		randomTree(t, c, depth-1, append(above[:len(above):len(above)], pathcond.Pred{Term: p.Term, Want: want}), out)
	}
}

// Random programs: TCAM and tuple-space search say what the guard tree says.
// Unlike real programs' their conditions do wait for each other in rings.
func TestRandomConditions(t *testing.T) {
	rings := 0
	rapid.Check(t, func(rt *rapid.T) {
		c := compiler(t)
		defer c.S.Close()
		var conds []Condition
		randomTree(rt, c, rapid.IntRange(1, 5).Draw(rt, "depth"), nil, &conds)
		tree := tree.New(c.B, &pathcond.Env{S: c.S})
		a := NewAnalyser(c, Options{})
		var judged []*Judged
		counted, all := uint64(0), uint64(0)
		for _, x := range conds {
			if err := tree.Insert(&pathcond.Path{Cond: x.Cond}, x.Path); err != nil {
				continue // one that can never hold
			}
			j := a.Judge(x)
			if !j.Whole() {
				rt.Fatalf("%s: not whole", text.Format(c, x.Cond))
			}
			judged = append(judged, j)
			counted += min(j.Priority, j.Expanded)
			if all += j.Expanded; all > 1<<12 {
				return
			}
		}
		byPriority := must.Get(NewTCAM(judged, true))(rt)
		plain := must.Get(NewTCAM(judged, false))(rt)
		if uint64(byPriority.Entries()) > counted {
			rings++
		}
		tss := NewTSS(judged)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		for range 200 {
			p := make([]byte, 18+rng.IntN(9))
			for i := 12; i < 18; i++ {
				p[i] = byte(rng.IntN(9))
				if i%2 == 0 && rng.IntN(3) > 0 {
					p[i] = 0
				}
			}
			must.OK(rt, c.S.Begin(&vm.Input{Data: p}))
			want := tree.Match()
			in := &Packet{Data: p}
			for name, m := range map[string]*TCAM{"plain": plain, "by priority": byPriority} {
				if got, _ := m.Lookup(m.Key.Pack(nil, in)); got != want {
					for _, x := range conds {
						rt.Logf("path %d:\n%s", x.Path, text.Format(c, x.Cond))
					}
					rt.Fatalf("%x: TCAM %s: path %d, the tree %d", p, name, got, want)
				}
			}
			got, _, _ := tss.Lookup(tss.Key.Pack(nil, in), func(j *Judged) bool { return tree.Holds(j.Cond) })
			if got != want {
				rt.Fatalf("%x: tuple-space search: path %d, the tree %d", p, got, want)
			}
		}
	})
	t.Logf("%d programs took more entries than counted: their conditions form rings", rings)
}

// randomTerm makes any term whatever, over fields, variable offsets, context and
// maps.
func randomTerm(t *rapid.T, c *pathcond.Compiler, width, depth int) bv.Term {
	b := c.B
	data := c.S.Buf + vm.Headroom
	fit := func(x bv.Term) bv.Term {
		switch w := b.Width(x); {
		case w < width && rapid.Bool().Draw(t, "signed"):
			return b.SExt(x, width)
		case w < width:
			return b.ZExt(x, width)
		case w > width:
			return b.Extract(x, rapid.IntRange(0, w-width).Draw(t, "low"), width)
		}
		return x
	}
	d := depth - 1
	if depth == 0 {
		switch rapid.IntRange(0, 7).Draw(t, "leaf") {
		case 0, 1:
			return b.Const(rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 9), rapid.Just(^uint64(0))).Draw(t, "k"), width)
		case 2:
			return fit(b.Input(pathcond.InLen, 64, bv.Fact{Min: 14, Max: vm.MaxLinear}))
		case 3:
			id := rapid.SampledFrom([]uint64{pathcond.InTime, pathcond.InCPU, pathcond.InIfindex, pathcond.InQueue, pathcond.InRand}).Draw(t, "input")
			w := 32
			if id == pathcond.InTime {
				w = 64
			}
			return fit(b.Input(id, w, bv.Fact{}))
		}
		n := rapid.SampledFrom([]int{8, 16, 32, 64}).Draw(t, "size")
		off := rapid.Uint64Range(0, 20).Draw(t, "off")
		return fit(b.Fun(pathcond.FunLoad, n, bv.Fact{}, b.Const(data+off, 64)))
	}
	switch op := bv.Op(rapid.IntRange(int(bv.OpFun), int(bv.OpIte)).Draw(t, "op")); op {
	case bv.OpFun:
		x := b.ZExt(randomTerm(t, c, 8, d), 64)
		if rapid.Bool().Draw(t, "map") {
			return fit(b.Fun(pathcond.FunLookup, 64, bv.Fact{}, b.ZExt(b.Extract(x, 0, 32), 64)))
		}
		return fit(b.Fun(pathcond.FunLoad, 16, bv.Fact{}, b.Bin(bv.OpAdd, x, b.Const(data+14, 64))))
	case bv.OpNot:
		return b.Not(randomTerm(t, c, width, d))
	case bv.OpBSwap:
		x := randomTerm(t, c, width, d)
		if width%8 != 0 || width&(width-1) != 0 {
			return x
		}
		return b.BSwap(x)
	case bv.OpConcat:
		if width < 2 {
			return randomTerm(t, c, width, d)
		}
		lo := rapid.IntRange(1, width-1).Draw(t, "low width")
		return b.Concat(randomTerm(t, c, width-lo, d), randomTerm(t, c, lo, d))
	case bv.OpExtract, bv.OpZExt, bv.OpSExt:
		return fit(randomTerm(t, c, rapid.SampledFrom([]int{8, 16, 32, 64}).Draw(t, "width"), d))
	case bv.OpEq, bv.OpULt, bv.OpULe, bv.OpSLt, bv.OpSLe:
		w := rapid.SampledFrom([]int{1, 8, 16, 32, 64, 13}).Draw(t, "compared")
		return fit(b.Bin(op, randomTerm(t, c, w, d), randomTerm(t, c, w, rapid.SampledFrom([]int{0, d}).Draw(t, "other"))))
	case bv.OpIte:
		return b.Ite(randomTerm(t, c, 1, d), randomTerm(t, c, width, d), randomTerm(t, c, width, d))
	default:
		y := randomTerm(t, c, width, rapid.SampledFrom([]int{0, d}).Draw(t, "other"))
		return b.Bin(op, randomTerm(t, c, width, d), y)
	}
}

// Whatever the terms, judging them ends, and entries hold for the packets that
// the terms hold for: exactly where nothing is left over, at least otherwise.
func TestRandomTerms(t *testing.T) {
	var classes [Classes]int
	rapid.Check(t, func(rt *rapid.T) {
		c := compiler(t)
		defer c.S.Close()
		var cond []pathcond.Pred
		for range rapid.IntRange(1, 3).Draw(rt, "predicates") {
			p := randomTerm(rt, c, 1, rapid.IntRange(1, 4).Draw(rt, "depth"))
			if shape := rapid.IntRange(0, 5).Draw(rt, "shape"); shape < 2 { // what is rare otherwise
				b := c.B
				x := b.Fun(pathcond.FunLoad, 16, bv.Fact{}, b.Const(c.S.Buf+vm.Headroom+rapid.Uint64Range(0, 20).Draw(rt, "off"), 64))
				m, k := rapid.Uint64Range(0, 0xffff).Draw(rt, "mask"), rapid.Uint64Range(0, 0xffff).Draw(rt, "value")
				if p = b.Bin(bv.OpEq, b.Bin(bv.OpAnd, x, b.Const(m, 16)), b.Const(m&k, 16)); shape == 1 {
					p = b.Bin(bv.OpULt, b.Bin(bv.OpAdd, b.BSwap(x), b.Const(m, 16)), b.Const(k, 16))
				}
			}
			cond = append(cond, pathcond.Pred{Term: p, Want: rapid.Bool().Draw(rt, "want")})
		}
		opt := Options{Queue: rapid.Bool().Draw(rt, "queue"), Parser: rapid.Bool().Draw(rt, "parser")}
		a := NewAnalyser(c, opt)
		j := a.Judge(Condition{Cond: cond})
		for _, x := range j.Classes {
			classes[x]++
		}
		if j.TooMany || max(j.Expanded, j.Priority) > 1<<12 {
			return
		}
		whole := *j
		whole.Residual = nil // of the entries alone
		var tcams []*TCAM
		for _, priority := range []bool{false, true} {
			m := must.Get(NewTCAM([]*Judged{&whole}, priority))(rt)
			tcams = append(tcams, m)
		}
		tree := tree.New(c.B, &pathcond.Env{S: c.S})
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		for range 100 {
			p := make([]byte, 14+vm.MaxLinear/4)
			for i := range p[:64] {
				p[i] = byte(rng.Uint32()) >> (rng.IntN(3) * 4)
			}
			in := &Packet{Data: p, Ifindex: rng.Uint32N(3), CPU: 0, Queue: rng.Uint32N(3)}
			must.OK(rt, c.S.Begin(&vm.Input{Data: p, IfIndex: in.Ifindex, RxQueue: in.Queue}))
			holds := tree.Holds(cond)
			for i, m := range tcams {
				path, _ := m.Lookup(m.Key.Pack(nil, in))
				if got := path == 0; got && !holds && j.Whole() || !got && holds {
					rt.Fatalf("entries %d (whole %v): %v, the condition %v: packet %x\n%v", i, j.Whole(), got, holds, p[:64], terms(c, cond))
				}
			}
		}
	})
	t.Logf("predicates by class: %v", classes)
	for c, n := range classes {
		if n == 0 {
			t.Errorf("no predicate was %v", Class(c))
		}
	}
}

func terms(c *pathcond.Compiler, cond []pathcond.Pred) (out []string) {
	for _, p := range cond {
		out = append(out, fmt.Sprint(p.Want, " ", c.B.String(p.Term)))
	}
	return out
}
