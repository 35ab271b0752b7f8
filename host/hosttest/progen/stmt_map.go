package progen

import (
	"jitnic/host/ebpf"

	cebpf "github.com/cilium/ebpf"
)

// mapOf picks a map of one of the types, or -1.
func (g *gen) mapOf(types ...cebpf.MapType) int {
	var ms []int
	for i, m := range g.maps {
		for _, t := range types {
			if m.Type == t && !m.ReadOnly {
				ms = append(ms, i)
			}
		}
	}
	if len(ms) == 0 {
		return -1
	}
	return ms[g.n(len(ms))]
}

// keyed are the types that lookup, update and delete are for.
var keyed = []cebpf.MapType{cebpf.Array, cebpf.PerCPUArray, cebpf.Hash, cebpf.PerCPUHash, cebpf.LRUHash, cebpf.LPMTrie}

// key puts a key of map m on the stack, or finds one in the packet, and
// leaves its address in r2.
func (g *gen) key(m int) {
	spec := g.maps[m]
	size := int(spec.KeySize)
	if spec.Type != cebpf.LPMTrie && g.chance(0.12) {
		// Straight from the packet: the helpers may read there.
		if p := g.packetPtr(size); p >= 0 {
			off := g.at(p, size)
			if f := g.source(p, off, size); f.size > 0 {
				g.keys = append(g.keys, keyField{m, f.off, size})
			}
			if p != r2 {
				g.mov(r2, p)
			}
			g.aluImm(ebpf.ALUAdd, r2, int32(off))
			g.set(r2, reg{})
			return
		}
	}
	off := g.room(size)
	for i := 0; i < size; i += 8 {
		g.st8(8, r10, -(off - i), 0)
	}
	g.mark(off, (size+7)/8*8)
	rest, at := size, off
	if spec.Type == cebpf.LPMTrie {
		g.st8(4, r10, -off, pick[int32](g, 32, 32, 32, 24, 16, 8, 0))
		rest, at = size-4, off-4
	}
	switch g.n(5) {
	case 0: // a constant
		g.st8(min(4, pow2(rest)), r10, -at, int32(g.n(8)))
	case 1, 2: // a small number
		s := g.aScalar()
		t := g.temp()
		g.mov(t, s)
		g.aluImm(ebpf.ALUAnd, t, pick[int32](g, 1, 3, 7, 15))
		g.set(t, reg{k: scalar})
		g.stx(min(4, pow2(rest)), r10, -at, t)
	case 3: // whatever it is
		if spec.Type == cebpf.Array || spec.Type == cebpf.PerCPUArray || g.chance(0.7) {
			g.st8(min(4, pow2(rest)), r10, -at, int32(g.n(8)))
		} else {
			g.stx(min(8, pow2(rest)), r10, -at, g.aScalar())
		}
	case 4: // bytes of the packet
		p := g.packetPtr(rest)
		if p < 0 {
			break
		}
		from := g.at(p, rest)
		if f := g.source(p, from, rest); f.size > 0 {
			g.keys = append(g.keys, keyField{m, f.off, rest})
		}
		t := g.temp(p)
		for done := 0; done < rest; {
			n := pow2(rest - done)
			for (at-done)%n != 0 {
				n /= 2
			}
			g.ldx(n, t, p, from+done)
			g.stx(n, r10, -(at - done), t)
			done += n
		}
		g.set(t, reg{k: scalar})
	}
	g.mov(r2, r10)
	g.aluImm(ebpf.ALUAdd, r2, int32(-off))
	g.set(r2, reg{})
}

// pow2 is the largest power of two, 8 at most, that is no more than n.
func pow2(n int) int {
	for _, p := range []int{8, 4, 2} {
		if n >= p {
			return p
		}
	}
	return 1
}

func (g *gen) lookup() bool {
	m := g.mapOf(keyed...)
	if m < 0 {
		return false
	}
	g.key(m)
	g.loadMap(r1, m)
	if t := g.maps[m].Type; (t == cebpf.PerCPUArray || t == cebpf.PerCPUHash) && g.chance(0.3) {
		g.movImm(r3, pick[int32](g, 0, 0, 0, 1<<20)) // no machine has that many
		g.helper(ebpf.FnMapLookupPercpuElem)
	} else {
		g.helper(ebpf.FnMapLookupElem)
	}
	g.st.r[r0] = reg{}
	g.found(m)
	return true
}

// lookupInner looks a map up in a map of maps, and a key in that.
func (g *gen) lookupInner() bool {
	m := g.mapOf(cebpf.ArrayOfMaps, cebpf.HashOfMaps)
	if m < 0 || g.left < 2 || g.st.r[r6].k != ctx {
		return false
	}
	g.key(m)
	g.loadMap(r1, m)
	g.helper(ebpf.FnMapLookupElem)
	g.st.r[r0] = reg{}
	g.jump(ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ, Dst: r0}, &g.out)
	keep := pick(g, r7, r8, r9)
	g.mov(keep, r0)
	like := g.mapNamed(g.maps[m].Inner.Name)
	g.set(keep, reg{k: inner, m: like})
	g.key(like)
	if g.st.r[keep].k != inner { // used up for the key
		return true
	}
	g.mov(r1, keep)
	switch g.n(4) {
	case 0:
		off := g.room(int(g.maps[like].ValueSize))
		for i := 0; i < int(g.maps[like].ValueSize); i += 8 {
			if !g.isData(off-i, 8) {
				g.st8(8, r10, -(off - i), g.imm())
				g.mark(off-i, 8)
			}
		}
		g.mov(r3, r10)
		g.aluImm(ebpf.ALUAdd, r3, int32(-off))
		g.movImm(r4, int32(g.n(3)))
		g.helper(ebpf.FnMapUpdateElem)
	default:
		g.helper(ebpf.FnMapLookupElem)
		g.st.r[r0] = reg{}
		g.found(like)
	}
	return true
}

func (g *gen) mapNamed(name string) int {
	for i, m := range g.maps {
		if m.Name == name {
			return i
		}
	}
	return -1
}

// found goes on after a lookup in map m: r0 is the value or null.
func (g *gen) found(m int) {
	found := reg{k: value, m: m}
	isNull := ebpf.Insn{Op: ebpf.ClassJMP | ebpf.JmpEQ, Dst: r0}
	switch g.n(3) {
	case 0: // without it there is nothing more to do
		g.jump(isNull, &g.out)
		g.st.r[r0] = found
	case 1: // if it's there
		var no label
		g.jump(isNull, &no)
		before := g.st.clone()
		g.st.r[r0] = found
		g.useValue()
		g.block(g.n(3), 0)
		then := g.st
		g.place(&no)
		g.st = before
		if then != nil {
			g.st.join(then)
		}
		return
	default: // if it's there, else
		var no, end label
		g.jump(isNull, &no)
		before := g.st.clone()
		g.st.r[r0] = found
		g.useValue()
		then := g.st
		if then != nil {
			g.goTo(&end)
		}
		g.place(&no)
		g.st = before
		if g.chance(0.5) && g.left > 0 {
			g.update()
		}
		g.block(g.n(2), 0)
		g.place(&end)
		if g.st == nil {
			g.st = then
		} else if then != nil {
			g.st.join(then)
		}
		return
	}
	if g.chance(0.7) {
		g.mov(g.ptrDst(), r0)
	}
	g.useValue()
}

// address takes the address of a value without a lookup, as global variables
// are reached. The kernel allows it of arrays of one entry.
func (g *gen) address() bool {
	m := g.mapOf(cebpf.Array)
	if m < 0 || g.maps[m].Max != 1 {
		return false
	}
	d := g.ptrDst()
	off := 0
	if n := int(g.maps[m].ValueSize); n > 8 && g.chance(0.5) {
		off = 8
	}
	g.emit(ebpf.Insn{Op: ebpf.OpLDDW, Dst: uint8(d), Src: ebpf.PseudoMapValue, Imm: int32(m)})
	g.emit(ebpf.Insn{Imm: int32(off)})
	g.set(d, reg{k: value, m: m, off: off})
	g.useValue()
	return true
}

// useValue does something with a value just found.
func (g *gen) useValue() {
	for range 1 + g.n(2) {
		switch g.n(4) {
		case 0, 1:
			g.loadValue()
		case 2:
			g.storeValue()
		default:
			g.atomicValue()
		}
	}
}

// valuePtr picks a pointer to a value and where size bytes of it are.
func (g *gen) valuePtr(size int) (p, off int) {
	rs := g.regs(value, false)
	if len(rs) == 0 {
		return -1, 0
	}
	p = rs[g.n(len(rs))]
	r := g.st.r[p]
	n := g.valueSize(r)
	if n -= r.off; n < size {
		return -1, 0
	}
	return p, size * g.n(n/size)
}

func (g *gen) loadValue() bool {
	size := pick(g, 1, 2, 4, 8)
	p, off := g.valuePtr(size)
	if p < 0 {
		return false
	}
	n := g.valueSize(g.st.r[p]) - g.st.r[p].off
	if rs := g.regs(scalar, false); len(rs) > 0 && n >= 16 && g.st.r[p].m >= 0 && g.chance(0.25) {
		// At an offset that is only known to be small.
		x := g.temp(p)
		g.mov(x, rs[g.n(len(rs))])
		g.aluImm(ebpf.ALUAnd, x, pick[int32](g, 7, 8))
		g.aluReg(ebpf.ALUAdd, x, p)
		g.ldx(size, x, x, 0)
		g.set(x, reg{k: scalar})
		return true
	}
	d := g.dst()
	g.ldx(size, d, p, off)
	g.set(d, reg{k: scalar})
	return true
}

func (g *gen) storeValue() bool {
	size := pick(g, 1, 2, 4, 8)
	p, off := g.valuePtr(size)
	if p < 0 {
		return false
	}
	rs := g.regs(scalar, false)
	if len(rs) == 0 || g.chance(0.3) {
		g.st8(size, p, off, g.imm())
		return true
	}
	if g.chance(0.4) { // count, as most programs do
		t := g.temp(p)
		g.ldx(size, t, p, off)
		g.aluImm(ebpf.ALUAdd, t, int32(1+g.n(3)))
		g.set(t, reg{k: scalar})
		g.stx(size, p, off, t)
		return true
	}
	g.stx(size, p, off, rs[g.n(len(rs))])
	return true
}

func (g *gen) atomicValue() bool {
	size := pick(g, 4, 8)
	p, off := g.valuePtr(size)
	if p < 0 {
		return false
	}
	return g.atomic(size, p, off)
}

// update puts a value in; where it was not there, often a new one.
func (g *gen) update() bool {
	m := g.mapOf(keyed...)
	if m < 0 {
		return false
	}
	n := int(g.maps[m].ValueSize)
	g.key(m) // first: it may need registers
	// The value: below the key or over it, both are scalars.
	off := g.room(n)
	for i := 0; i < n; i += 8 {
		if !g.isData(off-i, 8) {
			g.st8(8, r10, -(off - i), g.imm())
			g.mark(off-i, 8)
		}
	}
	g.mov(r3, r10)
	g.aluImm(ebpf.ALUAdd, r3, int32(-off))
	g.movImm(r4, pick[int32](g, 0, 0, 0, 1, 1, 2, 2, 3))
	g.loadMap(r1, m)
	g.helper(ebpf.FnMapUpdateElem)
	return true
}

func (g *gen) remove() bool {
	m := g.mapOf(cebpf.Hash, cebpf.PerCPUHash, cebpf.LRUHash, cebpf.LPMTrie, cebpf.Array)
	if m < 0 {
		return false
	}
	g.key(m)
	g.loadMap(r1, m)
	g.helper(ebpf.FnMapDeleteElem)
	return true
}

// queue pushes, pops or peeks.
func (g *gen) queue() bool {
	m := g.mapOf(cebpf.Queue, cebpf.Stack)
	if m < 0 {
		return false
	}
	n := int(g.maps[m].ValueSize)
	off := g.room(n)
	g.fillData(off, n)
	g.mov(r2, r10)
	g.aluImm(ebpf.ALUAdd, r2, int32(-off))
	id := pick(g, ebpf.FnMapPushElem, ebpf.FnMapPushElem, ebpf.FnMapPopElem, ebpf.FnMapPeekElem)
	if id == ebpf.FnMapPushElem {
		g.movImm(r3, pick[int32](g, 0, 0, 2, 1))
	}
	g.loadMap(r1, m)
	g.helper(id)
	return true
}

func (g *gen) ringbuf() bool {
	m := g.mapOf(cebpf.RingBuf)
	if m < 0 {
		return false
	}
	n := 8 * (1 + g.n(3))
	off := g.room(n)
	g.fillData(off, n)
	g.mov(r2, r10)
	g.aluImm(ebpf.ALUAdd, r2, int32(-off))
	g.movImm(r3, int32(n))
	g.movImm(r4, int32(g.n(2))) // BPF_RB_NO_WAKEUP or not
	g.loadMap(r1, m)
	g.helper(ebpf.FnRingbufOutput)
	return true
}

// tailCall tries to go over to another program of the object.
func (g *gen) tailCall() bool {
	m := g.mapOf(cebpf.ProgramArray)
	if m < 0 || !g.entry {
		return false
	}
	if rs := g.regs(scalar, false); len(rs) > 0 && g.chance(0.4) {
		g.mov(r3, rs[g.n(len(rs))])
		g.aluImm(ebpf.ALUAnd, r3, 3)
	} else {
		g.movImm(r3, int32(g.n(3)))
	}
	g.loadMap(r2, m)
	g.mov(r1, r6)
	g.helper(ebpf.FnTailCall)
	g.st.r[r0] = reg{} // it returns nothing
	return true
}

// redirect asks for another device, by map or by number.
func (g *gen) redirect() bool {
	if g.chance(0.3) {
		g.movImm(r1, int32(g.n(3)))
		g.movImm(r2, pick[int32](g, 0, 0, 1))
		g.helper(ebpf.FnRedirect)
		return true
	}
	m := g.mapOf(cebpf.DevMap, cebpf.DevMapHash)
	if m < 0 {
		return false
	}
	if rs := g.regs(scalar, false); len(rs) > 0 && g.chance(0.5) {
		g.mov(r2, rs[g.n(len(rs))])
		g.aluImm(ebpf.ALUAnd, r2, 3)
	} else {
		g.movImm(r2, int32(g.n(3)))
	}
	g.movImm(r3, int32(g.n(4)))
	g.loadMap(r1, m)
	g.helper(ebpf.FnRedirectMap)
	if g.chance(0.5) && g.fn < 0 && g.loop == 0 {
		g.emit(ebpf.Insn{Op: ebpf.OpExit})
		g.st = nil
	}
	return true
}
