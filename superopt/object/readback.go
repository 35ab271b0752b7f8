package object

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/superopt"
)

// A file is written only if it is the proved program. What Write made is read
// again twice: by this package, function by function and relocation by
// relocation, and by host/loader, which links it as whoever runs it does. Both
// are compared, slot by slot and map by map, with what was proved.

// wanted is the program that a function is written as.
func (f *Func) wanted(pad bool) *superopt.Prog {
	switch {
	case f.New == nil:
		return f.Prog
	case pad:
		p := f.New.Clone()
		p.Compact()
		p.Pad(f.end - f.start)
		return p
	}
	return f.New
}

// Check reads a file that Write made and says where it isn't the program that
// was proved.
func (o *Object) Check(out []byte, pad bool) error {
	got, err := Parse(o.File, out)
	if err != nil {
		return err
	}
	if err := o.checkFuncs(got, pad); err != nil {
		return err
	}
	return o.checkLinked(out, pad)
}

func (o *Object) checkFuncs(got *Object, pad bool) error {
	if len(got.Funcs) != len(o.Funcs) {
		return fmt.Errorf("%d functions, want %d", len(got.Funcs), len(o.Funcs))
	}
	if err := sameMaps(o.Maps, got.Maps); err != nil {
		return err
	}
	for i, f := range o.Funcs {
		g := got.Funcs[i]
		if f.Name != g.Name || f.Section != g.Section {
			return fmt.Errorf("function %s of %s, want %s of %s", g.Name, g.Section, f.Name, f.Section)
		}
		var err error
		if f.New == nil {
			err = o.sameBytes(f, got, g)
		} else {
			err = o.sameProg(f, got, g, pad)
		}
		if err != nil {
			return fmt.Errorf("function %s: %w", f.Name, err)
		}
	}
	return nil
}

// sameBytes compares a function that stays as it was, but for where its calls
// lead.
func (o *Object) sameBytes(f *Func, got *Object, g *Func) error {
	if f.end-f.start != g.end-g.start {
		return fmt.Errorf("%d slots, want %d", g.end-g.start, f.end-f.start)
	}
	for k := range f.end - f.start {
		if err := o.sameSlot(f.sec, f.start+k, got, g.sec, g.start+k); err != nil {
			return fmt.Errorf("slot %d: %w", k, err)
		}
	}
	return nil
}

// sameSlot compares an instruction of the old file that was not to change with
// one of the new file.
func (o *Object) sameSlot(sec, at int, got *Object, gsec, gat int) error {
	a, b := insnAt(o.secs[sec].data, at), insnAt(got.secs[gsec].data, gat)
	x, y := o.reference(sec, at), got.reference(gsec, gat)
	if x != y {
		return fmt.Errorf("it refers to %s, want %s", y, x)
	}
	if x != "" && (a.Op == ebpf.OpCall || a.Op == ebpf.OpLDDW) {
		a.Imm, b.Imm = 0, 0 // the reference says where it leads
	}
	if a != b {
		return fmt.Errorf("%v, want %v", b, a)
	}
	return nil
}

func insnAt(data []byte, at int) ebpf.Insn {
	in, err := ebpf.Decode(data[8*at : 8*at+8])
	if err != nil {
		return ebpf.Insn{}
	}
	return in[0]
}

// reference is what the instruction at a slot refers to beside its own bits: a
// relocation's symbol and place, or a function of its section; "" nothing.
func (o *Object) reference(sec, at int) string {
	s := &o.secs[sec]
	in := insnAt(s.data, at)
	r, ok := s.rel[at]
	if !ok {
		if in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal || in.Op == ebpf.OpLDDW && in.Src == ebpf.PseudoFunc {
			return o.place(sec, at+1+int(in.Imm))
		}
		return ""
	}
	y := o.syms[r.sym]
	if y.info&15 == byte(elf.STT_SECTION) && int(y.shndx) < len(o.secs) && o.secs[y.shndx].code {
		switch in.Op {
		case ebpf.OpCall:
			return fmt.Sprintf("%s (relocation type %d)", o.place(int(y.shndx), int(in.Imm)+1), r.typ)
		case ebpf.OpLDDW:
			return fmt.Sprintf("%s (relocation type %d)", o.place(int(y.shndx), int(in.Imm)/8), r.typ)
		}
	}
	return fmt.Sprintf("symbol %d %q%+d (relocation type %d)", r.sym, y.name, in.Imm, r.typ)
}

// place names the function that begins at a slot of a section.
func (o *Object) place(sec, at int) string {
	for _, f := range o.Funcs {
		if f.sec == sec && f.start == at {
			return "function " + f.Name
		}
	}
	return fmt.Sprintf("slot %d of %s", at, o.secs[sec].name)
}

// sameProg compares a function that was read again with the proved program.
func (o *Object) sameProg(f *Func, got *Object, g *Func, pad bool) error {
	if g.Err != nil {
		return g.Err
	}
	want := f.wanted(pad)
	slots, at, err := want.Layout()
	if err != nil {
		return err
	}
	if n := g.end - g.start; n != len(slots) {
		return fmt.Errorf("%d slots, want %d", n, len(slots))
	}
	have, err := g.Prog.ToSlots()
	if err != nil {
		return err
	}
	for i := range want.Insts {
		in := &want.Insts[i]
		for k := int(at[i]); k < int(at[i+1]); k++ {
			if in.Fixed {
				if err := o.sameSlot(f.sec, f.start+int(in.Slot)+k-int(at[i]), got, g.sec, g.start+k); err != nil {
					return fmt.Errorf("slot %d: %w", k, err)
				}
				continue
			}
			if isReference(in) && k > int(at[i]) { // the loader fills it in; it stays all the same
				src, err := f.source(in)
				if err != nil {
					return err
				}
				if err := o.sameSlot(f.sec, f.start+src+1, got, g.sec, g.start+k); err != nil {
					return fmt.Errorf("slot %d: %w", k, err)
				}
			}
			if have[k] != slots[k] {
				return fmt.Errorf("slot %d: %v, proved %v", k, have[k], slots[k])
			}
		}
	}
	return nil
}

// sameMaps compares maps as they are declared and filled.
func sameMaps(a, b []*maps.Spec) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d maps, want %d", len(b), len(a))
	}
	for i := range a {
		x, y := a[i], b[i]
		if x.Name != y.Name || x.Type != y.Type || x.KeySize != y.KeySize || x.ValueSize != y.ValueSize || x.Max != y.Max || x.Flags != y.Flags ||
			x.Extra != y.Extra || x.ReadOnly != y.ReadOnly || (x.Inner == nil) != (y.Inner == nil) ||
			!slices.EqualFunc(x.Contents, y.Contents, func(p, q maps.Entry) bool {
				return bytes.Equal(p.Key, q.Key) && bytes.Equal(p.Value, q.Value) && p.Name == q.Name
			}) {
			return fmt.Errorf("map %s: %v of %d and %d bytes, want %s: %v of %d and %d bytes, or other contents", y.Name, y.Type, y.KeySize, y.ValueSize, x.Name, x.Type, x.KeySize, x.ValueSize)
		}
	}
	return nil
}

// checkLinked compares the programs of both files as host/loader links them. A
// file it doesn't read is not the optimiser's to judge.
func (o *Object) checkLinked(out []byte, pad bool) error {
	old, err := loader.LoadBytes(o.File, o.raw, loader.Options{})
	if err != nil {
		return nil
	}
	new, err := loader.LoadBytes(o.File, out, loader.Options{})
	if err != nil {
		return fmt.Errorf("it is not read again: %w", err)
	}
	if len(old.Programs) != len(new.Programs) {
		return fmt.Errorf("%d programs, want %d", len(new.Programs), len(old.Programs))
	}
	if err := sameMaps(old.Maps, new.Maps); err != nil {
		return err
	}
	for i, p := range old.Programs {
		q := new.Programs[i]
		if p.Name != q.Name || p.Section != q.Section || p.Type != q.Type || len(p.Funcs) != len(q.Funcs) {
			return fmt.Errorf("program %s of %s with %d functions, want %s of %s with %d", q.Name, q.Section, len(q.Funcs), p.Name, p.Section, len(p.Funcs))
		}
		for k := range p.Funcs {
			if err := o.sameLinked(p, q, k, pad); err != nil {
				return fmt.Errorf("program %s: function %s: %w", p.Name, p.Funcs[k].Name, err)
			}
		}
	}
	return nil
}

var errAmbiguous = errors.New("functions of one name and size")

// funcNamed finds the function that the loader calls by that name.
func (o *Object) funcNamed(name, section string, slots int) (*Func, error) {
	var found []*Func
	for _, f := range o.Funcs {
		if f.Name == name && f.end-f.start == slots {
			found = append(found, f)
		}
	}
	if len(found) > 1 {
		found = slices.DeleteFunc(found, func(f *Func) bool { return f.Section != section })
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, errAmbiguous
}

// sameLinked compares one linked function with the proved program, or with the
// old one where nothing was made of it.
func (o *Object) sameLinked(p, q *loader.Program, k int, pad bool) error {
	a, b := p.Funcs[k], q.Funcs[k]
	if a.Name != b.Name {
		return fmt.Errorf("it is %s", b.Name)
	}
	f, err := o.funcNamed(a.Name, p.Section, a.End-a.Start)
	if err != nil { // compared as the package reads it, above
		return nil
	}
	have := q.Insns[b.Start:b.End]
	want := slices.Clone(p.Insns[a.Start:a.End])
	from := make([]int, len(want)) // where a call stood
	for i := range from {
		from[i] = i
	}
	if f != nil && f.New != nil {
		if want, from, err = f.linked(p.Insns[a.Start:a.End], pad); err != nil {
			return err
		}
	}
	if len(have) != len(want) {
		return fmt.Errorf("%d slots, want %d", len(have), len(want))
	}
	for i := range want {
		x, y := want[i], have[i]
		if x.Op == ebpf.OpCall && x.Src == ebpf.CallLocal || x.Op == ebpf.OpLDDW && x.Src == ebpf.PseudoFunc {
			s, t := a.Start+from[i]+1+int(x.Imm), b.Start+i+1+int(y.Imm)
			if m := slices.IndexFunc(p.Funcs, func(f loader.Func) bool { return f.Start == s }); m < 0 || t != q.Funcs[m].Start {
				return fmt.Errorf("slot %d: it leads to slot %d of the program, another function", i, t)
			}
			x.Imm, y.Imm = 0, 0
		}
		if x != y {
			return fmt.Errorf("slot %d: %v, proved %v", i, y, x)
		}
	}
	return nil
}

// linked is the proved program as the loader must link it: what refers to maps,
// to other functions, or to what only the loader knows, is as it was linked in
// the old file. from gives, for each slot, the slot it had there.
func (f *Func) linked(old []ebpf.Insn, pad bool) (out []ebpf.Insn, from []int, err error) {
	want := f.wanted(pad)
	code, at, err := want.Layout()
	if err != nil {
		return nil, nil, err
	}
	from = make([]int, len(code))
	for i := range want.Insts {
		in := &want.Insts[i]
		for k := int(at[i]); k < int(at[i+1]); k++ {
			from[k] = -1
		}
		if !in.Fixed && !isReference(in) {
			continue
		}
		src, err := f.source(in)
		if err != nil {
			return nil, nil, err
		}
		for k := range int(at[i+1] - at[i]) {
			x := old[src+k]
			if k == 0 && !in.Fixed {
				x.Dst = in.Dst
			}
			code[int(at[i])+k], from[int(at[i])+k] = x, src+k
		}
	}
	return code, from, nil
}

// isReference says whether an instruction is one that a relocation stands
// behind: the address of a map or of a value.
func isReference(in *superopt.Inst) bool {
	return in.Op == ebpf.OpLDDW && in.Src != ebpf.PseudoNone
}

// source is the slot of the old function whose relocation an instruction of the
// new one needs: its own, where it stood for the same reference, else that of
// any other that did.
func (f *Func) source(in *superopt.Inst) (int, error) {
	if in.Fixed {
		return int(in.Slot), nil
	}
	found := -1
	for i := range f.Prog.Insts {
		x := &f.Prog.Insts[i]
		if x.Op != in.Op || x.Src != in.Src || x.Imm != in.Imm || x.Hi != in.Hi || x.Fixed {
			continue
		}
		if x.Slot == in.Slot {
			return int(x.Slot), nil
		}
		if found < 0 {
			found = int(x.Slot)
		}
	}
	if found < 0 {
		return 0, fmt.Errorf("%v: no relocation stands behind it", in.Insn)
	}
	return found, nil
}
