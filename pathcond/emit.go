package pathcond

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/pathcond/bv"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

const ebpfArray = cebpf.Array

// emitter writes the straight-line code of a path beside its symbolic
// execution: jumps vanish, calls are inlined, values the path makes constant
// become constants.
type emitter struct {
	code []ebpf.Insn
	meta []trace.Meta
	lo   uint64 // constants in [lo, hi) may be addresses and are left alone
	hi   uint64
}

func (e *emitter) init(x *exec) {
	e.code, e.meta = x.c.room.code[:0], x.c.room.meta[:0]
	e.lo, e.hi = 1<<16, uint64(len(x.s.Mem.B))
}

func (e *emitter) put(in ebpf.Insn, m trace.Meta) {
	e.code = append(e.code, in)
	e.meta = append(e.meta, m)
}

func (x *exec) here() trace.Meta {
	return trace.Meta{Prog: x.step.Prog, PC: x.step.PC, Map: -1}
}

func made() trace.Meta { return trace.Meta{PC: -1, Map: -1} }

// plain says whether a constant is surely no address.
func (e *emitter) plain(v uint64) bool { return (v < e.lo || v >= e.hi) && v>>60 == 0 || v>>60 == 0xf }

// constant emits reg = v.
func (e *emitter) constant(x *exec, reg uint8, v uint64) {
	m := x.here()
	if int64(v) == int64(int32(v)) {
		e.put(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcK, Dst: reg, Imm: int32(v)}, m)
		return
	}
	if v>>32 == 0 {
		e.put(ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcK, Dst: reg, Imm: int32(v)}, m)
		return
	}
	e.put(ebpf.Insn{Op: ebpf.OpLDDW, Dst: reg, Imm: int32(v)}, m)
	e.put(ebpf.Insn{Imm: int32(v >> 32)}, m)
}

func (e *emitter) alu(x *exec, in ebpf.Insn, v bv.Term) {
	if c, ok := x.b.IsConst(v); ok && e.plain(c) {
		e.constant(x, in.Dst, c)
		return
	}
	depth := len(x.frames) - 1
	if in.Op&ebpf.SrcX != 0 && in.ALUOp() != ebpf.ALUEnd && in.Src == 10 && depth > 0 {
		// r10 of an inlined call stands above the trace's.
		d := int32(depth * trace.FrameStride)
		switch {
		case in.Class() == ebpf.ClassALU64 && (in.ALUOp() == ebpf.ALUMov && in.Off == 0 || in.ALUOp() == ebpf.ALUAdd):
			e.put(in, x.here())
			e.put(ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd | ebpf.SrcK, Dst: in.Dst, Imm: d}, x.here())
		default:
			x.abort(trace.ReasonUnencodable, "frame pointer arithmetic in a subprogram")
		}
		return
	}
	e.put(in, x.here())
}

func (e *emitter) wide(x *exec, lo, hi ebpf.Insn) {
	if lo.Src == ebpf.PseudoFunc { // a trace has no functions: what the helper is handed
		e.constant(x, lo.Dst, x.step.Val)
		return
	}
	e.put(lo, x.here())
	e.put(hi, x.here())
}

// offset moves an r10-relative offset of an inlined call to its frame.
func (e *emitter) offset(x *exec, reg uint8, off int16) int16 {
	if reg != 10 {
		return off
	}
	return off + int16((len(x.frames)-1)*trace.FrameStride)
}

func (e *emitter) load(x *exec, in ebpf.Insn, v bv.Term) {
	if c, ok := x.b.IsConst(v); ok && (e.plain(c) || x.isKey(x.step.Addr)) {
		e.constant(x, in.Dst, c)
		return
	}
	m := x.here()
	e.access(x, &m, in.Size())
	in.Off = e.offset(x, in.Src, in.Off)
	e.put(in, m)
}

func (e *emitter) access(x *exec, m *trace.Meta, n int) {
	kind, owner := x.place(x.step.Addr, n)
	m.Mem, m.Map, m.Addr = kind, int32(owner), x.step.Addr
}

func (e *emitter) ctxLoad(x *exec, in ebpf.Insn) {
	m := x.here()
	m.Mem, m.Addr = trace.MemCtx, x.step.Addr
	e.put(in, m)
}

func (e *emitter) store(x *exec, in ebpf.Insn) {
	m := x.here()
	e.access(x, &m, in.Size())
	if in.Class() == ebpf.ClassSTX && in.Src == 10 && len(x.frames) > 1 {
		x.abort(trace.ReasonUnencodable, "frame pointer of a subprogram stored")
	}
	in.Off = e.offset(x, in.Dst, in.Off)
	e.put(in, m)
}

func (e *emitter) atomic(x *exec, in ebpf.Insn) {
	m := x.here()
	e.access(x, &m, in.Size())
	if in.Imm == ebpf.AtomicLoadAcq {
		in.Off = e.offset(x, in.Src, in.Off)
		m.Keep = true
	} else {
		in.Off = e.offset(x, in.Dst, in.Off)
	}
	e.put(in, m)
}

// saveSlot is where the call made at depth d saves register 6+i, relative to
// r10; slot 4 holds a callback's context.
func saveSlot(d, i int) int16 { return int16(d*trace.FrameStride + 8*i) }

func (e *emitter) saveInsn(x *exec, store bool, reg uint8, d, i int) {
	e.move(x, reg, saveSlot(d, i), store)
}

// move moves a register to or from the stack, at an offset from r10.
func (e *emitter) move(x *exec, r uint8, off int16, store bool) {
	m := made()
	m.Mem, m.Addr = trace.MemStack, x.s.FrameTop(0)+uint64(off)
	in := ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeDW, Dst: r, Src: 10, Off: off}
	if store {
		in = ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Src: r, Off: off}
	}
	e.put(in, m)
}

// mov is dst = src.
func mov(dst, src uint8) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: dst, Src: src}
}

// enter saves r6 to r9 of the caller at depth d; what isn't restored later is
// dead.
func (e *emitter) enter(x *exec, d int) {
	for i := 0; i < 4; i++ {
		e.saveInsn(x, true, uint8(6+i), d, i)
	}
}

// leave restores those of r6 to r9 that the call at depth d has written.
func (e *emitter) leave(x *exec, fr *symFrame, d int) {
	var written ebpf.Regs
	for i := fr.start; i < len(e.code); i++ {
		written |= e.code[i].Writes()
		if e.code[i].IsWide() {
			i++
		}
	}
	for i := 0; i < 4; i++ {
		if written.Has(uint8(6 + i)) {
			e.saveInsn(x, false, uint8(6+i), d, i)
		}
	}
	if fr.loop {
		e.constant(x, 0, fr.i)
	}
}

// loop saves a bpf_loop's context argument.
func (e *emitter) loop(x *exec, d int) { e.saveInsn(x, true, 3, d, 4) }

// callback sets the arguments of a callback called from depth d.
func (e *emitter) callback(x *exec, fr *symFrame, d int) {
	e.constant(x, 1, fr.i)
	e.saveInsn(x, false, 2, d, 4)
}

// reads notes the stack bytes a call reads, and writes zeros where the path
// never wrote: a fresh frame is zero, the trace's is whatever was there.
func (e *emitter) reads(x *exec, c *call, addr uint64, n int) {
	if x.isKey(addr) {
		c.meta.Reads = append(c.meta.Reads, trace.Span{Addr: x.keySlot(addr), N: uint32(n)})
		return
	}
	kind, _ := x.place(addr, max(n, 1))
	if kind != trace.MemStack || n == 0 {
		return
	}
	c.meta.Reads = append(c.meta.Reads, trace.Span{Addr: addr, N: uint32(n)})
	top := x.s.FrameTop(0)
	for i := 0; i < n; i++ {
		o := addr + uint64(i) - x.s.Stack
		if x.stack[o].term == 0 {
			m := made()
			m.Mem, m.Addr = trace.MemStack, addr+uint64(i)
			e.put(ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeB, Dst: 10, Off: int16(int64(m.Addr) - int64(top))}, m)
			x.setByte(o, byteRef{x.b.Const(0, 8), 0})
		}
	}
}

func (e *emitter) writes(x *exec, c *call, addr uint64, n int) {
	if kind, _ := x.place(addr, max(n, 1)); kind == trace.MemStack && n > 0 {
		c.meta.Writes = append(c.meta.Writes, trace.Span{Addr: addr, N: uint32(n)})
	}
}

func (e *emitter) call(x *exec, c *call, r0 bv.Term) {
	if c.meta.Result {
		if v, ok := x.b.IsConst(r0); ok && e.plain(v) {
			e.constant(x, 0, v)
			return
		}
		if v, ok := x.b.IsConst(r0); ok && c.rec.Helper == ebpf.FnMapLookupElem && x.s.Maps[c.m].Spec().Type == ebpfArray {
			// An array's element stands where it always stood.
			if first, ok := x.s.ValuePtr(c.m, 0); ok && v >= first && v-first < 1<<31 {
				m := x.here()
				m.Map = int32(c.m)
				e.put(ebpf.Insn{Op: ebpf.OpLDDW, Src: ebpf.PseudoMapValue, Imm: int32(c.m)}, m)
				e.put(ebpf.Insn{Imm: int32(v - first)}, m)
				return
			}
		}
	}
	if x.b.Op(r0) == bv.OpFun {
		if id, _ := FunParts(x.b.K(r0)); id == FunLookup {
			c.meta.Found = uint32(r0)
		}
	}
	e.put(c.in, c.meta)
}

func (e *emitter) exit(x *exec) {
	e.put(ebpf.Insn{Op: ebpf.OpExit}, x.here())
}

// finish removes what is dead and gives the trace.
func (e *emitter) finish(x *exec) *trace.Trace {
	least, _ := x.f.Bounds(x.input(InLen, 64, lenFact))
	t := &trace.Trace{Straight: trace.Len(e.code), MinLen: int(least)}
	x.c.room.code, x.c.room.meta = e.code, e.meta
	code, meta := trace.EliminateDead(e.code, e.meta, x.s.Stack, x.left...)
	t.Code, t.Meta = slices.Clone(code), slices.Clone(meta)
	return t
}
