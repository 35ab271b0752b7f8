package superopt

import (
	"encoding/binary"

	"jitnic/host/ebpf"
)

// passDeadBranch: a branch that the facts decide, code no path reaches, jumps
// to the next instruction.
func passDeadBranch(o *optimizer) bool {
	p := o.p
	for i := range p.Insts {
		in := &p.Insts[i]
		if !o.a.in[i].ok {
			// Unreachable: removed without a proof, as nothing leads there.
			j := i
			for j < len(p.Insts) && !o.a.in[j].ok && (j == i || !isEntry(p, j, j+1)) {
				j++
			}
			if isEntry(p, i, j) {
				continue
			}
			q := p.Clone()
			for k := i; k < j; k++ {
				q.Insts[k] = emptyInst()
			}
			if o.inWindows(q) && o.unsafe(q) == "" && !endsOpen(q) {
				o.p = q
				o.stats.pass("dead-branch").Accepted++
				o.refresh()
				return true
			}
			continue
		}
		if isJumpNext(in, i) || in.IsCondJump() && int(in.To) == i+1 {
			if o.try("dead-branch", i, i+1, false, func(q *Prog) { q.Insts[i] = emptyInst() }) {
				return true
			}
		}
		if !in.IsCondJump() || int(in.To) == i+1 {
			continue
		}
		yes, no := o.a.in[i], o.a.in[i]
		branch(in, &yes, true)
		branch(in, &no, false)
		if yes.ok && no.ok {
			continue
		}
		if o.try("dead-branch", i, i+1, true, func(q *Prog) {
			if yes.ok {
				to := q.Insts[i].To
				q.Insts[i] = Inst{Insn: ebpf.Insn{Op: ebpf.OpJA}, To: to, Slot: q.Insts[i].Slot}
			} else {
				q.Insts[i] = emptyInst()
			}
		}) {
			return true
		}
	}
	return false
}

func isEntry(p *Prog, s, e int) bool {
	for _, x := range p.Entry {
		if int(x) >= s && int(x) < e {
			return true
		}
	}
	return false
}

// endsOpen: the last instruction could fall off the end.
func endsOpen(p *Prog) bool {
	for i := len(p.Insts) - 1; i >= 0; i-- {
		if p.Insts[i].Op != Nop {
			return !p.Insts[i].ends()
		}
	}
	return true
}

// passDeadCode: results nobody reads, stores into stack bytes nobody reads.
func passDeadCode(o *optimizer) bool {
	for i := len(o.p.Insts) - 1; i >= 0; i-- {
		in := &o.p.Insts[i]
		if !o.a.in[i].ok {
			continue
		}
		dead := false
		switch {
		case in.IsAtomic() || in.Op == Nop || in.Fixed:
		case defReg(in) >= 0:
			dead = o.a.live[i].regs>>defReg(in)&1 == 0
		case in.IsStore():
			b := o.a.in[i].r[in.Dst]
			if lo, ok := stackBytes(b.off+int64(in.Off), in.Size()); ok && b.kind == kStack && b.varOf == 0 {
				dead = true
				for k := lo; k < lo+in.Size(); k++ {
					if o.a.live[i].stack[k>>6]>>(k&63)&1 != 0 {
						dead = false
					}
				}
			}
		case in.Op == ebpf.OpCall && in.Src == ebpf.CallHelper:
			h := helperOf(in.Imm)
			dead = h != nil && h.pure && o.a.live[i].regs&0x3f == 0
		}
		if dead && o.try("dead-code", i, i+1, false, func(q *Prog) { q.Insts[i] = emptyInst() }) {
			return true
		}
	}
	return false
}

// passDelete tries to leave out one instruction, then two that set one
// register, wherever they stand close together: masks and shifts that do
// nothing, moves there and back.
func passDelete(o *optimizer) bool {
	for _, w := range o.blocks() {
		for i := w[0]; i < w[1]; i++ {
			in := &o.p.Insts[i]
			if in.Op == ebpf.OpCall || in.IsAtomic() {
				continue
			}
			e := min(w[1], i+6)
			if o.tryOnce("delete", i, e, func(q *Prog) { q.Insts[i] = emptyInst() }) {
				return true
			}
			d := defReg(in)
			if d < 0 {
				continue
			}
			for j := i + 1; j < min(w[1], i+5); j++ {
				jn := &o.p.Insts[j]
				if jn.Op == ebpf.OpCall {
					break
				}
				if defReg(jn) == d && !jn.IsAtomic() {
					if o.tryOnce("delete", i, min(w[1], j+4), func(q *Prog) { q.Insts[i], q.Insts[j] = emptyInst(), emptyInst() }) {
						return true
					}
				}
			}
		}
	}
	return false
}

// tryOnce is try where only something cheaper will do.
func (o *optimizer) tryOnce(pass string, s, e int, f edit) bool { return o.try(pass, s, e, false, f) }

// key is the whole question: old and new code of the window with its distance
// to jump targets, what is known before, what is live after.
func (o *optimizer) key(s, e int, q *Prog) string {
	b := make([]byte, 0, 1024)
	put := func(p *Prog) {
		for i := s; i < e; i++ {
			in := &p.Insts[i]
			b = append(b, in.Op, in.Dst, in.Src, byte(in.Off), byte(in.Off>>8), byte(in.Imm), byte(in.Imm>>8), byte(in.Imm>>16), byte(in.Imm>>24),
				byte(in.Hi), byte(in.Hi>>8), byte(in.Hi>>16), byte(in.Hi>>24), byte(in.To-int32(s)), byte((in.To-int32(s))>>8))
		}
	}
	put(o.p)
	put(q)
	leave := func(l int) {
		lv := o.liveAt(l)
		b = append(b, byte(lv.regs), byte(lv.regs>>8))
		for _, w := range lv.stack {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
	}
	leave(e)
	for i := s; i < e; i++ {
		if t := int(o.p.Insts[i].To); o.p.Insts[i].jumps() && (t < s || t >= e) {
			leave(t)
		}
	}
	val := func(v *val) {
		b = append(b, byte(v.kind), byte(v.mapID))
		if v.null {
			b = append(b, 1)
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(v.off))
		b = binary.LittleEndian.AppendUint32(b, uint32(v.varOf))
		b = binary.LittleEndian.AppendUint32(b, uint32(v.site))
		b = binary.LittleEndian.AppendUint64(b, v.known)
		b = binary.LittleEndian.AppendUint64(b, v.unknown)
		b = binary.LittleEndian.AppendUint64(b, v.min)
		b = binary.LittleEndian.AppendUint64(b, v.max)
	}
	f := &o.a.in[s]
	for r := range f.r {
		val(&f.r[r])
	}
	for r := range f.spill {
		if f.spill[r].kind != kUninit {
			b = append(b, byte(r))
			val(&f.spill[r])
		}
	}
	return string(b)
}
