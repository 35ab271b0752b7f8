package search

import (
	"math/bits"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/superopt/internal/ir"
	"jitnic/superopt/internal/passes"
	"jitnic/superopt/internal/proof"
	"jitnic/superopt/internal/rewrite"
	"jitnic/superopt/internal/rules"
)

// Enumerate tries every sequence of one, then of two instructions in place of
// a short window. Tests throw out nearly all; what the solver refutes becomes
// a test (counterexample-guided synthesis).
func Enumerate(o *rewrite.Gate) {
	tried := map[string]bool{}
	for again := true; again && o.Ctx.Err() == nil; {
		again = false
		o.From = 0
		for b := range o.Blocks() {
			for n := 2; n <= 4 && !again; n++ {
				for s := b[0]; s+n <= b[1] && !again; s++ {
					key := o.Question(s, s+n, o.Prog)
					if tried[key] || o.Ctx.Err() != nil {
						continue
					}
					tried[key] = true
					w := newWindow(o, s, s+n)
					if w == nil {
						continue
					}
					y := newSynthesis(o, w)
					again = y.run()
					if !again && y.exhausted() {
						o.Exhausted[key] = true
					}
				}
			}
			if again {
				break
			}
		}
		if again {
			passes.Run(o)
		}
	}
}

// all lists the instructions over the window's operands.
func (w *window) all() []ir.Inst {
	var out []ir.Inst
	p := &w.pool
	add := func(in ebpf.Insn) { out = append(out, ir.Inst{Insn: in, To: -1, Slot: -1}) }
	for _, d := range p.dsts {
		for _, c := range [2]uint8{ebpf.ClassALU64, ebpf.ClassALU} {
			for _, a := range p.alus {
				for _, s := range p.regs {
					if a == ebpf.ALUMov && s == d && c == ebpf.ClassALU64 {
						continue
					}
					add(ebpf.Insn{Op: c | a | ebpf.SrcX, Dst: d, Src: s})
				}
				for _, v := range p.imms {
					in := ir.Inst{Insn: ebpf.Insn{Op: c | a, Dst: d, Imm: v}}
					clampShift(&in)
					if in.Imm == v {
						add(in.Insn)
					}
				}
			}
		}
	}
	for _, c := range p.cond {
		for _, d := range p.dsts {
			for _, s := range p.regs {
				if s != d {
					add(ebpf.Select(d, s, c))
				}
			}
		}
	}
	for _, m := range p.addr {
		for _, d := range p.dsts {
			add(ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ir.SizeOp(m.n), Dst: d, Src: m.base, Off: m.off})
		}
		if !m.st {
			continue
		}
		for _, s := range p.regs {
			add(ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ir.SizeOp(m.n), Dst: m.base, Src: s, Off: m.off})
		}
		if m.imm {
			for _, v := range p.imms {
				add(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | ir.SizeOp(m.n), Dst: m.base, Off: m.off, Imm: v})
			}
		}
	}
	return out
}

// synthesis is one window's enumeration.
type synthesis struct {
	o      *rewrite.Gate
	w      *window
	all    []ir.Inst
	fast   func([]ir.Inst) float64
	base   float64
	code   []ir.Inst
	proofs int
	taken  func() bool // what is asked of code that passes the first test: check, but for tests
}

func newSynthesis(o *rewrite.Gate, w *window) *synthesis {
	y := &synthesis{o: o, w: w, all: w.all(), fast: windowCost(o, w), code: make([]ir.Inst, len(w.code))}
	y.base, y.taken = y.fast(w.code), y.check
	for i := range y.code {
		y.code[i] = ir.Empty()
	}
	return y
}

// run tries nothing, one and two instructions in place of the window. Every
// sequence counts as a proposal, also where many are decided at once.
func (y *synthesis) run() bool {
	y.o.Stats.Proposals++
	if y.check() { // nothing at all
		return true
	}
	for i := range y.all {
		y.code[0] = y.all[i]
		y.o.Stats.Proposals++
		if y.check() {
			return true
		}
	}
	return y.paired() && y.pairs()
}

// paired says whether two instructions are tried.
func (y *synthesis) paired() bool { return len(y.code) >= 3 && len(y.all) <= 700 }

// exhausted says, after a run without a find, whether all was tried that is cheaper
// than the window: of the instructions the search would draw, too.
func (y *synthesis) exhausted() bool {
	n := 1 // instructions
	if y.paired() {
		n = 2
	}
	if !costsMore(y.o, n+1, y.base) || y.proofs > maxProofs || y.o.Ctx.Err() != nil {
		return false
	}
	for i := range y.w.code { // the search keeps what stands there, and varies it
		in := y.w.code[i]
		in.To, in.Slot = -1, -1
		if !slices.Contains(y.all, in) {
			return false
		}
	}
	return true
}

// maxProofs is how often the solver is asked about one window.
const maxProofs = 24

// pairs tries every two instructions. The first is run once; what it leaves wrong
// on a test only some second ones can put right: one register is written by
// those that define it alone, memory by stores, and two wrongs by none.
func (y *synthesis) pairs() bool {
	w := y.w
	const store = 11
	var by [store + 1][]int // by what they write
	every := make([]int, len(y.all))
	for i := range y.all {
		every[i] = i
		d := store
		if r := ir.DefReg(&y.all[i]); r >= 0 {
			d = r
		}
		by[d] = append(by[d], i)
	}
	for i := range y.all {
		y.code[0], y.code[1] = y.all[i], ir.Empty()
		if i&15 == 0 && y.o.Ctx.Err() != nil {
			return false
		}
		var regs uint16
		var mem, bad bool
		for k, t := range w.tests[:min(4, len(w.tests))] {
			ok := w.x.run(y.code[:1], t)
			if bad = !ok && k == 0; ok {
				r, m := w.x.wrong(t, w)
				regs, mem = regs|r, mem || m
			}
			w.x.undo(t)
			if bad {
				break
			}
		}
		if bad { // a first instruction that breaks off is no beginning
			continue
		}
		seconds := every
		switch {
		case regs&(regs-1) != 0 || regs != 0 && mem:
			seconds = nil
		case regs != 0:
			seconds = by[bits.TrailingZeros16(regs)]
		case mem:
			seconds = by[store]
		}
		if j := y.second(seconds); j >= 0 {
			y.o.Stats.Proposals += int64(j) + 1
			return true
		}
		y.o.Stats.Proposals += int64(len(y.all))
	}
	return false
}

// second tries the second instructions of that numbers behind the first, and gives
// the one that was taken; -1: none. The first test is run for all of them from
// behind the first instruction.
func (y *synthesis) second(numbers []int) int {
	w, x := y.w, &y.w.x
	var t *test // x stands behind the first instruction on it
	var r [len(x.r)]uint64
	var n int
	defer func() {
		if t != nil {
			x.undo(t)
		}
	}()
	for _, j := range numbers {
		y.code[1] = y.all[j]
		if y.o.Additive && y.fast(y.code[:2]) >= y.base {
			continue
		}
		if t == nil {
			t = w.tests[0]
			if !x.run(y.code[:1], t) {
				return -1
			}
			r, n = x.r, x.nlog
		}
		ok := x.more(y.code[1:2], t)
		if ok {
			regs, mem := x.wrong(t, w)
			ok = regs == 0 && !mem
		}
		x.undoTo(t, n)
		x.r = r
		if !ok {
			continue
		}
		x.undo(t)
		t = nil // the check may put another test first
		if y.taken() {
			return j
		}
	}
	return -1
}

// check tries the code as it is, and takes it where it is proved.
func (y *synthesis) check() bool {
	o, w, code := y.o, y.w, y.code
	if o.Additive && y.fast(code) >= y.base {
		return false
	}
	for i, t := range w.tests {
		if w.x.score(code, t, w, errPop) != 0 {
			if i > 0 {
				w.tests[0], w.tests[i] = w.tests[i], w.tests[0]
			}
			return false
		}
	}
	if y.proofs++; y.proofs > maxProofs {
		return false
	}
	q := o.Prog.Clone()
	copy(q.Insts[w.s:w.e], code)
	if o.Cost(q) >= o.Cost(o.Prog) || !o.InWindows(q) {
		return false
	}
	v := o.Prover.Equivalent(&proof.Task{Old: o.Prog, New: q, S: w.s, E: w.e, Pre: w.pre, Out: o.LiveAt, LoopFree: o.Free, Assume: o.Assumption(w.s)})
	st := o.Stats.Pass("enumerate")
	st.Proposed++
	switch v := v.(type) {
	case proof.Proved:
		if o.Unsafe(q) != "" {
			return false
		}
		st.Accepted++
		st.Better++
		rules.Learn(o.Options.Store, o.Prog, o.Known, w.s, code)
		o.Prog = q
		o.Refresh()
		return true
	case proof.Refuted:
		w.learn(v, uint64(y.proofs), code)
	}
	return false
}
