package search

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/superopt/internal/dataflow"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/sample"
)

// window is a straight run that is searched: its code, what is known before,
// what is live after, and tests.
type window struct {
	s, e     int
	code     []ir.Inst
	pre      *points.Facts
	liveRegs uint16
	readable uint16                 // registers that can be read at its start
	deadByte [arenaSize / 64]uint64 // stack bytes nobody reads after it
	tests    []*test
	x        executor
	pool     pool
	learnt   int          // tests made of counterexamples
	facts    points.Facts // scratch of unsafeWindow
	around   [2]ir.Inst   // and what stands about one instruction there
}

// clone is a window with tests of its own.
func (w *window) clone() *window {
	c := *w
	c.tests = make([]*test, len(w.tests))
	all := make([]test, len(w.tests))
	for i, t := range w.tests {
		all[i] = *t
		all[i].want = append([]wantByte(nil), t.want...)
		c.tests[i] = &all[i]
	}
	return &c
}

// pool is what moves draw operands from.
type pool struct {
	regs []uint8
	dsts []uint8
	imms []int32
	addr []memRef // places the window touches
	alus []uint8  // operations
	cond []uint8  // registers that selects go by; none: there are no selects
}

type memRef struct {
	base uint8
	off  int16
	n    int
	st   bool
	imm  bool // ST is allowed
}

const stackAt = 64 // arena address of fp-512

// newWindow prepares [s, e); nil where it can't be tested (calls, regions the
// arena has no room for).
func newWindow(o *rewrite.Gate, s, e int) *window {
	w := &window{s: s, e: e, pre: o.Known.In[s]}
	if !w.pre.Reached {
		return nil
	}
	w.code = append([]ir.Inst(nil), o.Prog.Insts[s:e]...)
	lv := o.LiveAt(e)
	w.liveRegs = lv.Regs & 0x3ff
	for i := 0; i < 512; i++ {
		if lv.Stack[i>>6]>>(i&63)&1 == 0 {
			at := stackAt + i
			w.deadByte[at>>6] |= 1 << (at & 63)
		}
	}
	for r := range w.pre.R {
		if w.pre.R[r].Kind != points.Unreadable {
			w.readable |= 1 << r
		}
	}
	for i := range w.code {
		in := &w.code[i]
		if in.Op == ebpf.OpCall || in.Jumps() || in.IsAtomic() || in.Fixed || in.Op == ebpf.OpLDDW && in.Src != 0 || o.Prog.Barrier(in) || in.Op == ebpf.OpExit {
			return nil
		}
		if in.Class() == ebpf.ClassLD && in.Op != ebpf.OpLDDW && in.Op != ir.Nop {
			return nil
		}
	}
	w.fillPool(o)
	rng := rand.New(rand.NewPCG(o.Options.Seed, uint64(s)<<20|uint64(e)))
	for k := 0; k < 16; k++ {
		if t := w.makeTest(rng, k, nil); t != nil {
			w.tests = append(w.tests, t)
		}
	}
	if len(w.tests) < 8 {
		return nil
	}
	return w
}

// fillPool collects the operands of the window and their like.
func (w *window) fillPool(o *rewrite.Gate) {
	var regs, dsts uint16
	imms := map[int32]bool{0: true, 1: true}
	alus := map[uint8]bool{ebpf.ALUMov: true, ebpf.ALUAdd: true, ebpf.ALUAnd: true, ebpf.ALUOr: true, ebpf.ALULsh: true, ebpf.ALURsh: true}
	f := *w.pre
	seen := map[memRef]bool{}
	for i := range w.code {
		in := &w.code[i]
		regs |= in.Reads()
		if d := ir.DefReg(in); d >= 0 {
			dsts |= 1 << d
		}
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			if in.IsSelect() {
				if !slices.Contains(w.pool.cond, in.Cond()) {
					w.pool.cond = append(w.pool.cond, in.Cond())
				}
				break
			}
			alus[in.ALUOp()] = true
			if in.Op&ebpf.SrcX == 0 {
				imms[in.Imm] = true
				if in.ALUOp() == ebpf.ALULsh || in.ALUOp() == ebpf.ALURsh {
					imms[64-in.Imm] = true
					imms[32-in.Imm] = true
				}
			}
		case ebpf.ClassST:
			imms[in.Imm] = true
			fallthrough
		case ebpf.ClassLDX, ebpf.ClassSTX:
			b := in.Src
			if !in.IsLoad() {
				b = in.Dst
			}
			m := memRef{b, in.Off, in.Size(), !in.IsLoad(), f.R[b].Kind != points.Ctx}
			if !seen[m] {
				seen[m] = true
				w.pool.addr = append(w.pool.addr, m)
			}
		}
		dataflow.Step(o.Prog, w.s+i, &f, nil)
	}
	regs |= dsts
	if !o.Additive { // as many instructions may be better ones: other registers are of use
		dsts |= regs &^ w.liveRegs &^ (1 << 10)
	}
	for r := uint8(0); r < 11; r++ {
		if regs>>r&1 != 0 && (w.readable>>r&1 != 0 || dsts>>r&1 != 0) {
			w.pool.regs = append(w.pool.regs, r)
		}
		if r < 10 && dsts>>r&1 != 0 {
			w.pool.dsts = append(w.pool.dsts, r)
		}
	}
	for _, m := range append([]memRef(nil), w.pool.addr...) { // wider and narrower
		for _, n := range [4]int{1, 2, 4, 8} {
			c := m
			c.n = n
			if !seen[c] {
				seen[c] = true
				w.pool.addr = append(w.pool.addr, c)
			}
		}
	}
	for v := range imms {
		w.pool.imms = append(w.pool.imms, v)
	}
	ir.SortBy(w.pool.imms, func(a, b int32) bool { return a < b })
	for v := range alus {
		if v != ebpf.ALUNeg && v != ebpf.ALUEnd && v != ebpf.ALUDiv && v != ebpf.ALUMod {
			w.pool.alus = append(w.pool.alus, v)
		}
	}
	ir.SortBy(w.pool.alus, func(a, b uint8) bool { return a < b })
}

// makeTest makes a state in which the facts hold. given are values of a
// counterexample by name ("r3", "stack[-8]", "pkt[12]").
func (w *window) makeTest(rng *rand.Rand, k int, given map[string]uint64) *test {
	t := &test{}
	for i := 0; i < len(t.mem); i += 8 {
		x := rng.Uint64()
		if k%4 == 2 { // bytes of boundary values, chosen by the bits drawn
			for b := 0; b < 8; b++ {
				t.mem[i+b] = byte(sample.Boundary(x >> (8 * b)))
			}
			continue
		}
		binary.LittleEndian.PutUint64(t.mem[i:], x)
	}
	room := func(at, n int) {
		for i := at; i < at+n; i++ {
			t.valid[i>>6] |= 1 << (i & 63)
		}
	}
	room(stackAt, 512)
	next := stackAt + 512 + 64
	place := map[string]uint64{}
	region := func(key string, n int) (uint64, bool) {
		if a, ok := place[key]; ok {
			return a, true
		}
		if next+n+32 > arenaSize-16 {
			return 0, false
		}
		a := uint64(next)
		room(next, n)
		place[key] = a
		next += n + 64
		return a, true
	}
	number := func(v *points.Value, name string) uint64 {
		x := rng.Uint64()
		switch {
		case k%4 == 1:
			x &= 0xff
		case k%4 == 3:
			x = sample.Boundary(uint64(rng.IntN(sample.Boundaries)))
		case k%8 == 4:
			x &= 0xffffffff
		}
		if g, ok := given[name]; ok {
			x = g
		}
		x = x&v.Unknown | v.Known
		if x < v.Min || x > v.Max {
			if v.Max-v.Min != ^uint64(0) {
				x = v.Min + x%(v.Max-v.Min+1)
			}
			x = x&v.Unknown | v.Known
			if x < v.Min || x > v.Max {
				x = v.Min
			}
		}
		return x
	}
	value := func(v *points.Value, name string, id int) (uint64, bool) {
		at := func(base uint64, ok bool, bias int64) (uint64, bool) {
			return base + uint64(bias) + uint64(v.Off), ok
		}
		switch v.Kind {
		case points.Unreadable:
			return rng.Uint64(), true
		case points.Scalar:
			return number(v, name), true
		case points.Stack:
			if v.Base != 0 {
				return 0, false
			}
			return at(stackAt+512, true, 0)
		case points.Ctx:
			b, ok := region("ctx", 256)
			return at(b, ok, 0)
		case points.Packet:
			key := "pkt"
			if v.Base != 0 {
				key = "pkt" + strconv.Itoa(int(v.Base))
				if v.Base < 0 {
					key = "pkt" + name
				}
			}
			b, ok := region(key, 192)
			return at(b, ok, 32)
		case points.MapValue:
			key := "map" + strconv.Itoa(int(v.Map)) + ":" + strconv.Itoa(int(v.Site))
			if v.Site == -1 {
				key += name
			}
			if v.Base != 0 {
				key += "v" + strconv.Itoa(int(v.Base))
			}
			b, ok := region(key, 192)
			return at(b, ok, 32)
		}
		return rng.Uint64() | 1<<62, true
	}
	for r := range w.pre.R {
		x, ok := value(&w.pre.R[r], "r"+strconv.Itoa(r), r)
		if !ok {
			return nil
		}
		t.in[r] = x
	}
	for s := range w.pre.Spill {
		if w.pre.Spill[s].Kind != points.Unreadable {
			x, ok := value(&w.pre.Spill[s], "s"+strconv.Itoa(s), s)
			if !ok {
				return nil
			}
			writeN(&t.mem, uint64(stackAt+8*s), 8, x)
		}
	}
	for name, x := range given {
		o := strings.IndexByte(name, '[')
		if o < 0 {
			continue
		}
		off, err := strconv.ParseInt(strings.TrimSuffix(name[o+1:], "]"), 10, 64)
		if err != nil {
			continue
		}
		var a int64 = -1
		switch name[:o] {
		case "stack":
			a = stackAt + 512 + off
		case "pkt":
			if b, ok := place["pkt"]; ok {
				a = int64(b) + 32 + off
			}
		case "ctx":
			if b, ok := place["ctx"]; ok {
				a = int64(b) + off
			}
		}
		if a >= 0 && a < arenaSize-8 {
			t.mem[a] = byte(x)
		}
	}
	if !w.x.expect(w.code, t) {
		return nil
	}
	return t
}

// maxTests is how many tests a window has at most; a new one takes the place
// of the one that is asked last, which decides least.
const maxTests = 48

// learn makes a test of a counterexample to code and puts it first. One that
// does not tell code from the original is no use (what it says may be of a
// place no test has), and would only slow the search down.
func (w *window) learn(v proof.Refuted, seed uint64, code []ir.Inst) bool {
	given := map[string]uint64{}
	for _, a := range v.Counterexample {
		given[a.Name] = a.Value
	}
	t := w.makeTest(rand.New(rand.NewPCG(seed, 77)), 0, given)
	if t == nil || w.x.score(code, t, w, errPop) == 0 {
		return false
	}
	w.learnt++
	if len(w.tests) < maxTests {
		w.tests = append(w.tests, nil)
	}
	copy(w.tests[1:], w.tests)
	w.tests[0] = t
	return true
}
