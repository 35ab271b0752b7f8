package search

import (
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
					if synthesise(o, w) {
						again = true
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

func synthesise(o *rewrite.Gate, w *window) bool {
	all := w.all()
	fast := windowCost(o, w)
	base := fast(w.code)
	code := make([]ir.Inst, len(w.code))
	for i := range code {
		code[i] = ir.Empty()
	}
	proofs := 0
	check := func() bool {
		o.Stats.Proposals++
		if o.Additive && fast(code) >= base {
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
		if proofs++; proofs > 24 {
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
			w.learn(v, uint64(proofs), code)
		}
		return false
	}
	if check() { // nothing at all
		return true
	}
	for i := range all {
		code[0] = all[i]
		if check() {
			return true
		}
	}
	if len(w.code) < 3 || len(all) > 700 {
		return false
	}
	for i := range all {
		code[0] = all[i]
		// A first instruction that breaks off in every test is no beginning.
		code[1] = ir.Empty()
		if w.x.score(code, w.tests[0], w, errPop) == badRun {
			continue
		}
		if i&15 == 0 && o.Ctx.Err() != nil {
			return false
		}
		for j := range all {
			code[1] = all[j]
			if check() {
				return true
			}
		}
	}
	return false
}
