package progen

import "jitnic/host/ebpf"

// The stack: pointers are saved in the topmost slots, scalars, keys and values
// stand below, so that neither overwrites the other in a loop.
//
//	r10-8 … r10-32       saved pointers
//	r10-40 … r10-stack   data
const saveBytes = 32

// room picks n bytes of data stack, aligned to 8; they start at r10-off.
func (g *gen) room(n int) (off int) {
	slots := (n + 7) / 8
	free := (g.stack - saveBytes) / 8
	return saveBytes + 8*(slots+g.n(free-slots+1))
}

// isData says whether all n bytes from r10-off may be read as scalars.
func (g *gen) isData(off, n int) bool {
	for b := range n {
		if g.st.stack[off-1-b] != data {
			return false
		}
	}
	return true
}

func (g *gen) mark(off, n int) {
	for b := range n {
		g.st.stack[off-1-b] = data
	}
}

// fillData makes sure that n bytes from r10-off may be read, and likely
// changes some.
func (g *gen) fillData(off, n int) {
	for i := 0; i < n; i += 8 {
		if g.isData(off-i, 8) && g.chance(0.6) {
			continue
		}
		if rs := g.regs(scalar, false); len(rs) > 0 && g.chance(0.5) {
			g.stx(8, r10, -(off - i), rs[g.n(len(rs))])
		} else {
			g.st8(8, r10, -(off - i), g.imm())
		}
		g.mark(off-i, 8)
	}
}

// aligned picks where size bytes of data stack start.
func (g *gen) aligned(size int) (off int) {
	return saveBytes + size*(1+g.n((g.stack-saveBytes)/size))
}

func (g *gen) storeStack() bool {
	size := pick(g, 1, 2, 4, 8)
	off := g.aligned(size)
	if g.chance(0.3) {
		g.st8(size, r10, -off, g.imm())
	} else {
		g.stx(size, r10, -off, g.aScalar())
	}
	g.mark(off, size)
	return true
}

func (g *gen) loadStack() bool {
	for range 12 {
		size := pick(g, 1, 2, 4, 8)
		off := g.aligned(size)
		if !g.isData(off, size) {
			continue
		}
		d := g.dst()
		g.ldx(size, d, r10, -off)
		g.set(d, reg{k: scalar})
		return true
	}
	return g.storeStack()
}

// spill saves a pointer.
func (g *gen) spill() bool {
	var rs []int
	for i, r := range g.st.r {
		if r.k != none && r.k != scalar {
			rs = append(rs, i)
		}
	}
	if len(rs) == 0 {
		return false
	}
	r, slot := rs[g.n(len(rs))], g.n(saveBytes/8)
	g.stx(8, r10, -8*(slot+1), r)
	g.st.saved[slot] = g.st.r[r]
	for b := range 8 {
		g.st.stack[8*slot+b] = spilled
	}
	return true
}

// fill takes a saved pointer back.
func (g *gen) fill() bool {
	var slots []int
	for i := range saveBytes / 8 {
		if g.st.saved[i].k != none {
			slots = append(slots, i)
		}
	}
	if len(slots) == 0 {
		return g.spill()
	}
	slot, d := slots[g.n(len(slots))], g.ptrDst()
	g.ldx(8, d, r10, -8*(slot+1))
	g.set(d, g.st.saved[slot])
	return true
}

var atomicOps = []int32{ebpf.AtomicAdd, ebpf.AtomicAdd, ebpf.AtomicOr, ebpf.AtomicAnd, ebpf.AtomicXor,
	ebpf.AtomicAdd | ebpf.AtomicFetch, ebpf.AtomicOr | ebpf.AtomicFetch, ebpf.AtomicAnd | ebpf.AtomicFetch,
	ebpf.AtomicXor | ebpf.AtomicFetch, ebpf.AtomicXchg, ebpf.AtomicCmpXchg}

// atomic makes a read-modify-write of size bytes at base+off.
func (g *gen) atomic(size, base, off int) bool {
	if g.opt.V4 && g.chance(0.15) { // load-acquire, store-release
		op := ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | sizeBits[size], Dst: uint8(base), Off: int16(off), Imm: ebpf.AtomicStRel}
		if g.chance(0.5) {
			d := g.dst()
			op.Dst, op.Src, op.Imm = uint8(d), uint8(base), ebpf.AtomicLoadAcq
			g.emit(op)
			g.set(d, reg{k: scalar})
			return true
		}
		rs := g.regs(scalar, false)
		if len(rs) == 0 {
			return false
		}
		op.Src = uint8(rs[g.n(len(rs))])
		g.emit(op)
		return true
	}
	op := atomicOps[g.n(len(atomicOps))]
	if op == ebpf.AtomicCmpXchg {
		if base == r0 || g.fixed[r0] {
			return false
		}
		if g.st.r[r0].k != scalar {
			g.movImm(r0, g.imm())
		}
		g.st.r[r0].from = field{}
	}
	// No register may be used up now: base must stay.
	var rs []int
	for _, r := range g.regs(scalar, true) {
		if !g.isCounter(r) {
			rs = append(rs, r)
		}
	}
	if len(rs) == 0 {
		return false
	}
	src := rs[g.n(len(rs))]
	g.emit(ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | sizeBits[size], Dst: uint8(base), Src: uint8(src), Off: int16(off), Imm: op})
	if op&ebpf.AtomicFetch != 0 && op != ebpf.AtomicCmpXchg {
		g.st.r[src].from = field{}
	}
	return true
}

func (g *gen) atomicStack() bool {
	size := pick(g, 4, 8)
	for range 12 {
		if off := g.aligned(size); g.isData(off, size) {
			return g.atomic(size, r10, -off)
		}
	}
	return g.storeStack()
}
