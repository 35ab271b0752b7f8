package progen

import (
	"jitnic/host/ebpf"

	cebpf "github.com/cilium/ebpf"
)

// latched asks for the time or a random number.
func (g *gen) latched() bool {
	g.helper(pick(g, ebpf.FnKtimeGetNs, ebpf.FnGetPrandomU32, ebpf.FnJiffies64, ebpf.FnKtimeGetBootNs, ebpf.FnKtimeGetCoarseNs))
	return true
}

func (g *gen) cpu() bool {
	g.helper(ebpf.FnGetSmpProcessorId)
	return true
}

const maxSubs = 3

// call calls a subprogram, an old one or one made for the purpose. Calls go
// to later subprograms only, so there is no recursion.
func (g *gen) call() bool {
	var can []int
	for i := g.fn + 1; i < len(g.subs); i++ {
		if g.subs[i].code != nil && !g.subs[i].back { // nor the one being made
			can = append(can, i)
		}
	}
	var n int
	switch {
	case len(g.subs) < maxSubs && (len(can) == 0 || g.chance(0.5)):
		n = g.newSub()
	case len(can) > 0:
		n = can[g.n(len(can))]
	default:
		return false
	}
	s := g.subs[n]
	arg := r1
	if s.ctx {
		if g.st.r[r6].k != ctx {
			return false
		}
		g.mov(r1, r6)
		arg = r2
	}
	for range s.args {
		src := -1
		for _, r := range []int{r0, r7, r8, r9} {
			if g.st.r[r].k == scalar && (src < 0 || g.chance(0.5)) {
				src = r
			}
		}
		if src >= 0 && g.chance(0.8) {
			g.mov(arg, src)
		} else {
			g.movImm(arg, g.imm())
		}
		arg++
	}
	g.calls = append(g.calls, callSite{g.emit(ebpf.Insn{Op: ebpf.OpCall, Src: ebpf.CallLocal}), n})
	g.st.dropTemps()
	if s.moved {
		g.st.dropPackets()
		g.st.lost = true
		g.moved = true
	}
	return true
}

// callback has a helper call a function for a number of rounds (bpf_loop), or
// for each value of an array (bpf_for_each_map_elem).
func (g *gen) callback() bool {
	if len(g.subs) >= maxSubs || g.fn >= 0 || g.left < 2 {
		return false
	}
	n := len(g.subs)
	s := &sub{back: true}
	g.subs = append(g.subs, s)
	f := &gen{shared: g.shared, st: &state{room: map[int]int{}, lost: true}, stack: 64, fn: n, left: 1 + g.n(5), back: true}

	// What it is given besides: some bytes of our stack.
	data := r2
	over := g.mapOf(cebpf.Array, cebpf.PerCPUArray)
	if over >= 0 && g.chance(0.4) {
		f.st.r[r3] = reg{k: value, m: over}
		data = r4
	} else {
		over = -1
		f.st.r[r1] = reg{k: scalar}
	}
	off := g.room(callerBytes)
	g.fillData(off, callerBytes)
	f.mov(r7, data)
	f.st.r[r7] = reg{k: value, m: -1}
	opt := g.shared.opt
	g.shared.opt.NoAdjust, g.shared.opt.NoCalls, g.shared.opt.NoLoops = true, true, true
	f.body()
	g.shared.opt = opt
	s.code, s.calls = f.code, f.calls

	if over >= 0 {
		g.loadMap(r1, over)
	} else if g.chance(0.15) {
		// No rounds at all, which the verifier must not know: Linux 6.18 drops
		// a callback that nobody calls, and then misses it.
		g.ldx(4, r1, r6, 16) // rx_queue_index
		g.set(r1, reg{k: scalar})
	} else if rs := g.regs(scalar, false); len(rs) > 0 && g.chance(0.5) {
		g.mov(r1, rs[g.n(len(rs))])
		g.aluImm(ebpf.ALUAnd, r1, 7)
		g.aluImm(ebpf.ALUOr, r1, 1)
	} else {
		g.movImm(r1, int32(1+g.n(5)))
	}
	g.calls = append(g.calls, callSite{g.emit(ebpf.Insn{Op: ebpf.OpLDDW, Dst: r2, Src: ebpf.PseudoFunc}), n})
	g.emit(ebpf.Insn{})
	g.mov(r3, r10)
	g.aluImm(ebpf.ALUAdd, r3, int32(-off))
	g.movImm(r4, 0)
	if over >= 0 {
		g.helper(ebpf.FnForEachMapElem)
	} else {
		g.helper(ebpf.FnLoop)
	}
	return true
}

// newSub makes a subprogram and returns its number.
func (g *gen) newSub() int {
	n := len(g.subs)
	s := &sub{args: g.n(4), ctx: g.st.r[r6].k == ctx && g.chance(0.6)}
	g.subs = append(g.subs, s)
	f := &gen{shared: g.shared, st: &state{room: map[int]int{}, lost: true}, stack: 64, fn: n, left: 2 + g.n(7)}
	arg := r1
	if s.ctx {
		f.st.r[r1] = reg{k: ctx}
		f.mov(r6, r1)
		arg = r2
	}
	for range s.args {
		f.st.r[arg] = reg{k: scalar}
		arg++
	}
	opt := g.shared.opt
	if g.loop > 0 { // packet pointers of the caller's loop must stay
		g.shared.opt.NoAdjust = true
	}
	f.body()
	g.shared.opt = opt
	s.code, s.calls, s.moved = f.code, f.calls, f.moved
	return n
}

// body makes the function from its prologue to its last exit.
func (g *gen) body() {
	g.block(g.left, 0)
	if g.st != nil {
		g.finish()
	}
	if len(g.out.refs) > 0 {
		g.place(&g.out)
		g.emit(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: r0, Imm: g.verdict()})
		g.emit(ebpf.Insn{Op: ebpf.OpExit})
	}
}
