package object

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"
	"strings"

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
		if f.Name != g.Name && !(f.nameless && g.nameless) || f.Section != g.Section {
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
	for i, f := range o.Funcs {
		switch {
		case f.sec != sec || f.start != at:
		case f.nameless: // wherever it is moved
			return fmt.Sprintf("the file's function %d", i)
		default:
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
		if !o.sameName(p.Name, q.Name, p.Section) || p.Section != q.Section || p.Type != q.Type {
			return fmt.Errorf("program %s of %s, want %s of %s", q.Name, q.Section, p.Name, p.Section)
		}
		if err := o.sameProgram(p, q, pad); err != nil {
			return fmt.Errorf("program %s: %w", p.Name, err)
		}
	}
	return nil
}

// sameProgram follows the calls of both linked programs from where they begin.
// A function that the proved program no longer calls needn't be linked any more;
// one that nothing calls must not be.
func (o *Object) sameProgram(p, q *loader.Program, pad bool) error {
	c := calls{o: o, old: p, new: q, pad: pad, to: unpaired(p.Funcs), from: unpaired(q.Funcs), next: []int{0}}
	c.to[0], c.from[0] = 0, 0
	for len(c.next) > 0 {
		k := c.next[0]
		c.next = c.next[1:]
		if err := c.sameFunction(k, c.to[k]); err != nil {
			return fmt.Errorf("function %s: %w", p.Funcs[k].Name, err)
		}
	}
	for k, f := range q.Funcs {
		if c.from[k] < 0 {
			return fmt.Errorf("function %s is linked, and the proved program doesn't call it", f.Name)
		}
	}
	return nil
}

// calls pairs the functions of a linked program with those of the one that was
// proved, as calls lead to them.
type calls struct {
	o        *Object
	old, new *loader.Program
	pad      bool
	to, from []int // function of old to that of new, and back; -1 none yet
	next     []int // functions of old to be compared
}

func unpaired(funcs []loader.Func) []int { return slices.Repeat([]int{-1}, len(funcs)) }

// leads says whether a call of slot s in the old program and of slot t in the
// new one are of the same function.
func (c *calls) leads(s, t int) bool {
	at := func(slot int) func(loader.Func) bool { return func(f loader.Func) bool { return f.Start == slot } }
	k, m := slices.IndexFunc(c.old.Funcs, at(s)), slices.IndexFunc(c.new.Funcs, at(t))
	if k < 0 || m < 0 {
		return false
	}
	if c.to[k] < 0 && c.from[m] < 0 {
		c.to[k], c.from[m], c.next = m, k, append(c.next, k)
	}
	return c.to[k] == m
}

// sameName says whether a function of that name may be of the other name in the
// new file: one that only tells where it begins goes by another when it is moved.
func (o *Object) sameName(old, new, section string) bool {
	return old == new || strings.HasPrefix(new, section+"+") && slices.ContainsFunc(o.Funcs, func(f *Func) bool { return f.nameless && f.Name == old })
}

// named finds the functions that the loader may mean by a name; nil stands for
// one that this package doesn't know and that stays as it was.
func (o *Object) named(name, section string, slots int) []*Func {
	var found []*Func
	for _, f := range o.Funcs {
		if f.Name == name && f.end-f.start == slots {
			found = append(found, f)
		}
	}
	here := func(f *Func) bool { return f.Section == section }
	switch {
	case len(found) == 0:
		return []*Func{nil}
	case slices.ContainsFunc(found, here):
		return slices.DeleteFunc(found, func(f *Func) bool { return !here(f) })
	}
	return found
}

// sameFunction compares function k of the old program, as it was proved, with
// function m of the new one. Where the file has several of its name and size,
// the loader linked one of them.
func (c *calls) sameFunction(k, m int) (err error) {
	a := c.old.Funcs[k]
	if b := c.new.Funcs[m]; !c.o.sameName(a.Name, b.Name, c.old.Section) {
		return fmt.Errorf("it is %s", b.Name)
	}
	for _, f := range c.o.named(a.Name, c.old.Section, a.End-a.Start) {
		before := *c
		c.to, c.from = slices.Clone(c.to), slices.Clone(c.from)
		if err = c.sameLinked(k, m, f); err == nil {
			return nil
		}
		*c = before
	}
	return err
}

// sameLinked compares one linked function with the proved program, or with the
// old one where nothing was made of it.
func (c *calls) sameLinked(k, m int, f *Func) error {
	a, b := c.old.Funcs[k], c.new.Funcs[m]
	have := c.new.Insns[b.Start:b.End]
	want := slices.Clone(c.old.Insns[a.Start:a.End])
	from := make([]int, len(want)) // where a call stood
	for i := range from {
		from[i] = i
	}
	if f != nil && f.New != nil {
		var err error
		if want, from, err = f.linked(c.old.Insns[a.Start:a.End], c.pad); err != nil {
			return err
		}
	}
	if len(have) != len(want) {
		return fmt.Errorf("%d slots, want %d", len(have), len(want))
	}
	for i := range want {
		x, y := want[i], have[i]
		unlinked := "" // what the loader couldn't put in, and left as it stands in the file
		if from[i] >= 0 {
			unlinked = c.old.Unsupported[a.Start+from[i]]
		}
		if got := c.new.Unsupported[b.Start+i]; got != unlinked {
			return fmt.Errorf("slot %d: not linked %q, want %q", i, got, unlinked)
		}
		if unlinked == "" && (x.Op == ebpf.OpCall && x.Src == ebpf.CallLocal || x.Op == ebpf.OpLDDW && x.Src == ebpf.PseudoFunc) {
			if t := b.Start + i + 1 + int(y.Imm); !c.leads(a.Start+from[i]+1+int(x.Imm), t) {
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
