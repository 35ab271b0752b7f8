package progen

import (
	"jitnic/host/ebpf"
	"jitnic/host/maps"

	cebpf "github.com/cilium/ebpf"
)

func answers(o *Options) bool { return o.Answers && !o.NoMaps }
func ownOrder(o *Options) bool {
	return o.OwnOrder && !o.NoMaps && !o.NoCalls && !o.NoLoops
}

// formats are what is printed by: each of three values, the second a string.
var formats = []string{"%d %s|%x", "%5llu<%s>%c", "%x%8s.%-4d|", "%% %i, %s"}

// answerMaps are the maps that the statements below need.
func (sh *shared) answerMaps() {
	if sh.opt.Answers {
		f := append([]byte(formats[sh.rnd.IntN(len(formats))]), 0)
		sh.maps = append(sh.maps, &maps.Spec{Name: ".rodata", Type: cebpf.Array, KeySize: 4, ValueSize: uint32(len(f)), Max: 1, ReadOnly: true,
			Flags: 1 << 7, Contents: []maps.Entry{{Key: le32(0), Value: f}}}, // BPF_F_RDONLY_PROG
			&maps.Spec{Name: "records", Type: cebpf.RingBuf, Max: 4096})
	}
	if sh.opt.OwnOrder {
		sh.maps = append(sh.maps, &maps.Spec{Name: "timed", Type: []cebpf.MapType{cebpf.Array, cebpf.Hash, cebpf.LRUHash}[sh.rnd.IntN(3)], KeySize: 4, ValueSize: 32, Max: 8})
	}
}

// toStack has a register point to the stack at r10-off.
func (g *gen) toStack(r, off int) {
	g.mov(r, r10)
	g.aluImm(ebpf.ALUAdd, r, int32(-off))
	g.set(r, reg{})
}

// word puts a string of at most n-1 characters on the stack, in 8 bytes.
func (g *gen) word() (off int) {
	off = g.room(8)
	if rs := g.regs(scalar, false); len(rs) > 0 && g.chance(0.6) {
		g.stx(4, r10, -off, rs[g.n(len(rs))])
	} else {
		g.st8(4, r10, -off, pick[int32](g, 0x6261, 0x64636261, 0x61))
	}
	g.st8(4, r10, -(off - 4), 0)
	g.mark(off, 8)
	return off
}

// probe reads memory by its address: of the stack, of a value, or where there is none.
func (g *gen) probe() bool {
	dst, from := g.room(8), g.word()
	g.fillData(dst, 8)
	n := 1 + g.n(8)
	id := pick(g, ebpf.FnProbeReadKernel, ebpf.FnProbeReadKernel, ebpf.FnProbeReadKernelStr, ebpf.FnProbeReadUser)
	switch p, off := g.valuePtr(8); {
	case p >= 0 && id == ebpf.FnProbeReadKernel && g.chance(0.5):
		g.mov(r3, p)
		g.aluImm(ebpf.ALUAdd, r3, int32(off))
	case g.chance(0.2):
		g.movImm(r3, pick[int32](g, 0, 1, 0x1000))
	default:
		g.toStack(r3, from)
	}
	g.toStack(r1, dst)
	g.movImm(r2, int32(n))
	g.helper(id)
	return true
}

// printing makes a text of numbers and a string.
func (g *gen) printing() bool {
	m := g.mapNamed(".rodata")
	s := g.word()
	const values = 24
	at := g.room(values)
	if s-8 < at && at-values < s { // the string would be written over
		return false
	}
	for i := 0; i < values; i += 16 {
		g.stx(8, r10, -(at - i), g.aScalar())
	}
	dst, n := g.room(16), 1+g.n(16)
	if dst-16 < at && at-values < dst {
		return false
	}
	g.fillData(dst, 16)
	g.toStack(r1, s)
	g.stx(8, r10, -(at - 8), r1)
	g.toStack(r1, dst)
	g.movImm(r2, int32(n))
	g.emit(ebpf.Insn{Op: ebpf.OpLDDW, Dst: r3, Src: ebpf.PseudoMapValue, Imm: int32(m)})
	g.emit(ebpf.Insn{})
	g.toStack(r4, at)
	g.movImm(r5, values)
	g.helper(ebpf.FnSnprintf)
	for b := range values {
		g.st.stack[at-1-b] = unset // a pointer is among them
	}
	return true
}

// record reserves a record of a ring buffer, now and then another in it, and submits
// or discards each.
func (g *gen) record() bool {
	m := g.mapNamed("records")
	if g.st.r[r0].k != none && g.fixed[r0] {
		return false
	}
	g.reserve(m, pick(g, r7, r8, r9), 1+g.n(2))
	return true
}

func (g *gen) reserve(m, keep, deep int) {
	g.loadMap(r1, m)
	g.movImm(r2, 8*int32(1+g.n(150)))
	g.movImm(r3, 0)
	g.helper(ebpf.FnRingbufReserve)
	g.st.r[r0] = reg{}
	var none label
	before := g.st.clone()
	g.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ, Dst: r0}, &none)
	g.mov(keep, r0)
	g.set(keep, reg{})
	if rs := g.regs(scalar, false); len(rs) > 0 {
		g.stx(8, keep, 0, rs[g.n(len(rs))])
	} else {
		g.st8(8, keep, 0, 1)
	}
	if deep > 1 {
		other := r7
		if keep == r7 {
			other = r8
		}
		g.reserve(m, other, 1)
	}
	g.mov(r1, keep)
	g.movImm(r2, 0)
	g.helper(pick(g, ebpf.FnRingbufSubmit, ebpf.FnRingbufSubmit, ebpf.FnRingbufDiscard))
	g.st.r[r0] = reg{}
	g.place(&none)
	g.st.join(before)
	g.st.r[keep], g.st.r[r0] = reg{}, reg{}
	if g.chance(0.5) {
		g.loadMap(r1, m)
		g.movImm(r2, int32(g.n(4)))
		g.helper(ebpf.FnRingbufQuery)
	}
}

// backWith makes a callback, given the kind of each argument.
func (g *gen) backWith(args [6]reg, first func(f *gen)) int {
	n := len(g.subs)
	s := &sub{back: true}
	g.subs = append(g.subs, s)
	f := &gen{shared: g.shared, st: &state{room: map[int]int{}, lost: true}, stack: 64, fn: n, left: 1 + g.n(5), back: true}
	copy(f.st.r[r1:r6], args[1:])
	first(f)
	opt := g.shared.opt
	g.shared.opt.NoAdjust, g.shared.opt.NoCalls, g.shared.opt.NoLoops = true, true, true
	f.body()
	g.shared.opt = opt
	s.code, s.calls = f.code, f.calls
	return n
}

// loadFunc has a register name a callback.
func (g *gen) loadFunc(r, sub int) {
	g.calls = append(g.calls, callSite{g.emit(ebpf.Insn{Op: ebpf.OpLDDW, Dst: uint8(r), Src: ebpf.PseudoFunc}), sub})
	g.emit(ebpf.Insn{})
	g.set(r, reg{})
}

// visit calls a function for each entry of a hash; it looks at the key, and may
// delete it.
func (g *gen) visit() bool {
	m := g.mapOf(cebpf.Hash, cebpf.PerCPUHash)
	if m < 0 || len(g.subs) >= maxSubs || g.fn >= 0 || g.left < 2 {
		return false
	}
	deletes := g.chance(0.3)
	sub := g.backWith([6]reg{r3: {k: value, m: m}, r4: {k: value, m: -1}}, func(f *gen) {
		f.mov(r7, r4)
		f.ldx(1, r8, r2, 0)
		f.set(r8, reg{k: scalar})
		if deletes {
			f.helper(ebpf.FnMapDeleteElem)
		}
	})
	off := g.room(callerBytes)
	g.fillData(off, callerBytes)
	g.loadMap(r1, m)
	g.loadFunc(r2, sub)
	g.toStack(r3, off)
	g.movImm(r4, 0)
	g.helper(ebpf.FnForEachMapElem)
	return true
}

// otherCPU looks up a value of a CPU that may be another.
func (g *gen) otherCPU() bool {
	m := g.mapOf(cebpf.PerCPUArray, cebpf.PerCPUHash)
	if m < 0 {
		return false
	}
	g.key(m)
	g.movImm(r3, pick[int32](g, 0, 1, 1, 2))
	g.loadMap(r1, m)
	g.helper(ebpf.FnMapLookupPercpuElem)
	g.st.r[r0] = reg{}
	g.found(m)
	return true
}

// timer does something with the timer in a value.
func (g *gen) timer() bool {
	const at = 16
	m := g.mapNamed("timed")
	if len(g.subs) >= maxSubs || g.fn >= 0 || g.left < 2 || g.loop > 0 {
		return false
	}
	sub := g.backWith([6]reg{r3: {k: value, m: m}}, func(f *gen) {
		f.ldx(1, r8, r2, 0)
		f.set(r8, reg{k: scalar})
		f.mov(r7, r3)
	})
	g.key(m)
	g.loadMap(r1, m)
	g.helper(ebpf.FnMapLookupElem)
	keep := pick(g, r7, r8, r9)
	var none label
	g.st.r[r0], g.st.r[keep] = reg{}, reg{}
	before := g.st.clone()
	g.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ, Dst: r0}, &none)
	g.mov(keep, r0)
	all := []int32{ebpf.FnTimerInit, ebpf.FnTimerSetCallback, ebpf.FnTimerStart, ebpf.FnTimerCancel}
	for i, id := range all {
		if g.chance(0.3) {
			id = all[g.n(len(all))]
		} else if i == 3 && g.chance(0.7) {
			break
		}
		switch id {
		case ebpf.FnTimerInit:
			g.loadMap(r2, m)
			g.movImm(r3, pick[int32](g, 1, 1, 7, 3))
		case ebpf.FnTimerSetCallback:
			g.loadFunc(r2, sub)
		case ebpf.FnTimerStart:
			g.movImm(r2, int32(g.n(40)))
			g.movImm(r3, pick[int32](g, 0, 0, 0, 8))
		}
		g.mov(r1, keep)
		g.aluImm(ebpf.ALUAdd, r1, at)
		g.helper(id)
		g.st.r[r0] = reg{}
		if g.chance(0.4) {
			g.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpNE, Dst: r0}, &none)
		}
	}
	g.place(&none)
	g.st.join(before)
	g.st.r[r0] = reg{}
	return true
}
