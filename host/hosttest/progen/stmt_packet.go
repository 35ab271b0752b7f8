package progen

import "jitnic/host/ebpf"

// packetPtr returns a register that points into the packet with at least n
// bytes checked behind it, or -1 where the function has no context.
func (g *gen) packetPtr(n int) int {
	var good []int
	for i, r := range g.st.r {
		if r.k == pkt && g.st.room[r.base]-r.off >= n {
			good = append(good, i)
		}
	}
	if len(good) > 0 && g.chance(0.9) {
		return good[g.n(len(good))]
	}
	if g.st.r[r6].k != ctx {
		return -1
	}
	return g.check(max(n, pick(g, n, 14, 18, 34, 54, 1+g.n(80))))
}

// check loads data and data_end anew and makes sure of n bytes. It returns the
// register with data.
func (g *gen) check(n int) int {
	p := g.ptrDst()
	g.ldx(4, p, r6, 0)
	g.bases++
	g.set(p, reg{k: pkt, base: g.bases})
	g.bound(p, n, g.chance(0.8))
	return p
}

// bound makes sure of n bytes from p, or leaves; a new compare each time.
// Data_end may be loaded first or last, and the compare may be written four ways.
func (g *gen) bound(p, n int, note bool) {
	a := g.temp(p)
	b := g.temp(p, a)
	if ends := g.regs(pktEnd, false); len(ends) > 0 && g.chance(0.5) && ends[0] != a {
		b = ends[0]
	} else {
		g.ldx(4, b, r6, 4)
		g.set(b, reg{k: pktEnd})
	}
	g.mov(a, p)
	g.aluImm(ebpf.ALUAdd, a, int32(n))
	r := g.st.r[p]
	g.set(a, reg{k: pkt, base: r.base, off: r.off + n})
	var out *label = &g.out
	x := ebpf.ClassJMP | ebpf.SrcX
	switch g.n(4) {
	case 0: // a > end
		g.jump(ebpf.Insn{Op: x | ebpf.JmpGT, Dst: uint8(a), Src: uint8(b)}, out)
	case 1: // end < a
		g.jump(ebpf.Insn{Op: x | ebpf.JmpLT, Dst: uint8(b), Src: uint8(a)}, out)
	case 2: // not a <= end
		var ok label
		g.jump(ebpf.Insn{Op: x | ebpf.JmpLE, Dst: uint8(a), Src: uint8(b)}, &ok)
		g.leave()
		g.place(&ok)
	default: // not end >= a
		var ok label
		g.jump(ebpf.Insn{Op: x | ebpf.JmpGE, Dst: uint8(b), Src: uint8(a)}, &ok)
		g.leave()
		g.place(&ok)
	}
	g.st.room[r.base] = max(g.st.room[r.base], r.off+n)
	if note && !g.st.lost && g.st.room[r.base] == r.off+n {
		g.lengths = append(g.lengths, r.off+n+g.st.shift)
	}
}

// leave ends the function by the common exit, or by one of its own.
func (g *gen) leave() {
	if g.chance(0.6) {
		g.goTo(&g.out)
		return
	}
	g.emit(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov, Dst: r0, Imm: g.verdict()})
	g.emit(ebpf.Insn{Op: ebpf.OpExit})
}

// verdict is a constant to end with.
func (g *gen) verdict() int32 {
	if g.back {
		return int32(g.n(2))
	}
	return int32(g.n(5))
}

// at picks an offset for size bytes behind p, within what was checked.
func (g *gen) at(p, size int) int {
	r := g.st.r[p]
	room := g.st.room[r.base] - r.off
	off := g.n(room - size + 1)
	if g.chance(0.5) {
		for _, o := range []int{12, 23, 14, 26, 30, 34, 36, 20, 0} { // where headers have their fields
			if o >= r.off && o-r.off+size <= room && g.chance(0.4) {
				return o - r.off
			}
		}
	}
	return off
}

// source is the field that size bytes at p+off are, if they are of the packet
// as it came.
func (g *gen) source(p, off, size int) field {
	r := g.st.r[p]
	if g.st.lost || r.base < 0 {
		return field{}
	}
	if o := r.off + off + g.st.shift; o >= 0 {
		return field{off: o, size: size}
	}
	return field{}
}

func (g *gen) loadPacket() bool {
	size := pick(g, 1, 2, 4, 8)
	if g.st.r[r6].k != ctx && len(g.regs(pkt, false)) == 0 {
		return false
	}
	p := g.packetPtr(size)
	if p < 0 {
		return false
	}
	off := g.at(p, size)
	from := g.source(p, off, size)
	d := g.dst()
	if g.opt.V4 && size < 8 && g.chance(0.15) { // sign-extending
		g.emit(ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEMSX | sizeBits[size], Dst: uint8(d), Src: uint8(p), Off: int16(off)})
	} else {
		g.ldx(size, d, p, off)
	}
	g.set(d, reg{k: scalar, from: from})
	return true
}

func (g *gen) storePacket() bool {
	size := pick(g, 1, 2, 4, 8)
	p := g.packetPtr(size)
	if p < 0 {
		return false
	}
	off := g.at(p, size)
	if g.chance(0.3) {
		g.st8(size, p, off, g.imm())
		return true
	}
	if rs := g.regs(scalar, false); len(rs) > 0 {
		g.stx(size, p, off, rs[g.n(len(rs))])
		return true
	}
	g.st8(size, p, off, g.imm())
	return true
}

// loadVariable reads behind an offset that stands in the packet, as behind
// IPv4's header length.
func (g *gen) loadVariable() bool {
	p := g.packetPtr(1)
	if p < 0 || g.st.r[p].base < 0 {
		return false
	}
	x := g.temp(p)
	off := g.at(p, 1)
	if f := g.source(p, off, 1); f.size > 0 {
		g.fields = append(g.fields, Compared{f.off, 1, uint64(g.n(16))})
	}
	g.ldx(1, x, p, off)
	if g.chance(0.5) {
		g.aluImm(ebpf.ALUAnd, x, 15)
		g.aluImm(ebpf.ALULsh, x, 2)
	} else {
		g.aluImm(ebpf.ALUAnd, x, pick[int32](g, 0x3c, 7, 0x1f, 63))
	}
	g.set(x, reg{k: scalar})
	return g.variable(p, x)
}

// loadByCounter reads at an offset that a loop counts.
func (g *gen) loadByCounter(c int) bool {
	p := g.packetPtr(1)
	if p < 0 || g.st.r[p].base < 0 {
		return false
	}
	x := g.temp(p)
	g.mov(x, c)
	if g.chance(0.5) {
		g.aluImm(ebpf.ALULsh, x, int32(g.n(3)))
	}
	g.aluImm(ebpf.ALUAnd, x, 31)
	g.set(x, reg{k: scalar})
	return g.variable(p, x)
}

// variable makes x, a small scalar, into p+x and reads or writes there.
func (g *gen) variable(p, x int) bool {
	if g.st.r[r6].k != ctx {
		return false
	}
	g.aluReg(ebpf.ALUAdd, x, p)
	g.bases++
	g.set(x, reg{k: pkt, base: -g.bases})
	n := pick(g, 1, 2, 4, 8, 20)
	end := g.temp(x, p)
	g.ldx(4, end, r6, 4)
	g.set(end, reg{k: pktEnd})
	g.boundWith(x, end, n)
	size := min(n, pick(g, 1, 2, 4))
	if g.chance(0.2) {
		g.st8(size, x, g.n(n-size+1), g.imm())
		return true
	}
	d := g.dst()
	g.ldx(size, d, x, g.n(n-size+1))
	g.set(d, reg{k: scalar})
	return true
}

// boundWith is bound with data_end at hand, on x itself.
func (g *gen) boundWith(x, end, n int) {
	t := g.temp(x, end)
	g.mov(t, x)
	g.aluImm(ebpf.ALUAdd, t, int32(n))
	r := g.st.r[x]
	g.set(t, reg{k: pkt, base: r.base, off: r.off + n})
	g.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.SrcX | ebpf.JmpGT, Dst: uint8(t), Src: uint8(end)}, &g.out)
	g.st.room[r.base] = max(g.st.room[r.base], r.off+n)
}

// packetLength makes data_end - data.
func (g *gen) packetLength() bool {
	if g.st.r[r6].k != ctx {
		return false
	}
	if g.chance(0.3) {
		g.mov(r1, r6)
		g.helper(ebpf.FnXdpGetBuffLen)
		return true
	}
	d := g.dst()
	t := g.temp(d)
	g.ldx(4, d, r6, 4)
	g.ldx(4, t, r6, 0)
	g.aluReg(ebpf.ALUSub, d, t)
	g.set(t, reg{})
	g.set(d, reg{k: scalar})
	g.lengths = append(g.lengths, 14+g.n(120))
	return true
}

// adjust moves the packet's head, tail or metadata.
func (g *gen) adjust() bool {
	if g.st.r[r6].k != ctx {
		return false
	}
	id, delta := ebpf.FnXdpAdjustHead, int32(g.n(65)-32)
	switch g.n(3) {
	case 1:
		id, delta = ebpf.FnXdpAdjustTail, int32(g.n(65)-40)
	case 2:
		id, delta = ebpf.FnXdpAdjustMeta, int32(4*(g.n(9)-7))
	}
	g.mov(r1, r6)
	g.movImm(r2, delta)
	if rs := g.regs(scalar, false); g.chance(0.15) && len(rs) > 0 && rs[0] != r1 {
		g.mov(r2, rs[0])
		g.aluImm(ebpf.ALUAnd, r2, 15)
		g.st.lost = true
	}
	g.helper(id)
	g.st.dropPackets()
	g.moved = true
	if g.chance(0.7) {
		g.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpNE, Dst: r0}, &g.out)
		if id == ebpf.FnXdpAdjustHead {
			g.st.shift += int(delta)
		}
	} else if id == ebpf.FnXdpAdjustHead {
		g.st.lost = true
	}
	return true
}

// xdpBytes copies between packet and stack by helper.
func (g *gen) xdpBytes() bool {
	if g.st.r[r6].k != ctx {
		return false
	}
	n := pick(g, 1, 2, 4, 8, 16)
	off := g.room(16)
	store := g.chance(0.4)
	g.fillData(off, 16)
	s := g.aScalar()
	if s != r2 {
		g.mov(r2, s)
	}
	g.aluImm(ebpf.ALUAnd, r2, pick[int32](g, 0, 15, 63))
	g.mov(r1, r6)
	g.mov(r3, r10)
	g.aluImm(ebpf.ALUAdd, r3, int32(-off))
	g.movImm(r4, int32(n))
	if store {
		g.helper(ebpf.FnXdpStoreBytes)
		g.st.dropPackets()
		g.moved = true
	} else {
		g.helper(ebpf.FnXdpLoadBytes)
	}
	return true
}

// csum sums some bytes of stack or packet.
func (g *gen) csum() bool {
	n := pick(g, 4, 8, 20)
	if p := g.packetPtr(n); p >= 0 && g.chance(0.5) {
		off := g.at(p, n)
		if p != r3 {
			g.mov(r3, p)
		}
		g.aluImm(ebpf.ALUAdd, r3, int32(off))
	} else {
		off := g.room(24)
		g.fillData(off, 24)
		g.mov(r3, r10)
		g.aluImm(ebpf.ALUAdd, r3, int32(-off))
	}
	g.set(r3, reg{})
	g.movImm(r4, int32(n))
	seed := -1
	for _, r := range g.regs(scalar, false) {
		if r > r5 || r == r0 {
			seed = r
		}
	}
	if seed >= 0 && g.chance(0.5) {
		g.mov(r5, seed)
	} else {
		g.movImm(r5, 0)
	}
	g.movImm(r1, 0)
	g.movImm(r2, 0)
	g.helper(ebpf.FnCsumDiff)
	return true
}
