package superopt

import (
	"jitnic/host/ebpf"
)

// enumerate tries every sequence of one, then of two instructions in place of
// a short window. Tests throw out nearly all; what the solver refutes becomes
// a test (counterexample-guided synthesis).
func (o *optimizer) enumerate() {
	tried := map[string]bool{}
	for again := true; again && o.ctx.Err() == nil; {
		again = false
		o.from = 0
		for _, b := range o.blocks() {
			for n := 2; n <= 4 && !again; n++ {
				for s := b[0]; s+n <= b[1] && !again; s++ {
					key := o.key(s, s+n, o.p)
					if tried[key] || o.ctx.Err() != nil {
						continue
					}
					tried[key] = true
					w := o.newWindow(s, s+n)
					if w == nil {
						continue
					}
					if o.synthesise(w) {
						again = true
					}
				}
			}
			if again {
				break
			}
		}
		if again {
			runPasses(o)
		}
	}
}

// all lists the instructions over the window's operands.
func (w *window) all() []Inst {
	var out []Inst
	p := &w.pool
	add := func(in ebpf.Insn) { out = append(out, Inst{Insn: in, To: -1, Slot: -1}) }
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
					in := Inst{Insn: ebpf.Insn{Op: c | a, Dst: d, Imm: v}}
					clampShift(&in)
					if in.Imm == v {
						add(in.Insn)
					}
				}
			}
		}
	}
	for _, m := range p.addr {
		for _, d := range p.dsts {
			add(ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | sizeOp(m.n), Dst: d, Src: m.base, Off: m.off})
		}
		if !m.st {
			continue
		}
		for _, s := range p.regs {
			add(ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | sizeOp(m.n), Dst: m.base, Src: s, Off: m.off})
		}
		if m.imm {
			for _, v := range p.imms {
				add(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | sizeOp(m.n), Dst: m.base, Off: m.off, Imm: v})
			}
		}
	}
	return out
}

func (o *optimizer) synthesise(w *window) bool {
	all := w.all()
	fast := o.windowCost(w)
	base := fast(w.code)
	code := make([]Inst, len(w.code))
	for i := range code {
		code[i] = emptyInst()
	}
	proofs := 0
	check := func() bool {
		o.stats.Proposals++
		if o.additive && fast(code) >= base {
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
		q := o.p.Clone()
		copy(q.Insts[w.s:w.e], code)
		if o.cost(q) >= o.cost(o.p) || !o.inWindows(q) {
			return false
		}
		v := o.pr.Equivalent(&task{old: o.p, new: q, s: w.s, e: w.e, pre: w.pre, out: o.liveAt, loopFree: o.free, assume: o.assumption(w.s)})
		st := o.stats.pass("enumerate")
		st.Proposed++
		switch v := v.(type) {
		case Proved:
			if o.unsafe(q) != "" {
				return false
			}
			st.Accepted++
			st.Better++
			learn(o.opt.Store, o.p, o.a, w.s, code)
			o.p = q
			o.refresh()
			return true
		case Refuted:
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
		code[1] = emptyInst()
		if w.x.score(code, w.tests[0], w, errPop) == badRun {
			continue
		}
		if i&15 == 0 && o.ctx.Err() != nil {
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
