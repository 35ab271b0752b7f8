package loader

import (
	"bytes"
	"debug/elf"
	"fmt"
	"maps"
	"slices"
)

// mend makes an object of an old compiler one that cilium/ebpf takes. Nothing
// is changed in what a current clang writes, but static maps and .text-only
// objects.
func (im *image) mend() error {
	if err := im.placeCommon(); err != nil {
		return err
	}
	for i := range im.secs {
		var err error
		switch {
		case im.isCode(i):
			err = im.mendCode(i)
		case im.isMaps(i):
			if err = im.mendObjects(i); err == nil {
				err = im.growMaps(i)
			}
		case im.isBTFMaps(i), im.isData(i):
			err = im.mendObjects(i)
		}
		if err != nil {
			return err
		}
	}
	im.mendMapRelocations()
	im.mendExterns()
	im.renameText()
	im.hideStructOps()
	im.mendKsyms()
	return nil
}

// placeCommon puts the global variables that old compilers left to the linker
// (-fcommon: size and alignment, but no section) into .bss.
func (im *image) placeCommon() error {
	bss := 0
	for j := range im.syms {
		s := &im.syms[j]
		if elf.SectionIndex(s.Shndx) != elf.SHN_COMMON || im.symName[j] == "" {
			continue
		}
		if bss == 0 {
			for i, n := range im.name {
				if n == ".bss" && elf.SectionType(im.secs[i].Type) == elf.SHT_NOBITS {
					bss = i
				}
			}
			if bss == 0 {
				if bss = im.addSection(".bss"); bss == 0 {
					return fmt.Errorf("symbol %q: no section for it", im.symName[j])
				}
			}
		}
		sec := &im.secs[bss]
		align := max(s.Value, 1)
		if align > 4096 || s.Size > maxBSS || sec.Size > maxBSS {
			return fmt.Errorf("symbol %q: %d bytes of common data are more than any program has", im.symName[j], s.Size)
		}
		s.Value = (sec.Size + align - 1) / align * align
		s.Shndx = uint16(bss)
		s.Info = elf.ST_INFO(elf.ST_BIND(s.Info), elf.STT_OBJECT)
		sec.Size = s.Value + s.Size
		im.grown = true
	}
	return nil
}

// mendCode gives the functions of a section type and size. LLVM up to 6 wrote
// neither; jump labels (local, without a type) must stay what they are.
func (im *image) mendCode(sec int) error {
	called := im.callTargets()[sec]
	funcs := im.symbolsOf(sec, func(j int) bool {
		s := &im.syms[j]
		switch elf.ST_TYPE(s.Info) {
		case elf.STT_FUNC:
			return true
		case elf.STT_NOTYPE:
			return elf.ST_BIND(s.Info) != elf.STB_LOCAL || called[s.Value]
		}
		return false
	})
	starts := map[uint64]bool{}
	for _, j := range funcs {
		starts[im.syms[j].Value] = true
	}
	// Whatever is called but has no symbol (or the whole section, of a
	// stripped object) gets one.
	for _, off := range slices.Sorted(maps.Keys(called)) {
		if !starts[off] && off < im.secs[sec].Size {
			funcs = append(funcs, im.addSymbol(fmt.Sprintf("%s+%d", im.name[sec], off/8), elf.STB_GLOBAL, elf.STT_FUNC, sec, off, 0))
		}
	}
	if len(funcs) == 0 {
		funcs = append(funcs, im.addSymbol(im.name[sec], elf.STB_GLOBAL, elf.STT_FUNC, sec, 0, 0))
	}
	for _, j := range funcs {
		s := &im.syms[j]
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Size != 0 {
			continue
		}
		end := im.secs[sec].Size
		for _, k := range funcs {
			if v := im.syms[k].Value; v > s.Value && v < end {
				end = v
			}
		}
		if s.Value >= end {
			return fmt.Errorf("section %q: symbol %q at %d is past the section's end", im.name[sec], im.symName[j], s.Value)
		}
		s.Info = elf.ST_INFO(elf.ST_BIND(s.Info), elf.STT_FUNC)
		s.Size = end - s.Value
		im.grown = true
	}
	// A relocation by symbol may only name a global function.
	for _, r := range im.rels {
		if !im.isCode(r.target) {
			continue
		}
		for _, rel := range r.rels {
			s := &im.syms[elf.R_SYM64(rel.Info)]
			if int(s.Shndx) == sec && elf.ST_TYPE(s.Info) == elf.STT_FUNC && elf.ST_BIND(s.Info) == elf.STB_LOCAL {
				s.Info = elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC)
				im.grown = true
			}
		}
	}
	return nil
}

// callTargets finds, for every code section, the byte offsets in it that are
// called or whose address is taken.
func (im *image) callTargets() map[int]map[uint64]bool {
	out := map[int]map[uint64]bool{}
	add := func(sec int, off int64) {
		if sec <= 0 || sec >= len(im.secs) || !im.isCode(sec) || off < 0 || off%8 != 0 {
			return
		}
		if out[sec] == nil {
			out[sec] = map[uint64]bool{}
		}
		out[sec][uint64(off)] = true
	}
	for i := range im.secs {
		if !im.isCode(i) {
			continue
		}
		code, err := im.data(i)
		if err != nil {
			continue // said again when the code is read
		}
		reloc := map[uint64]int{}
		if r := im.relocations(i); r != nil {
			for _, rel := range r.rels {
				reloc[rel.Off] = int(elf.R_SYM64(rel.Info))
			}
		}
		for off := 0; off+8 <= len(code); off += 8 {
			op, src := code[off], code[off+1]>>4
			imm := int64(int32(le.Uint32(code[off+4:])))
			call, load := op == 0x85 && src == 1, op == 0x18
			if !call && !load {
				continue
			}
			if j, ok := reloc[uint64(off)]; ok {
				s := &im.syms[j]
				switch {
				case elf.ST_TYPE(s.Info) != elf.STT_SECTION:
					add(int(s.Shndx), int64(s.Value))
				case call:
					add(int(s.Shndx), (imm+1)*8)
				default:
					add(int(s.Shndx), imm)
				}
			} else if call && imm != -1 {
				add(i, int64(off)+8+imm*8)
			}
			if load {
				off += 8
			}
		}
	}
	return out
}

// mendObjects gives the variables and maps of a section type and size.
func (im *image) mendObjects(sec int) error {
	objs := im.symbolsOf(sec, func(j int) bool {
		t := elf.ST_TYPE(im.syms[j].Info)
		if t == elf.STT_NOTYPE && im.isData(sec) {
			// Local ones are anonymous constants, which cilium/ebpf knows.
			return elf.ST_BIND(im.syms[j].Info) != elf.STB_LOCAL
		}
		return t == elf.STT_NOTYPE || t == elf.STT_OBJECT
	})
	for n, j := range objs {
		s := &im.syms[j]
		if s.Value > im.secs[sec].Size {
			return fmt.Errorf("section %q: symbol %q at %d is past the section's end", im.name[sec], im.symName[j], s.Value)
		}
		if elf.ST_TYPE(s.Info) != elf.STT_OBJECT || s.Size == 0 {
			end := im.secs[sec].Size
			for _, k := range objs[n+1:] {
				if v := im.syms[k].Value; v > s.Value {
					end = v
					break
				}
			}
			s.Info = elf.ST_INFO(elf.ST_BIND(s.Info), elf.STT_OBJECT)
			s.Size = end - s.Value
			im.grown = true
		}
		if !im.isData(sec) && elf.ST_BIND(s.Info) != elf.STB_GLOBAL { // a static or weak map
			s.Info = elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT)
			im.grown = true
		}
	}
	return nil
}

// mapDefSize is what cilium/ebpf reads of a map definition: type, key size,
// value size, entries, flags. The first compilers' samples had no flags.
const mapDefSize = 20

// growMaps lays a maps section with shorter definitions out anew.
func (im *image) growMaps(sec int) error {
	defs := im.symbolsOf(sec, func(j int) bool { return elf.ST_TYPE(im.syms[j].Info) == elf.STT_OBJECT })
	short := false
	for _, j := range defs {
		short = short || im.syms[j].Size < mapDefSize
	}
	if !short {
		return nil
	}
	d, err := im.data(sec)
	if err != nil {
		return err
	}
	var out []byte
	moved := map[uint64]uint64{}
	for _, j := range defs {
		s := &im.syms[j]
		if s.Size < 12 {
			return fmt.Errorf("section %q: map %q: definition of %d bytes is too short", im.name[sec], im.symName[j], s.Size)
		}
		if s.Value+s.Size > uint64(len(d)) || s.Value+s.Size < s.Value {
			return fmt.Errorf("section %q: map %q runs past the section's end", im.name[sec], im.symName[j])
		}
		at := uint64(len(out))
		moved[s.Value] = at
		out = append(out, d[s.Value:s.Value+s.Size]...)
		for uint64(len(out))-at < mapDefSize {
			out = append(out, 0)
		}
		s.Value, s.Size = at, uint64(len(out))-at
	}
	im.grown = true
	im.setData(sec, out)
	return nil
}

// mendMapRelocations turns references to "maps section plus offset" (static
// maps) into references to the map's symbol.
func (im *image) mendMapRelocations() {
	for _, r := range im.rels {
		if !im.isCode(r.target) {
			continue
		}
		code, err := im.data(r.target)
		if err != nil {
			continue
		}
		for k := range r.rels {
			rel := &r.rels[k]
			s := &im.syms[elf.R_SYM64(rel.Info)]
			sec := int(s.Shndx)
			if elf.ST_TYPE(s.Info) != elf.STT_SECTION || sec >= len(im.secs) || !(im.isMaps(sec) || im.isBTFMaps(sec)) {
				continue
			}
			if rel.Off+16 > uint64(len(code)) || rel.Off+16 < rel.Off {
				continue
			}
			if j := im.symbolAt(sec, uint64(le.Uint32(code[rel.Off+4:]))); j != 0 {
				rel.Info = elf.R_INFO(uint32(j), elf.R_TYPE64(rel.Info))
				le.PutUint32(code[rel.Off+4:], 0)
			}
		}
	}
}

// mendExterns makes weak undefined symbols plain ones, once externs has noted
// which were weak: cilium/ebpf refuses a weak kernel configuration variable.
func (im *image) mendExterns() {
	im.externs = map[place]extern{}
	for _, r := range im.rels {
		if !im.isCode(r.target) {
			continue
		}
		for _, rel := range r.rels {
			j := elf.R_SYM64(rel.Info)
			if s := &im.syms[j]; elf.SectionIndex(s.Shndx) == elf.SHN_UNDEF {
				im.externs[place{r.target, rel.Off}] = extern{im.symName[j], elf.ST_BIND(s.Info) == elf.STB_WEAK}
			}
		}
	}
	for j := range im.syms {
		s := &im.syms[j]
		if elf.SectionIndex(s.Shndx) == elf.SHN_UNDEF && elf.ST_BIND(s.Info) == elf.STB_WEAK {
			s.Info = elf.ST_INFO(elf.STB_GLOBAL, elf.ST_TYPE(s.Info))
			im.grown = true
		}
	}
}

// renameText makes the programs of an object that has nothing but .text
// visible: cilium/ebpf takes .text for a library of callees.
func (im *image) renameText() {
	text := 0
	for i := range im.secs {
		if im.isCode(i) {
			if im.name[i] != ".text" {
				return
			}
			text = i
		}
	}
	if text == 0 {
		return
	}
	im.rename(text, '_')
}

// rename changes the first byte of a section's name, in the section table and
// in the BTF, whose line and function infos and datasecs name sections.
func (im *image) rename(sec int, first byte) {
	strndx := int(le.Uint16(im.b[62:])) // e_shstrndx
	at := im.secs[strndx].Off + uint64(im.secs[sec].Name)
	if at >= uint64(len(im.b)) {
		return
	}
	old := im.name[sec]
	im.b[at] = first // .rel.text may share the bytes; it is found by number
	if strndx == int(im.secs[im.symtab].Link) {
		im.strtab[im.secs[sec].Name] = first // one table for both names
	}
	im.name[sec] = string(first) + old[1:]
	im.renamed[im.name[sec]] = old
	for i, n := range im.name {
		if n == ".BTF" {
			if d, err := im.data(i); err == nil {
				if k := bytes.Index(d, []byte("\x00"+old+"\x00")); k >= 0 {
					d[k+1] = first
				}
			}
		}
	}
}

// hideStructOps keeps cilium/ebpf from refusing objects with the older kind of
// struct_ops: their programs are wanted, registering them isn't.
func (im *image) hideStructOps() {
	for i, n := range im.name {
		if n == ".struct_ops" {
			im.rename(i, '_')
		}
	}
}

// dropBTF hides type information that can't be read.
func (im *image) dropBTF() bool {
	found := false
	for i, n := range im.name {
		switch n {
		case ".maps":
			return false // its maps are described nowhere else
		case ".BTF", ".BTF.ext":
			im.secs[i].Name = 0
			im.secs[i].Type = uint32(elf.SHT_NULL)
			im.name[i] = ""
			found = true
		}
	}
	return found
}
