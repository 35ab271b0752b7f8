package progen

import "jitnic/host/ebpf"

// latched asks for the time or a random number.
func (g *gen) latched() bool {
	g.helper(pick[int32](g, 5, 7, 118, 125, 160)) // ktime, prandom, jiffies, boot, coarse
	return true
}

func (g *gen) cpu() bool {
	g.helper(8)
	return true
}

const maxSubs = 3

// call calls a subprogram, an old one or one made for the purpose. Calls go
// to later subprograms only, so there is no recursion.
func (g *gen) call() bool {
	var can []int
	for i := g.fn + 1; i < len(g.subs); i++ {
		if g.subs[i].code != nil { // not the one being made
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
		g.emit(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: r0, Imm: int32(g.n(4))})
		g.emit(ebpf.Insn{Op: ebpf.OpExit})
	}
}
