package progen

import "jitnic/host/ebpf"

// statement is one production of the grammar. make adds code for it and says
// whether it could; a statement that isn't possible here adds nothing.
type statement struct {
	name   string
	weight int
	make   func(*gen) bool
	loop   bool // may stand in a loop's body
	on     func(*Options) bool
}

func always(*Options) bool { return true }

// statements lists every production; a test holds that each is used. The
// order matters to the seeds, not to the meaning.
var statements []statement

func init() {
	statements = []statement{
		{"alu", 26, (*gen).alu, true, always},
		{"load immediate 64", 2, (*gen).loadWide, true, always},
		{"byte swap", 4, (*gen).swap, true, always},
		{"packet load", 16, (*gen).loadPacket, true, always},
		{"packet load at variable offset", 6, (*gen).loadVariable, true, always},
		{"packet store", 7, (*gen).storePacket, true, always},
		{"packet length", 2, (*gen).packetLength, true, always},
		{"context load", 2, (*gen).loadCtx, true, always},
		{"branch", 14, (*gen).branch, true, always},
		{"stack store", 7, (*gen).storeStack, true, always},
		{"stack load", 7, (*gen).loadStack, true, always},
		{"spill", 2, (*gen).spill, false, always},
		{"fill", 2, (*gen).fill, false, always},
		{"stack atomic", 2, (*gen).atomicStack, true, always},
		{"lookup", 12, (*gen).lookup, true, hasMaps},
		{"inner map", 4, (*gen).lookupInner, false, hasMaps},
		{"value address", 3, (*gen).address, true, hasMaps},
		{"value load", 8, (*gen).loadValue, true, hasMaps},
		{"value store", 8, (*gen).storeValue, true, hasMaps},
		{"value atomic", 4, (*gen).atomicValue, true, hasMaps},
		{"update", 6, (*gen).update, true, hasMaps},
		{"delete", 3, (*gen).remove, true, hasMaps},
		{"queue", 2, (*gen).queue, false, hasMaps},
		{"ring buffer", 1, (*gen).ringbuf, false, hasMaps},
		{"adjust", 3, (*gen).adjust, false, func(o *Options) bool { return !o.NoAdjust }},
		{"load and store bytes", 2, (*gen).xdpBytes, false, always},
		{"checksum", 3, (*gen).csum, true, always},
		{"latched", 3, (*gen).latched, true, func(o *Options) bool { return o.Latched }},
		{"cpu", 1, (*gen).cpu, true, always},
		{"call", 4, (*gen).call, true, func(o *Options) bool { return !o.NoCalls }},
		{"callback", 2, (*gen).callback, false, func(o *Options) bool { return !o.NoCalls && !o.NoLoops }},
		{"loop", 3, (*gen).bounded, false, func(o *Options) bool { return !o.NoLoops }},
		{"tail call", 2, (*gen).tailCall, false, func(o *Options) bool { return !o.NoCalls && !o.NoMaps }},
		{"redirect", 1, (*gen).redirect, false, always},
		{"probe", 4, (*gen).probe, true, answers},
		{"printing", 4, (*gen).printing, true, answers},
		{"record", 4, (*gen).record, false, answers},
		{"visit", 4, (*gen).visit, false, ownOrder},
		{"other CPU", 5, (*gen).otherCPU, true, ownOrder},
		{"timer", 7, (*gen).timer, false, ownOrder},
	}
}

func hasMaps(o *Options) bool { return !o.NoMaps }

// block makes up to n statements and says whether control never leaves it at
// its end.
func (g *gen) block(n, depth int) (ended bool) {
	for ; n > 0 && g.left > 0; n-- {
		g.left--
		s := g.choose()
		before := len(g.code)
		if s.make(g) && g.opt.Trace != nil {
			g.opt.Trace(s.name)
		}
		if g.ended(before) {
			return true
		}
	}
	return false
}

// ended says whether the code made since pc ends in something that control
// doesn't pass: an exit that is no jump target's neighbour.
func (g *gen) ended(pc int) bool {
	if len(g.code) == pc {
		return false
	}
	return g.st == nil
}

func (g *gen) choose() statement {
	total := 0
	for _, s := range statements {
		if s.on(&g.opt) && (g.loop == 0 || s.loop) {
			total += s.weight
		}
	}
	at := g.n(total)
	for _, s := range statements {
		if s.on(&g.opt) && (g.loop == 0 || s.loop) {
			if at -= s.weight; at < 0 {
				return s
			}
		}
	}
	return statements[0]
}

// alu is any operation of either width. Shifts by a constant stay below the
// width and divisors aren't the constant 0, as the verifier demands; by a
// register both may be anything.
func (g *gen) alu() bool {
	class, width := ebpf.ClassALU, 32
	if g.chance(0.5) {
		class, width = ebpf.ClassALU64, 64
	}
	op := pick(g, ebpf.ALUAdd, ebpf.ALUAdd, ebpf.ALUSub, ebpf.ALUMul, ebpf.ALUDiv, ebpf.ALUOr, ebpf.ALUAnd, ebpf.ALUAnd,
		ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUNeg, ebpf.ALUMod, ebpf.ALUXor, ebpf.ALUMov, ebpf.ALUArsh)
	in := ebpf.Insn{Op: class | op}
	switch {
	case op == ebpf.ALUNeg:
	case g.chance(0.5):
		in.Op |= ebpf.SrcX
		in.Src = uint8(g.aScalar())
		if g.opt.V4 && op == ebpf.ALUMov && g.chance(0.5) {
			in.Off = pick[int16](g, 8, 16)
			if width == 64 && g.chance(0.3) {
				in.Off = 32
			}
		}
	default:
		in.Imm = g.imm()
		switch op {
		case ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUArsh:
			in.Imm = int32(g.n(width))
		case ebpf.ALUDiv, ebpf.ALUMod:
			if in.Imm == 0 {
				in.Imm = 3
			}
		}
	}
	if g.opt.V4 && (op == ebpf.ALUDiv || op == ebpf.ALUMod) && g.chance(0.4) {
		in.Off = 1 // signed
	}
	// The source was chosen first: finding one may use up other registers.
	in.Dst = uint8(g.ownScalar())
	g.emit(in)
	g.set(int(in.Dst), reg{k: scalar})
	return true
}

func (g *gen) loadWide() bool {
	d := g.dst()
	g.emit(ebpf.Insn{Op: ebpf.OpLDDW, Dst: uint8(d), Imm: g.imm()})
	g.emit(ebpf.Insn{Imm: g.imm()})
	g.set(d, reg{k: scalar})
	return true
}

func (g *gen) swap() bool {
	d := g.ownScalar()
	width := pick(g, 16, 32, 64)
	was := g.st.r[d].from
	in := ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUEnd | pick(g, ebpf.SrcK, ebpf.SrcX, ebpf.SrcX), Dst: uint8(d), Imm: int32(width)}
	if g.opt.V4 && g.chance(0.3) {
		in.Op = ebpf.ClassALU64 | ebpf.ALUEnd
	}
	g.emit(in)
	g.set(d, reg{k: scalar})
	if was.size == width/8 && in.Op != ebpf.ClassALU|ebpf.ALUEnd {
		g.st.r[d].from = field{was.off, was.size, !was.swapped}
	}
	return true
}

func (g *gen) loadCtx() bool {
	if g.st.r[r6].k != ctx {
		return false
	}
	d := g.dst()
	g.ldx(4, d, r6, pick(g, 12, 16)) // ingress_ifindex, rx_queue_index
	g.set(d, reg{k: scalar})
	return true
}

// jumpOps are the two-way branches.
var jumpOps = []uint8{ebpf.JmpEQ, ebpf.JmpEQ, ebpf.JmpNE, ebpf.JmpGT, ebpf.JmpGE, ebpf.JmpLT, ebpf.JmpLE,
	ebpf.JmpSGT, ebpf.JmpSGE, ebpf.JmpSLT, ebpf.JmpSLE, ebpf.JmpSET}

// compare makes a branch on a scalar and notes the constant for the packets.
func (g *gen) compare() ebpf.Insn {
	a := g.aScalar()
	in := ebpf.Insn{Op: pick(g, ebpf.ClassJMP, ebpf.ClassJMP32) | jumpOps[g.n(len(jumpOps))], Dst: uint8(a)}
	if rs := g.regs(scalar, false); g.chance(0.25) && len(rs) > 1 {
		in.Op |= ebpf.SrcX
		in.Src = uint8(rs[g.n(len(rs))])
		return in
	}
	in.Imm = g.imm()
	if f := g.st.r[a].from; f.size > 0 {
		if f.size < 4 {
			in.Imm &= 1<<(8*f.size) - 1
		}
		v := uint64(int64(in.Imm))
		if f.swapped {
			v = reverse(v, f.size)
		}
		g.fields = append(g.fields, Compared{f.off, f.size, v})
	}
	return in
}

// reverse turns the low size bytes of v around.
func reverse(v uint64, size int) (r uint64) {
	for range size {
		r = r<<8 | v&0xff
		v >>= 8
	}
	return r
}

func (g *gen) branch() bool {
	if g.left < 2 {
		return false
	}
	in := g.compare()
	var no, end label
	g.jump(in, &no)
	before := g.st.clone()
	if g.chance(0.15) { // an early end
		g.finish()
	} else {
		g.block(1+g.n(4), 0)
	}
	then := g.st
	g.st = before
	if g.chance(0.5) { // if without else
		if then == nil {
			g.place(&no)
			return true
		}
		g.place(&no)
		g.st.join(then)
		return true
	}
	if then != nil {
		g.goTo(&end)
	}
	g.place(&no)
	// An empty block would leave a jump over nothing, which is fine.
	g.block(1+g.n(3), 0)
	g.place(&end)
	switch {
	case then == nil:
	case g.st == nil:
		g.st = then
	default:
		g.st.join(then)
	}
	return true
}

// finish ends the function here.
func (g *gen) finish() {
	switch {
	case g.back: // the verifier wants 0 or 1 of it
		if g.chance(0.5) {
			s := g.aScalar()
			if s != r0 {
				g.mov(r0, s)
			}
			g.aluImm(ebpf.ALUAnd, r0, 1)
		} else {
			g.movImm(r0, 0)
		}
		g.emit(ebpf.Insn{Op: ebpf.OpExit})
	case g.chance(0.3) && g.loop == 0:
		g.goTo(&g.out)
	case g.chance(0.5):
		s := g.aScalar()
		if s != r0 {
			g.mov(r0, s)
		}
		if g.chance(0.7) {
			g.aluImm(ebpf.ALUAnd, r0, pick[int32](g, 1, 3, 7))
		}
		g.emit(ebpf.Insn{Op: ebpf.OpExit})
	default:
		g.movImm(r0, int32(g.n(5)))
		g.emit(ebpf.Insn{Op: ebpf.OpExit})
	}
	g.st = nil
}

// bounded makes a loop of a few rounds, perhaps left early, whose number may
// depend on the packet.
func (g *gen) bounded() bool {
	if g.loop > 0 || g.left < 3 {
		return false
	}
	c := pick(g, r7, r8, r9)
	rounds := 2 + g.n(5)
	limit := -1
	if g.chance(0.4) {
		if limit = pick(g, r7, r8, r9); limit == c {
			limit = -1
		} else {
			s := g.aScalar()
			if s == c {
				limit = -1
			} else {
				g.mov(limit, s)
				g.aluImm(ebpf.ALUAnd, limit, 7)
				g.set(limit, reg{k: scalar})
			}
		}
	}
	g.movImm(c, 0)
	for i := r0; i <= r5; i++ {
		g.st.r[i] = reg{}
	}
	for i := range g.st.r {
		if g.st.r[i].k == scalar {
			g.st.r[i].from = field{} // it may be another one next time
		}
	}
	g.st.r[c].from.size = counter
	var fixed [10]bool
	fixed[c] = true
	for i := r6; i <= r9; i++ {
		fixed[i] = true
	}
	if limit >= 0 {
		g.st.r[limit].from.size = counter
	}
	for i := r6; i <= r9; i++ {
		if g.st.r[i].k == none {
			fixed[i] = true
		}
	}
	g.fixed = fixed
	g.loop++
	start := g.st.clone()
	head := len(g.code)
	var end label
	if limit >= 0 {
		g.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpGE | ebpf.SrcX, Dst: uint8(c), Src: uint8(limit)}, &end)
	}
	// A load by the counter is what loops are for.
	if g.chance(0.5) {
		g.loadByCounter(c)
	}
	g.left += 1
	g.block(1+g.n(3), 0)
	if g.st != nil {
		if g.chance(0.4) {
			in := g.compare()
			g.jump(in, &end)
		}
		g.aluImm(ebpf.ALUAdd, c, 1)
		at := g.emit(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpLT, Dst: uint8(c), Imm: int32(rounds)})
		g.code[at].Off = int16(head - at - 1)
	} else if len(end.refs) == 0 {
		// Nothing leads on from here.
		g.loop--
		g.fixed = [10]bool{}
		return true
	}
	g.place(&end)
	g.loop--
	g.fixed = [10]bool{}
	g.st = start
	for i := range g.st.r {
		if g.st.r[i].from.size == counter {
			g.st.r[i].from = field{}
		}
	}
	return true
}
