package rules

import (
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/points"
	"jitnic/pcaps/splitmix"
	"jitnic/superopt/internal/ir"
)

// Instance is code that a rule's left side matches, and what the place must be
// like for the rule to fire there.
type Instance struct {
	Code   []ir.Inst
	Before points.Facts // what is known before it
	Dead   uint16       // registers that nobody reads after it
}

// Instances gives up to n instances of the rule, until use says false.
func (r *Rule) Instances(n int, use func(x *Instance) bool) {
	r.instances(n, func(code []ir.Inst, b *Binding, f *points.Facts) bool {
		x := &Instance{Code: code, Before: *f}
		t := &ruleTask{r: r, regs: map[byte]uint8{}}
		for l := byte('a'); l <= 'j'; l++ {
			if b.has>>(l-'a')&1 != 0 {
				t.regs[l] = b.Reg[l-'a']
			}
		}
		t.pointers()
		for k, is := range t.ptr {
			if is {
				x.Before.R[k] = points.Value{Kind: points.Packet, Off: 1 << 16, Range: 1 << 20}
			}
		}
		for _, d := range r.Dead {
			x.Dead |= 1 << b.Reg[d-'a']
		}
		return use(x)
	})
}

// instances gives up to n pieces of code the left side matches, with registers
// 0, 1, …, and constants that fulfil the conditions; it ends when use says so.
func (r *Rule) instances(n int, use func(code []ir.Inst, b *Binding, f *points.Facts) bool) bool {
	var vars []byte
	for i := range r.Old {
		for _, e := range [2]*expr{r.Old[i].off, r.Old[i].imm} {
			if e != nil && e.op == 'v' && !slices.Contains(vars, e.v) {
				vars = append(vars, e.v)
			}
		}
	}
	values := []int64{0, 1, 3, 8, 16, 20, 31, 32, 40, 48, 56, 63, 255, 0xffff, 100, -1, -8, 2, 0x1000, 0x7fff0000, -0x80000000, 4, 24, 14}
	tries := 1
	for range vars {
		tries *= len(values)
	}
	for k, got := 0, 0; k < min(tries, 20000) && got < n; k++ {
		b := &Binding{}
		x := uint64(k)
		if tries > 20000 {
			x = splitmix.Mix(uint64(k))
		}
		for _, v := range vars {
			b.imm.put(v, values[x%uint64(len(values))])
			x /= uint64(len(values))
		}
		code, f, ok := r.instance(b)
		if !ok {
			continue
		}
		got++
		if !use(code, b, f) {
			return false
		}
	}
	return true
}

// instance is the left side with b's constants.
func (r *Rule) instance(b *Binding) ([]ir.Inst, *points.Facts, bool) {
	var code []ir.Inst
	n := uint8(0)
	reg := func(l byte) uint8 {
		if b.has>>(l-'a')&1 == 0 {
			b.bind(l, n)
			n++
		}
		return b.Reg[l-'a']
	}
	f := &points.Facts{Reached: true}
	for i := range f.R {
		f.R[i] = points.Top()
	}
	for i := range r.Old {
		p := &r.Old[i]
		in := ir.Inst{Insn: ebpf.Insn{Op: p.op, Off: p.sub}, To: -1, Slot: -1}
		in.Dst = reg(p.dst)
		if p.src != 0 {
			in.Src = reg(p.src)
		}
		if p.cond != 0 {
			in.Imm = int32(reg(p.cond))
		}
		if p.off != nil {
			v, ok := p.off.eval(&b.imm)
			if !ok || v != int64(int16(v)) {
				return nil, nil, false
			}
			in.Off = int16(v)
		}
		if p.imm != nil {
			v, ok := p.imm.eval(&b.imm)
			if !ok || !p.encodes(v) {
				return nil, nil, false
			}
			in.Imm = int32(v)
			if in.IsWide() {
				in.Hi = int32(v >> 32)
			}
		}
		code = append(code, in)
	}
	for _, c := range r.If {
		if c.l == nil {
			f.R[b.Reg[c.reg-'a']] = points.AtMost(uint64(c.r.k))
		}
	}
	_, ok := r.matchAll(code, f)
	return code, f, ok
}
