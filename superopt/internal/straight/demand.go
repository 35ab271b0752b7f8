package straight

import (
	"math/bits"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/pathcond/bv"
	"jitnic/superopt/internal/ir"
)

// all bits of a register.
const all = ^uint64(0)

// demand goes backward over which bits of registers and bytes of the stack are
// wanted, and drops what makes none of them.
func (l *line) demand() {
	var want [11]uint64
	l.mem.end(l.prog.Goes)
	code := l.prog.Insts
	for i := len(code) - 1; i >= 0; i-- {
		in, at := &code[i], &l.at[i]
		at.want = want
		switch {
		case in.Op == ir.Nop:
			continue
		case in.Op == ebpf.OpExit:
			want = [11]uint64{0: 1<<32 - 1} // a verdict
			l.mem.end(l.prog.Goes)
			continue
		case at.outside || !at.known:
			whole(in, at, &want)
			l.mem.all()
			continue
		}
		switch in.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64:
			if want[in.Dst] == 0 || l.idle(in, want[in.Dst], at.regs[in.Dst]) {
				if l.drop(i) {
					continue
				}
			}
			if in.Op == ebpf.ClassALU|ebpf.ALUMov|ebpf.SrcX && in.Off == 0 && want[in.Dst]>>32 == 0 && !l.pointer(at.regs[in.Src]) {
				l.put(i, ir.MovReg(in.Dst, in.Src)) // any copy will do
			}
			if wantedOf(&code[i], &want); want[in.Dst] == 0 && code[i].Reads()>>in.Dst&1 != 0 {
				want[in.Dst] = 1 // it is read, if only for zeros
			}
		case ebpf.ClassLD, ebpf.ClassLDX:
			if want[in.Dst] == 0 && l.drop(i) {
				continue
			}
			want[in.Dst] = 0
			if in.Class() == ebpf.ClassLDX {
				want[in.Src] = all
				l.mem.read(&at.foot)
			}
		case ebpf.ClassST, ebpf.ClassSTX:
			if l.store(i, in, &want) {
				continue
			}
		default: // a call
			if h := ir.HelperOf(in); h != nil && h.LooksUp() && want[0] == 0 && l.orderless(i) && l.drop(i) {
				continue
			}
			whole(in, at, &want)
			l.mem.read(&at.foot)
		}
	}
}

// whole is the demand of an instruction that wants all bits of what it reads.
func whole(in *ir.Inst, at *place, want *[11]uint64) {
	writes, needs := in.Writes(), in.Needs(func(r int) bool { return at.regs[r] != 0 })
	for r := range want {
		if writes>>r&1 != 0 {
			want[r] = 0
		}
		if needs>>r&1 != 0 {
			want[r] = all
		}
	}
}

// orderless says whether the look-up at i leaves nothing behind in its map.
func (l *line) orderless(i int) bool {
	t := l.at[i].regs[1]
	if t == 0 {
		return false
	}
	id, ok := l.m.MapOf(t)
	return ok && id < len(l.prog.Maps) && maps.Orderless(l.prog.Maps[id].Type)
}

// store is the demand of the store at i; true where nobody wants it.
func (l *line) store(i int, in *ir.Inst, want *[11]uint64) bool {
	at := &l.at[i]
	n := in.Size()
	if in.IsAtomic() {
		switch {
		case in.Imm >= ebpf.AtomicLoadAcq:
			want[in.Dst], want[in.Src] = all, all
			l.mem.read(&at.foot)
			return false
		case in.Imm == ebpf.AtomicCmpXchg:
			want[0] = all
		}
		want[in.Src], want[in.Dst] = all, all
		l.mem.read(&at.foot)
		return false
	}
	bytes := all >> (64 - 8*n)
	if w := at.foot.Writes; w.N > 0 {
		at.bytes, bytes = 0, 0
		block := w.Lo &^ 7
		for k := range 8 {
			if l.mem.wanted(w.Object, block+k) {
				at.bytes |= 1 << k
			}
		}
		for k := range n {
			if l.mem.wanted(w.Object, w.Lo+k) {
				bytes |= 0xff << (8 * k)
			}
		}
		if bytes == 0 && l.drop(i) {
			return true
		}
		l.mem.written(w)
	}
	if in.Class() == ebpf.ClassSTX {
		want[in.Src] |= bytes
	}
	want[in.Dst] = all
	return false
}

// upTo are the bits up to the highest of w: what carries go through.
func upTo(w uint64) uint64 {
	if w == 0 {
		return 0
	}
	return all >> bits.LeadingZeros64(w)
}

// width is the bits of an operation, and all of them.
func width(in *ir.Inst) (int, uint64) {
	if in.Class() == ebpf.ClassALU {
		return 32, 1<<32 - 1
	}
	return 64, all
}

// immOf is the constant operand as the operation takes it.
func immOf(in *ir.Inst) uint64 {
	_, m := width(in)
	return uint64(int64(in.Imm)) & m
}

// pointer says whether t is an address: half of one is a number, and a verifier
// knows the difference.
func (l *line) pointer(t bv.Term) bool { return l.m.Pointer(t) }

// idle says whether the bits w of its register, which holds v, are the same
// after the instruction as before.
func (l *line) idle(in *ir.Inst, w uint64, v bv.Term) bool {
	_, m := width(in)
	if w&^m != 0 || m != all && l.pointer(v) || in.Op&ebpf.SrcX != 0 && !(in.ALUOp() == ebpf.ALUMov && in.Src == in.Dst && in.Off == 0) {
		return false
	}
	k := immOf(in)
	switch in.ALUOp() {
	case ebpf.ALUMov:
		return in.Op&ebpf.SrcX != 0
	case ebpf.ALUAnd:
		return w&^k == 0
	case ebpf.ALUOr, ebpf.ALUXor:
		return w&k == 0
	case ebpf.ALUAdd, ebpf.ALUSub:
		return upTo(w)&k == 0
	case ebpf.ALUNeg:
		return w == 1 // nothing is carried into it
	case ebpf.ALUEnd:
		return in.Class() == ebpf.ClassALU && w>>uint(in.Imm) == 0 && in.Imm < 64 // little-endian: it cuts
	}
	return false
}

// wantedOf turns the bits wanted after an ALU instruction into those wanted
// before it.
func wantedOf(in *ir.Inst, want *[11]uint64) {
	d := in.Dst
	n, m := width(in)
	w := want[d] & m
	if want[d] != 0 && w == 0 {
		w = 1 // only zeros are wanted, whatever they are made of
	}
	src := uint64(0)
	k := immOf(in)
	reg := in.Op&ebpf.SrcX != 0
	if in.IsSelect() {
		want[d], src = w, w
		want[in.Cond()] = all
	}
	switch in.ALUOp() {
	case ebpf.ALUSelect:
	case ebpf.ALUMov:
		want[d] = 0
		if src = w; in.Off != 0 {
			src = all
		}
	case ebpf.ALUAdd, ebpf.ALUSub, ebpf.ALUMul:
		want[d] = upTo(w)
		src = want[d]
	case ebpf.ALUNeg:
		want[d] = upTo(w)
		return
	case ebpf.ALUAnd:
		if want[d], src = w, w; !reg {
			want[d] = w & k
		}
	case ebpf.ALUOr:
		if want[d], src = w, w; !reg {
			want[d] = w &^ k
		}
	case ebpf.ALUXor:
		want[d], src = w, w
	case ebpf.ALULsh, ebpf.ALURsh, ebpf.ALUArsh:
		src = uint64(n - 1)
		switch s := uint(k) & uint(n-1); {
		case reg:
			want[d] = m
		case in.ALUOp() == ebpf.ALULsh:
			want[d] = w >> s
		case in.ALUOp() == ebpf.ALURsh:
			want[d] = w << s & m
		default:
			want[d] = w<<s&m | 1<<(n-1)
		}
	case ebpf.ALUEnd:
		if in.Class() == ebpf.ClassALU && !reg {
			want[d] = want[d] & (all >> (64 - uint(in.Imm)))
		} else {
			want[d] = bits.ReverseBytes64(want[d]) >> (64 - uint(in.Imm))
		}
		return
	default:
		want[d], src = all, all
	}
	if reg {
		want[in.Src] |= src
	}
}
