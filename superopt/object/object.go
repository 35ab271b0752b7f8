package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/superopt"
)

var le = binary.LittleEndian

// Object is one file.
type Object struct {
	File   string
	Funcs  []*Func // in section and address order
	Maps   []*maps.Spec
	raw    []byte
	unread error // why the loader doesn't take the file; maps are unknown then
	shoff  uint64
	secs   []section
	syms   []symbol
	symsec int
}

type section struct {
	name       string
	typ        uint32
	flags      uint64
	off, size  uint64
	link, info uint32
	align      uint64
	entsize    uint64
	data       []byte
	code       bool
	rel        map[int]reloc // slot -> relocation
}

type symbol struct {
	name  string
	info  byte
	shndx uint16
	value uint64
	size  uint64
}

type reloc struct {
	sym uint32
	typ uint32
}

// Func is one function of a code section, the unit that is optimised.
type Func struct {
	Name, Section string
	Prog          *superopt.Prog // as read
	New           *superopt.Prog // what Write puts there; nil: as read
	Err           error          // why it can't be optimised; it is kept as it is
	sec           int
	start, end    int  // slots
	called        bool // by another, or by itself
	nameless      bool // no symbol stands there: its name says where it begins
}

// Read reads an object file.
func Read(path string) (*Object, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, raw)
}

// Parse is Read on bytes.
func Parse(path string, raw []byte) (o *Object, err error) {
	o = &Object{File: path, raw: raw}
	fail := func(format string, args ...any) (*Object, error) {
		return nil, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
	}
	if err := loader.CheckELF(raw); err != nil { // in the words of replay
		return fail("%v", err)
	}
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return fail("not an ELF file: %v", err)
	}
	if f.Class != elf.ELFCLASS64 || f.ByteOrder != le || f.Machine != elf.EM_BPF && f.Machine != elf.EM_NONE {
		return fail("not a little-endian eBPF object")
	}
	if err := o.readSections(f); err != nil {
		return fail("%v", err)
	}
	for i := range o.secs {
		if o.secs[i].typ == uint32(elf.SHT_SYMTAB) {
			if err := o.readSymbols(i); err != nil {
				return fail("%v", err)
			}
		}
	}
	if err := o.readRelocations(); err != nil {
		return fail("%v", err)
	}
	// Maps are what the loader makes of the file: it knows all ways to declare one,
	// and mends what old compilers left. What it doesn't read has none: functions
	// that use maps have references then that nothing is known of.
	index := map[string]int{}
	linked, err := loader.LoadBytes(path, raw, loader.Options{})
	if o.unread = err; err == nil {
		o.Maps = linked.Maps
		slices.SortStableFunc(o.Maps, func(a, b *maps.Spec) int { return strings.Compare(a.Name, b.Name) })
	}
	for i, m := range o.Maps {
		index[m.Name] = i
	}
	core, callees := o.coreSlots(), o.callees()
	for i := range o.secs {
		if o.secs[i].code {
			o.functions(i, callees, index, core[i])
		}
	}
	if len(o.Funcs) == 0 {
		return fail("no code")
	}
	return o, nil
}

// readSections takes the table of sections.
func (o *Object) readSections(f *elf.File) error {
	raw := o.raw
	o.shoff = le.Uint64(raw[0x28:])
	shnum := int(le.Uint16(raw[0x3c:]))
	if o.shoff+uint64(shnum)*64 > uint64(len(raw)) || le.Uint16(raw[0x3a:]) != 64 {
		return errors.New("section table outside the file")
	}
	for i := 0; i < shnum && i < len(f.Sections); i++ {
		h := raw[o.shoff+uint64(i)*64:]
		s := section{name: f.Sections[i].Name, typ: le.Uint32(h[4:]), flags: le.Uint64(h[8:]), off: le.Uint64(h[24:]), size: le.Uint64(h[32:]),
			link: le.Uint32(h[40:]), info: le.Uint32(h[44:]), align: le.Uint64(h[48:]), entsize: le.Uint64(h[56:])}
		if s.typ != uint32(elf.SHT_NOBITS) && s.typ != uint32(elf.SHT_NULL) {
			if s.off > uint64(len(raw)) || s.size > uint64(len(raw))-s.off {
				return fmt.Errorf("section %s outside the file", s.name)
			}
			s.data = raw[s.off : s.off+s.size]
		}
		if s.align > 1<<16 {
			return fmt.Errorf("section %s aligned to %d bytes", s.name, s.align)
		}
		s.code = s.typ == uint32(elf.SHT_PROGBITS) && s.flags&uint64(elf.SHF_EXECINSTR) != 0 && s.size > 0
		o.secs = append(o.secs, s)
	}
	return nil
}

// readRelocations notes which instructions refer to which symbols.
func (o *Object) readRelocations() error {
	for i := range o.secs {
		r := &o.secs[i]
		if r.typ != uint32(elf.SHT_REL) || int(r.info) >= len(o.secs) || !o.secs[r.info].code {
			continue
		}
		t := &o.secs[r.info]
		if t.rel == nil {
			t.rel = map[int]reloc{}
		}
		for k := 0; k+16 <= len(r.data); k += 16 {
			at := le.Uint64(r.data[k:])
			info := le.Uint64(r.data[k+8:])
			if at%8 != 0 || at >= t.size || int(info>>32) >= len(o.syms) {
				return fmt.Errorf("section %s: relocation at %#x is not one of an instruction", r.name, at)
			}
			t.rel[int(at/8)] = reloc{uint32(info >> 32), uint32(info)}
		}
	}
	return nil
}

func (o *Object) readSymbols(i int) error {
	s := &o.secs[i]
	o.symsec = i
	if int(s.link) >= len(o.secs) {
		return errors.New("symbol table without names")
	}
	str := o.secs[s.link].data
	for k := 0; k+24 <= len(s.data); k += 24 {
		e := s.data[k:]
		y := symbol{info: e[4], shndx: le.Uint16(e[6:]), value: le.Uint64(e[8:]), size: le.Uint64(e[16:])}
		if n := int(le.Uint32(e)); n < len(str) {
			b := str[n:]
			if z := bytes.IndexByte(b, 0); z >= 0 {
				y.name = string(b[:z])
			}
		}
		o.syms = append(o.syms, y)
	}
	return nil
}

// KindOf says what a section's programs are attached to (the names libbpf
// knows, and the older free ones).
func KindOf(sec string) superopt.Kind {
	sec = strings.TrimPrefix(sec, "?")
	has := func(p ...string) bool {
		for _, x := range p {
			if strings.HasPrefix(sec, x) {
				return true
			}
		}
		return false
	}
	switch {
	case has("xdp/cpumap", "xdp/devmap", "xdp"):
		return superopt.KindXDP
	case has("socket", "classifier", "tc", "tcx", "action", "lwt_", "cgroup_skb", "cgroup/skb", "sk_skb", "from-", "to-", "cls", "len_hist"):
		return superopt.KindSKB
	case has("kprobe", "kretprobe", "uprobe", "tracepoint", "tp/", "raw_tp", "raw_tracepoint", "perf_event", "fentry", "fexit", "tp_btf", "lsm", "iter"):
		return superopt.KindTracing
	case has("cgroup", "sockops", "sk_msg", "sk_reuseport", "sk_lookup"):
		return superopt.KindCgroup
	}
	return superopt.KindOther
}

// place is where a function begins: a slot of a section.
type place struct{ sec, slot int }

// callees are the places that instructions of any section call or take the address
// of: functions begin there, whether or not a symbol says so.
func (o *Object) callees() map[place]bool {
	out := map[place]bool{}
	for sec := range o.secs {
		s := &o.secs[sec]
		if !s.code {
			continue
		}
		all, err := ebpf.Decode(s.data)
		if err != nil {
			continue
		}
		for at, in := range all {
			if p, ok := o.callee(sec, at, in); ok && p.slot >= 0 && p.slot < len(o.secs[p.sec].data)/8 {
				out[p] = true
			}
		}
	}
	return out
}

// callee is the function that the instruction at a slot calls, or takes the
// address of.
func (o *Object) callee(sec, at int, in ebpf.Insn) (place, bool) {
	if in.Op != ebpf.OpCall && in.Op != ebpf.OpLDDW {
		return place{}, false
	}
	r, has := o.secs[sec].rel[at]
	if !has {
		local := in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal || in.Op == ebpf.OpLDDW && in.Src == ebpf.PseudoFunc
		return place{sec, at + 1 + int(in.Imm)}, local
	}
	y := o.syms[r.sym]
	if y.shndx == 0 || int(y.shndx) >= len(o.secs) || !o.secs[y.shndx].code {
		return place{}, false
	}
	to := place{int(y.shndx), int(y.value / 8)}
	if y.info&15 == byte(elf.STT_SECTION) { // the place is the addend
		if to.slot = int(in.Imm) + 1; in.Op == ebpf.OpLDDW {
			to.slot = int(in.Imm) / 8
		}
	}
	return to, true
}

// functions cuts a code section at its function symbols, and where something calls
// it.
func (o *Object) functions(sec int, callees map[place]bool, index map[string]int, core map[int]bool) {
	s := &o.secs[sec]
	starts := map[int]string{}
	for _, y := range o.syms {
		if int(y.shndx) != sec || y.value%8 != 0 || y.value >= s.size {
			continue
		}
		at := int(y.value / 8)
		switch kind := y.info & 15; {
		case kind == byte(elf.STT_FUNC) || kind == byte(elf.STT_NOTYPE) && y.name != "" && y.info>>4 == byte(elf.STB_GLOBAL):
			starts[at] = y.name
		case kind == byte(elf.STT_NOTYPE) && y.name != "" && callees[place{sec, at}] && starts[at] == "":
			starts[at] = y.name
		}
	}
	if _, ok := starts[0]; !ok {
		starts[0] = s.name
	}
	var order []int
	for k := range starts {
		order = append(order, k)
	}
	for p := range callees {
		if _, ok := starts[p.slot]; p.sec == sec && !ok {
			order = append(order, p.slot)
		}
	}
	sort.Ints(order)
	all, err := ebpf.Decode(s.data)
	for n, st := range order {
		end := len(s.data) / 8
		if n+1 < len(order) {
			end = order[n+1]
		}
		name, ok := starts[st]
		if !ok { // as host/loader names it
			name = fmt.Sprintf("%s+%d", s.name, st)
		}
		f := &Func{Name: name, Section: s.name, sec: sec, start: st, end: end, called: callees[place{sec, st}], nameless: !ok, Err: err}
		o.Funcs = append(o.Funcs, f)
		if err == nil {
			f.Prog, f.Err = o.program(f, all[st:end], s, index, core)
		}
	}
}

// program resolves what relocations are understood and fixes the rest.
func (o *Object) program(f *Func, code []ebpf.Insn, s *section, index map[string]int, core map[int]bool) (*superopt.Prog, error) {
	in := append([]ebpf.Insn(nil), code...)
	fixed := map[int]bool{}
	for i := range in {
		at := f.start + i
		r, has := s.rel[at]
		if core[at] {
			fixed[i] = true
		}
		if in[i].Op == ebpf.OpCall && in[i].Src == ebpf.CallLocal || in[i].Op == ebpf.OpLDDW && in[i].Src == ebpf.PseudoFunc {
			fixed[i] = true // to another function: its place changes, this stays
		}
		if !has {
			continue
		}
		y := o.syms[r.sym]
		name := y.name
		isMap := false
		if int(y.shndx) < len(o.secs) && y.shndx != 0 {
			sn := o.secs[y.shndx].name
			isMap = sn == ".maps" || sn == "maps" || strings.HasPrefix(sn, "maps/")
		}
		idx, known := index[name]
		switch {
		case in[i].Op == ebpf.OpLDDW && isMap && known && in[i].Imm == 0:
			in[i].Src, in[i].Imm = ebpf.PseudoMapFD, int32(idx)
		default:
			// data sections, externs, subprograms: the loader's business
			if in[i].Op == ebpf.OpLDDW && int(y.shndx) < len(o.secs) && y.shndx != 0 {
				sn := o.secs[y.shndx].name
				if di, ok := index[sn]; ok && (strings.HasPrefix(sn, ".data") || strings.HasPrefix(sn, ".rodata") || strings.HasPrefix(sn, ".bss")) {
					off := int32(in[i].Imm)
					if y.info&15 != byte(elf.STT_SECTION) {
						off = int32(y.value) + in[i].Imm
					}
					if i+1 < len(in) {
						in[i].Src, in[i].Imm, in[i+1].Imm = ebpf.PseudoMapValue, int32(di), off
						continue
					}
				}
			}
			fixed[i] = true
		}
	}
	p, err := superopt.FromSlotsFixed(f.Name, KindOf(s.name), in, o.Maps, fixed)
	if err != nil {
		return nil, err
	}
	p.Sub = s.name == ".text" || f.called
	return p, nil
}
