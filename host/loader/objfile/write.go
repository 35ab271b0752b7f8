package objfile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

var le = binary.LittleEndian

// Relocation types (Documentation/bpf/llvm_reloc.rst).
const (
	relCode = 1  // R_BPF_64_64: the constant of a lddw
	relData = 2  // R_BPF_64_ABS64
	relCall = 10 // R_BPF_64_32
)

// Write makes an object file of programs of obj, with all of its maps. Programs
// that initial entries of program arrays name come along.
func Write(obj *loader.Object, programs ...*loader.Program) ([]byte, error) {
	w := &writer{obj: obj, text: map[string]int{}, mapSym: map[int]symbol{}, mapSec: map[int]*section{}}
	w.programs(programs)
	w.types = newTypes()
	if err := w.maps(); err != nil {
		return nil, fmt.Errorf("%s: %w", obj.File, err)
	}
	if err := w.code(); err != nil {
		return nil, fmt.Errorf("%s: %w", obj.File, err)
	}
	if err := w.describe(); err != nil {
		return nil, fmt.Errorf("%s: %w", obj.File, err)
	}
	out := w.assemble()
	if err := check(obj, w.progs, out); err != nil {
		return nil, fmt.Errorf("%s: internal error: the file is read again as something else: %w", obj.File, err)
	}
	return out, nil
}

// section is one of the file.
type section struct {
	name  string
	typ   elf.SectionType
	flags elf.SectionFlag
	data  []byte
	align uint64
	rels  []reloc
	index int // in the file
}

// reloc is a place in a section that names a symbol.
type reloc struct {
	at  uint64
	typ uint32
	sym symbol
}

// symbol names one: by section where name is empty.
type symbol struct {
	name string
	sec  *section
}

// defined is a symbol with its place.
type defined struct {
	symbol
	typ         elf.SymType
	value, size uint64
}

// function is one of .text, or a program.
type function struct {
	name string
	prog *loader.Program
	fn   *loader.Func
	sec  *section
	at   int // slot in its section
}

type writer struct {
	obj    *loader.Object
	progs  []*loader.Program
	secs   []*section
	syms   []defined
	funcs  []*function    // in the order of their sections
	text   map[string]int // functions of .text by name, in funcs
	mapSym map[int]symbol // by map
	mapSec map[int]*section
	types  *types
}

// programs takes those given and, in order, those that program arrays name.
func (w *writer) programs(list []*loader.Program) {
	w.progs = slices.Clone(list)
	for _, m := range w.obj.Maps {
		if m.Type != cilium.ProgramArray {
			continue
		}
		for _, e := range m.Contents {
			if p := w.obj.Named(e.Name); p != nil && !slices.Contains(w.progs, p) {
				w.progs = append(w.progs, p)
			}
		}
	}
}

// sectionOf is the section that every loader knows such a program by.
func sectionOf(p *loader.Program) string {
	if p.Type != cilium.XDP && p.Type != cilium.UnspecifiedProgram {
		return p.Section
	}
	name := "xdp"
	if p.XDPFrags {
		name = "xdp.frags"
	}
	switch p.AttachType {
	case cilium.AttachXDPDevMap:
		name += "/devmap"
	case cilium.AttachXDPCPUMap:
		name += "/cpumap"
	}
	return name
}

// section finds a section, or makes it.
func (w *writer) section(name string, typ elf.SectionType, flags elf.SectionFlag, align uint64) *section {
	for _, s := range w.secs {
		if s.name == name {
			return s
		}
	}
	s := &section{name: name, typ: typ, flags: flags, align: align}
	w.secs = append(w.secs, s)
	return s
}

func (w *writer) codeSection(name string) *section {
	return w.section(name, elf.SHT_PROGBITS, elf.SHF_ALLOC|elf.SHF_EXECINSTR, 8)
}

// code lays programs and the functions they call out.
func (w *writer) code() error {
	var bodies []*function
	for _, p := range w.progs {
		for slot, what := range p.Unsupported {
			return fmt.Errorf("program %q: insn %d: %s can't stand in a file made here", p.Name, slot, what)
		}
		f := &function{name: p.Name, prog: p, fn: &p.Funcs[0], sec: w.codeSection(sectionOf(p))}
		f.at = len(f.sec.data) / 8
		f.sec.data = append(f.sec.data, make([]byte, 8*(f.fn.End-f.fn.Start))...)
		bodies = append(bodies, f)
	}
	for _, p := range w.progs {
		for i := range p.Funcs[1:] {
			fn := &p.Funcs[i+1]
			name := w.nameOf(p, fn)
			if k, ok := w.text[name]; ok && k >= 0 {
				continue
			}
			f := &function{name: name, prog: p, fn: fn, sec: w.codeSection(".text")}
			f.at = len(f.sec.data) / 8
			f.sec.data = append(f.sec.data, make([]byte, 8*(fn.End-fn.Start))...)
			w.text[name] = len(bodies)
			bodies = append(bodies, f)
		}
	}
	w.funcs = bodies
	for _, f := range bodies {
		w.syms = append(w.syms, defined{symbol{f.name, f.sec}, elf.STT_FUNC, uint64(8 * f.at), uint64(8 * (f.fn.End - f.fn.Start))})
		if err := w.body(f); err != nil {
			return fmt.Errorf("program %q: %w", f.prog.Name, err)
		}
	}
	lic := w.section("license", elf.SHT_PROGBITS, elf.SHF_ALLOC|elf.SHF_WRITE, 1)
	license := w.obj.License
	if license == "" {
		license = "Dual BSD/GPL"
	}
	lic.data = append([]byte(license), 0)
	w.syms = append(w.syms, defined{symbol{"_license", lic}, elf.STT_OBJECT, 0, uint64(len(lic.data))})
	return nil
}

// nameOf is what a function is called in .text: by its own name, unless a program
// or another function has that.
func (w *writer) nameOf(p *loader.Program, fn *loader.Func) string {
	name := fn.Name
	for n := 1; ; n++ {
		taken := slices.ContainsFunc(w.progs, func(q *loader.Program) bool { return q.Name == name })
		if q, other := w.first(name); other != nil && !same(q, other, p, fn) {
			taken = true
		}
		if !taken {
			return name
		}
		name = fmt.Sprintf("%s_%d", fn.Name, n)
	}
}

// first is the first function of that name that is none of the programs.
func (w *writer) first(name string) (*loader.Program, *loader.Func) {
	for _, p := range w.progs {
		for i := range p.Funcs[1:] {
			if p.Funcs[i+1].Name == name {
				return p, &p.Funcs[i+1]
			}
		}
	}
	return nil, nil
}

// same says whether two linked functions are one: alike but for where what they
// call was laid.
func same(p *loader.Program, a *loader.Func, q *loader.Program, b *loader.Func) bool {
	x, y := p.Insns[a.Start:a.End], q.Insns[b.Start:b.End]
	return slices.EqualFunc(x, y, func(i, j ebpf.Insn) bool {
		if local(i) && local(j) {
			i.Imm, j.Imm = 0, 0
		}
		return i == j
	})
}

// local says whether an instruction names a function of the program.
func local(in ebpf.Insn) bool {
	return in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal || in.IsWide() && in.Src == ebpf.PseudoFunc
}

// body writes a function's instructions, with relocations for what they name.
func (w *writer) body(f *function) error {
	code := slices.Clone(f.prog.Insns[f.fn.Start:f.fn.End])
	for i := 0; i < len(code); i++ {
		in := &code[i]
		at := uint64(8 * (f.at + i))
		switch {
		case local(*in):
			target := f.fn.Start + i + 1 + int(in.Imm)
			k := slices.IndexFunc(f.prog.Funcs, func(g loader.Func) bool { return g.Start == target })
			if k < 1 {
				return fmt.Errorf("insn %d: it calls slot %d, where no function begins", f.fn.Start+i, target)
			}
			name := w.nameOf(f.prog, &f.prog.Funcs[k])
			r := reloc{at, relCall, symbol{name, w.codeSection(".text")}}
			in.Imm = -1
			if in.IsWide() {
				r.typ, in.Imm, in.Src = relCode, 0, 0
			}
			f.sec.rels = append(f.sec.rels, r)
		case in.IsWide() && (in.Src == ebpf.PseudoMapFD || in.Src == ebpf.PseudoMapValue):
			m := int(in.Imm)
			sec := w.mapSec[m]
			if in.Src == ebpf.PseudoMapFD && sec == nil {
				f.sec.rels = append(f.sec.rels, reloc{at, relCode, w.mapSym[m]})
				in.Src, in.Imm = 0, 0
				break
			}
			if in.Src == ebpf.PseudoMapFD || sec == nil {
				return fmt.Errorf("insn %d: map %q: no file can say that", f.fn.Start+i, w.obj.Maps[m].Name)
			}
			f.sec.rels = append(f.sec.rels, reloc{at, relCode, symbol{sec: sec}})
			in.Src, in.Imm = 0, code[i+1].Imm
			code[i+1].Imm = 0
		}
		if code[i].IsWide() {
			i++
		}
	}
	copy(f.sec.data[8*f.at:], ebpf.Encode(code))
	return nil
}

// isData says whether a map is a section of variables.
func isData(m *maps.Spec) bool {
	return strings.HasPrefix(m.Name, ".data") || strings.HasPrefix(m.Name, ".rodata") || strings.HasPrefix(m.Name, ".bss") || m.Name == ".kconfig"
}

// dataName is the section of a map of variables. Kernel configuration has been
// answered, so it is a constant like others.
func dataName(name string) string {
	if name == ".kconfig" {
		return ".rodata.kconfig"
	}
	return name
}

// maps declares the maps.
func (w *writer) maps() error {
	for i, m := range w.obj.Maps {
		if isData(m) {
			if err := w.variables(i, m); err != nil {
				return fmt.Errorf("map %q: %w", m.Name, err)
			}
			continue
		}
		sec := w.section(".maps", elf.SHT_PROGBITS, elf.SHF_ALLOC|elf.SHF_WRITE, 8)
		at := uint64(len(sec.data))
		st, err := w.types.mapDef(m)
		if err != nil {
			return fmt.Errorf("map %q: %w", m.Name, err)
		}
		sec.data = append(sec.data, make([]byte, st.Size)...)
		for _, e := range m.Contents {
			k, err := slot(m, e)
			if err != nil {
				return fmt.Errorf("map %q: %w", m.Name, err)
			}
			place := at + uint64(st.Size) + 8*k
			if need := place + 8; need > uint64(len(sec.data)) {
				sec.data = append(sec.data, make([]byte, need-uint64(len(sec.data)))...)
			}
			to := symbol{e.Name, sec}
			if m.Type == cilium.ProgramArray {
				to.sec = w.codeSection(sectionOf(w.obj.Named(e.Name)))
			}
			sec.rels = append(sec.rels, reloc{place, relData, to})
		}
		size := uint64(len(sec.data)) - at
		w.mapSym[i] = symbol{m.Name, sec}
		w.syms = append(w.syms, defined{w.mapSym[i], elf.STT_OBJECT, at, size})
		w.types.mapVar(m.Name, st, uint32(at), uint32(size))
	}
	return nil
}

// slot is the place in .values of an initial entry.
func slot(m *maps.Spec, e maps.Entry) (uint64, error) {
	switch {
	case e.Name == "" || m.Type != cilium.ProgramArray && m.Type != cilium.ArrayOfMaps:
		return 0, fmt.Errorf("its initial entries: no file can say them")
	case len(e.Key) != 4:
		return 0, fmt.Errorf("an initial entry with a key of %d bytes", len(e.Key))
	}
	return uint64(le.Uint32(e.Key)), nil
}

// variables writes a section of variables.
func (w *writer) variables(i int, m *maps.Spec) error {
	data := make([]byte, m.ValueSize)
	for _, e := range m.Contents {
		if e.Name != "" || len(e.Value) > len(data) {
			return fmt.Errorf("an initial entry that is no value")
		}
		copy(data, e.Value)
	}
	flags := elf.SHF_ALLOC
	if !m.ReadOnly && m.Name != ".kconfig" {
		flags |= elf.SHF_WRITE
	}
	name := dataName(m.Name)
	sec := w.section(name, elf.SHT_PROGBITS, flags, 8)
	if strings.HasPrefix(name, ".bss") {
		sec.typ = elf.SHT_NOBITS
	}
	sec.data = data
	w.mapSec[i] = sec
	w.syms = append(w.syms, w.types.variables(name, sec, m)...)
	return nil
}

// describe makes .BTF and .BTF.ext.
func (w *writer) describe() error {
	raw, ext, err := w.types.finish(w.obj.File, w.funcs)
	if err != nil {
		return err
	}
	w.section(".BTF", elf.SHT_PROGBITS, 0, 4).data = raw
	w.section(".BTF.ext", elf.SHT_PROGBITS, 0, 4).data = ext
	return nil
}

// assemble writes the file.
func (w *writer) assemble() []byte {
	strs := &table{data: []byte{0}}
	secs := slices.Clone(w.secs)
	for _, s := range w.secs {
		if len(s.rels) > 0 {
			secs = append(secs, &section{name: ".rel" + s.name, typ: elf.SHT_REL, align: 8})
		}
	}
	symtab := &section{name: ".symtab", typ: elf.SHT_SYMTAB, align: 8}
	strtab := &section{name: ".strtab", typ: elf.SHT_STRTAB, align: 1}
	secs = append(secs, symtab, strtab)
	for i, s := range secs {
		s.index = i + 1
	}

	// Symbols: sections first, as local ones must be.
	symtab.data = make([]byte, 24)
	index := map[symbol]uint32{}
	put := func(name string, info byte, sec *section, value, size uint64) uint32 {
		e := make([]byte, 24)
		le.PutUint32(e, strs.add(name))
		e[4] = info
		le.PutUint16(e[6:], uint16(sec.index))
		le.PutUint64(e[8:], value)
		le.PutUint64(e[16:], size)
		symtab.data = append(symtab.data, e...)
		return uint32(len(symtab.data)/24 - 1)
	}
	for _, s := range w.secs {
		index[symbol{sec: s}] = put("", byte(elf.STT_SECTION), s, 0, 0)
	}
	locals := len(symtab.data) / 24
	for _, y := range w.syms {
		index[y.symbol] = put(y.name, byte(elf.STB_GLOBAL)<<4|byte(y.typ), y.sec, y.value, y.size)
	}
	for _, s := range w.secs {
		if len(s.rels) == 0 {
			continue
		}
		rel := secs[slices.IndexFunc(secs, func(r *section) bool { return r.name == ".rel"+s.name })]
		for _, r := range s.rels {
			rel.data = le.AppendUint64(rel.data, r.at)
			rel.data = le.AppendUint64(rel.data, uint64(index[r.sym])<<32|uint64(r.typ))
		}
	}
	for _, s := range secs {
		strs.add(s.name)
	}
	strtab.data = strs.data

	var out bytes.Buffer
	out.Write(make([]byte, 64))
	headers := make([]byte, 64)
	for _, s := range secs {
		for uint64(out.Len())%s.align != 0 {
			out.WriteByte(0)
		}
		h := make([]byte, 64)
		le.PutUint32(h, strs.add(s.name))
		le.PutUint32(h[4:], uint32(s.typ))
		le.PutUint64(h[8:], uint64(s.flags))
		le.PutUint64(h[24:], uint64(out.Len()))
		le.PutUint64(h[32:], uint64(len(s.data)))
		le.PutUint64(h[48:], s.align)
		switch s.typ {
		case elf.SHT_SYMTAB:
			le.PutUint32(h[40:], uint32(strtab.index))
			le.PutUint32(h[44:], uint32(locals))
			le.PutUint64(h[56:], 24)
		case elf.SHT_REL:
			of := w.secs[slices.IndexFunc(w.secs, func(r *section) bool { return ".rel"+r.name == s.name })]
			le.PutUint32(h[40:], uint32(symtab.index))
			le.PutUint32(h[44:], uint32(of.index))
			le.PutUint64(h[8:], uint64(elf.SHF_INFO_LINK))
			le.PutUint64(h[56:], 16)
		}
		headers = append(headers, h...)
		if s.typ != elf.SHT_NOBITS {
			out.Write(s.data)
		}
	}
	for out.Len()%8 != 0 {
		out.WriteByte(0)
	}
	shoff := out.Len()
	out.Write(headers)
	b := out.Bytes()
	copy(b, []byte{0x7f, 'E', 'L', 'F', 2, 1, 1})
	le.PutUint16(b[16:], uint16(elf.ET_REL))
	le.PutUint16(b[18:], uint16(elf.EM_BPF))
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[40:], uint64(shoff))
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[58:], 64)
	le.PutUint16(b[60:], uint16(len(secs)+1))
	le.PutUint16(b[62:], uint16(strtab.index))
	return b
}

// table is a string table.
type table struct {
	data []byte
	at   map[string]uint32
}

func (t *table) add(s string) uint32 {
	if s == "" {
		return 0
	}
	if t.at == nil {
		t.at = map[string]uint32{}
	}
	if at, ok := t.at[s]; ok {
		return at
	}
	at := uint32(len(t.data))
	t.at[s] = at
	t.data = append(append(t.data, s...), 0)
	return at
}
