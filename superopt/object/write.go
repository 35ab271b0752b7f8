package object

import (
	"bytes"
	"debug/elf"
	"fmt"
	"sort"

	"jitnic/host/ebpf"
)

// layout is what became of a code section.
type layout struct {
	data []byte
	// to[old slot] is the new slot of what stood there, or of what follows where
	// it went; to[end] is the new length.
	to []int
	// kept[old slot]: the instruction is still there.
	kept []bool
	// same[old slot]: kept, and but for its registers as it was.
	same []bool
	// from[new slot] is the old slot an instruction stands for, -1 invented.
	from []int
	rels []newRel
}

type newRel struct {
	at int // new slot
	r  reloc
}

// Write puts the object together again. pad keeps every function's length
// with jumps to the next instruction, as K2 does. What comes out was read again
// and is the programs that were proved; where it isn't, that is an internal
// error, and nothing comes out.
func (o *Object) Write(pad bool) ([]byte, error) {
	out, err := o.write(pad)
	if err != nil {
		return nil, err
	}
	if err := o.Check(out, pad); err != nil {
		if o.unread != nil { // what the damage hides can't be compared
			return nil, fmt.Errorf("%w: nothing is written", o.unread)
		}
		return nil, fmt.Errorf("%s: internal error: what would be written is not the proved program: %w", o.File, err)
	}
	return out, nil
}

func (o *Object) write(pad bool) ([]byte, error) {
	changed := map[int]*layout{}
	for _, f := range o.Funcs {
		if f.New != nil && changed[f.sec] == nil {
			l, err := o.relay(f.sec, pad)
			if err != nil {
				return nil, fmt.Errorf("%s: section %s: %w", o.File, o.secs[f.sec].name, err)
			}
			changed[f.sec] = l
		}
	}
	if len(changed) == 0 {
		return append([]byte(nil), o.raw...), nil
	}
	data := make([][]byte, len(o.secs))
	for i := range o.secs {
		data[i] = o.secs[i].data
	}
	for i, l := range changed {
		data[i] = l.data
	}
	if err := o.moveCallees(data, changed); err != nil {
		return nil, fmt.Errorf("%s: %w", o.File, err)
	}
	// symbols
	if o.symsec > 0 {
		d := append([]byte(nil), data[o.symsec]...)
		for k, y := range o.syms {
			l := changed[int(y.shndx)]
			if l == nil || y.info&15 == byte(elf.STT_SECTION) {
				continue
			}
			v, e := int(y.value/8), int((y.value+y.size)/8)
			if y.value%8 != 0 || v >= len(l.to) || e >= len(l.to) {
				continue
			}
			le.PutUint64(d[24*k+8:], uint64(8*l.to[v]))
			if y.size > 0 {
				le.PutUint64(d[24*k+16:], uint64(8*(l.to[e]-l.to[v])))
			}
		}
		data[o.symsec] = d
	}
	// relocations of code
	for i := range o.secs {
		s := &o.secs[i]
		l := changed[int(s.info)]
		if s.typ != uint32(elf.SHT_REL) || l == nil {
			continue
		}
		var d []byte
		sort.SliceStable(l.rels, func(a, b int) bool { return l.rels[a].at < l.rels[b].at })
		for _, r := range l.rels {
			d = le.AppendUint64(d, uint64(8*r.at))
			d = le.AppendUint64(d, uint64(r.r.sym)<<32|uint64(r.r.typ))
		}
		data[i] = d
	}
	if err := o.rewriteBTFExt(data, changed); err != nil {
		return nil, fmt.Errorf("%s: %w", o.File, err)
	}
	return o.assemble(data), nil
}

// relay lays one section out anew.
func (o *Object) relay(sec int, pad bool) (*layout, error) {
	s := &o.secs[sec]
	old, err := ebpf.Decode(s.data)
	if err != nil {
		return nil, err
	}
	w := relaying{s: s, old: old, layout: &layout{to: make([]int, len(old)+1), kept: make([]bool, len(old)+1), same: make([]bool, len(old)+1)}}
	for _, f := range o.Funcs {
		if f.sec != sec {
			continue
		}
		if f.New == nil {
			w.keep(f)
			continue
		}
		if err := w.replace(f, pad); err != nil {
			return nil, err
		}
	}
	w.to[len(old)] = len(w.out)
	if err := w.link(); err != nil {
		return nil, err
	}
	w.data = ebpf.Encode(w.out)
	return w.layout, nil
}

// relaying is a section of code that is being written anew.
type relaying struct {
	*layout
	s     *section
	old   []ebpf.Insn
	out   []ebpf.Insn
	calls []localCall
}

// localCall is a call of a function of the section: where it stands now, and where it
// stood.
type localCall struct{ at, old int }

// put appends an instruction that stands for the one at slot from; -1 for none.
func (w *relaying) put(in ebpf.Insn, from int) {
	w.out = append(w.out, in)
	w.from = append(w.from, from)
}

// refers gives the instruction that is put next what the one at slot old refers to.
func (w *relaying) refers(old int) {
	if r, ok := w.s.rel[old]; ok {
		w.rels = append(w.rels, newRel{len(w.out), r})
	}
	if w.old[old].Op == ebpf.OpCall && w.old[old].Src == ebpf.CallLocal {
		w.calls = append(w.calls, localCall{len(w.out), old})
	}
}

// keep takes a function over as it was.
func (w *relaying) keep(f *Func) {
	for k := f.start; k < f.end; k++ {
		w.to[k], w.kept[k], w.same[k] = len(w.out), true, true
		w.refers(k)
		w.put(w.old[k], k)
	}
}

// replace writes what a function has become.
func (w *relaying) replace(f *Func, pad bool) error {
	q := f.wanted(pad)
	slots, at, err := q.Layout()
	if err != nil {
		return err
	}
	base := len(w.out)
	for k := f.start; k < f.end; k++ {
		w.to[k] = -1
	}
	for i := range q.Insts {
		in := &q.Insts[i]
		n := len(w.out)
		own, ref := -1, -1 // the slot it stands for, and the one whose relocation it needs
		if in.Slot >= 0 {
			own = f.start + int(in.Slot)
		}
		if in.Fixed || isReference(in) {
			src, err := f.source(in)
			if err != nil {
				return fmt.Errorf("function %s: %w", f.Name, err)
			}
			ref = f.start + src
			w.refers(ref)
		}
		for k := range int(at[i+1] - at[i]) {
			x, from := slots[int(at[i])+k], -1
			if own >= 0 {
				from = own + k
			}
			if ref >= 0 {
				dst := x.Dst
				if x = w.old[ref+k]; k == 0 && !in.Fixed {
					x.Dst = dst
				}
			}
			w.put(x, from)
		}
		if own >= 0 && w.to[own] < 0 {
			a, b := &w.out[n], &w.old[own]
			w.to[own], w.kept[own] = n, true
			w.same[own] = a.Op == b.Op && a.Off == b.Off && a.Imm == b.Imm
		}
	}
	// what went away points to what follows
	next := len(w.out)
	for k := f.end - 1; k >= f.start; k-- {
		if w.to[k] < 0 {
			w.to[k] = next
		} else {
			next = w.to[k]
		}
	}
	w.to[f.start] = base
	return nil
}

// link gives calls inside the section, which have no relocation, where they go now.
func (w *relaying) link() error {
	for _, c := range w.calls {
		if _, ok := w.s.rel[c.old]; ok {
			continue
		}
		t := c.old + 1 + int(w.old[c.old].Imm)
		if t < 0 || t >= len(w.old) {
			return fmt.Errorf("insn %d: call of slot %d", c.old, t)
		}
		w.out[c.at].Imm = int32(w.to[t] - c.at - 1)
	}
	return nil
}

// moveCallees mends addends: a relocation against a section symbol keeps the
// place it means in the instruction.
func (o *Object) moveCallees(data [][]byte, changed map[int]*layout) error {
	for i := range o.secs {
		s := &o.secs[i]
		if !s.code {
			continue
		}
		var d []byte
		edit := func() {
			if d == nil {
				d = append([]byte(nil), data[i]...)
			}
		}
		rels := []newRel{}
		if l := changed[i]; l != nil {
			rels = l.rels
		} else {
			for k, r := range s.rel {
				rels = append(rels, newRel{k, r})
			}
		}
		for _, r := range rels {
			y := o.syms[r.r.sym]
			l := changed[int(y.shndx)]
			if l == nil || y.info&15 != byte(elf.STT_SECTION) || !o.secs[y.shndx].code {
				continue
			}
			in := data[i][8*r.at:]
			imm := int32(le.Uint32(in[4:]))
			switch in[0] {
			case ebpf.OpCall:
				t := int(imm) + 1
				if t < 0 || t >= len(l.to) {
					return fmt.Errorf("call of slot %d of section %s", t, o.secs[y.shndx].name)
				}
				edit()
				le.PutUint32(d[8*r.at+4:], uint32(int32(l.to[t]-1)))
			case ebpf.OpLDDW:
				if imm%8 != 0 || int(imm/8) >= len(l.to) || imm < 0 {
					return fmt.Errorf("address %d in section %s", imm, o.secs[y.shndx].name)
				}
				edit()
				le.PutUint32(d[8*r.at+4:], uint32(int32(8*l.to[imm/8])))
			}
		}
		if d != nil {
			data[i] = d
		}
	}
	return nil
}

// assemble writes the file: sections in their old order, the table of
// sections where it was among them.
func (o *Object) assemble(data [][]byte) []byte {
	type chunk struct {
		off uint64
		sec int // -1: section table
	}
	var order []chunk
	for i := range o.secs {
		if o.secs[i].data != nil && o.secs[i].size > 0 {
			order = append(order, chunk{o.secs[i].off, i})
		}
	}
	order = append(order, chunk{o.shoff, -1})
	sort.SliceStable(order, func(a, b int) bool { return order[a].off < order[b].off })
	var out bytes.Buffer
	out.Write(o.raw[:64])
	newOff := make([]uint64, len(o.secs))
	for i := range newOff {
		newOff[i] = o.secs[i].off
	}
	var shoff uint64
	pad := func(align uint64) {
		if align < 1 {
			align = 1
		}
		for uint64(out.Len())%align != 0 {
			out.WriteByte(0)
		}
	}
	for _, c := range order {
		if c.sec < 0 {
			pad(8)
			shoff = uint64(out.Len())
			out.Write(o.raw[o.shoff : o.shoff+64*uint64(len(o.secs))])
			continue
		}
		pad(o.secs[c.sec].align)
		newOff[c.sec] = uint64(out.Len())
		out.Write(data[c.sec])
	}
	b := out.Bytes()
	le.PutUint64(b[0x28:], shoff)
	for i := range o.secs {
		h := b[shoff+64*uint64(i):]
		if o.secs[i].data == nil {
			if o.secs[i].typ == uint32(elf.SHT_NOBITS) { // no bytes: wherever it lies is in the file
				le.PutUint64(h[24:], min(newOff[i], uint64(len(b))))
			}
			continue
		}
		le.PutUint64(h[24:], newOff[i])
		le.PutUint64(h[32:], uint64(len(data[i])))
	}
	return b
}
