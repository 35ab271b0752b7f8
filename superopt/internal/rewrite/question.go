package rewrite

import (
	"encoding/binary"

	"jitnic/host/points"
	"jitnic/superopt/internal/ir"
)

// Question is the whole question: old and new code of the window with its distance
// to jump targets, what is known before, what is live after.
func (o *Gate) Question(s, e int, q *ir.Prog) string { return string(o.question(s, e, q)) }

// question is Question in memory that the next one uses again.
func (o *Gate) question(s, e int, q *ir.Prog) []byte {
	b := o.text[:0]
	put := func(p *ir.Prog) {
		for i := s; i < e; i++ {
			in := &p.Insts[i]
			b = append(b, in.Op, in.Dst, in.Src, byte(in.Off), byte(in.Off>>8), byte(in.Imm), byte(in.Imm>>8), byte(in.Imm>>16), byte(in.Imm>>24),
				byte(in.Hi), byte(in.Hi>>8), byte(in.Hi>>16), byte(in.Hi>>24), byte(in.To-int32(s)), byte((in.To-int32(s))>>8))
		}
	}
	put(o.Prog)
	put(q)
	leave := func(l int) {
		lv := o.LiveAt(l)
		b = append(b, byte(lv.Regs), byte(lv.Regs>>8))
		for _, w := range lv.Stack {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
	}
	leave(e)
	for i := s; i < e; i++ {
		if t := int(o.Prog.Insts[i].To); o.Prog.Insts[i].Jumps() && (t < s || t >= e) {
			leave(t)
		}
	}
	val := func(v *points.Value) {
		b = append(b, byte(v.Kind), byte(v.Map))
		if v.Null {
			b = append(b, 1)
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(v.Off))
		b = binary.LittleEndian.AppendUint32(b, uint32(v.Base))
		b = binary.LittleEndian.AppendUint32(b, uint32(v.Site))
		b = binary.LittleEndian.AppendUint64(b, v.Known)
		b = binary.LittleEndian.AppendUint64(b, v.Unknown)
		b = binary.LittleEndian.AppendUint64(b, v.Min)
		b = binary.LittleEndian.AppendUint64(b, v.Max)
	}
	f := o.Known.In[s]
	for r := range f.R {
		val(&f.R[r])
	}
	for r := range f.Spill {
		if f.Spill[r].Kind != points.Unreadable {
			b = append(b, byte(r))
			val(&f.Spill[r])
		}
	}
	o.text = b
	return b
}
