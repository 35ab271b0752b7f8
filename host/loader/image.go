package loader

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"strings"
)

// image is an ELF file in memory that is mended before cilium/ebpf reads it.
// Only what a relocatable BPF object has is understood: ELF64, little endian.
type image struct {
	b    []byte
	secs []elf.Section64
	name []string // of each section

	symtab  int // section index, 0 for none
	syms    []elf.Sym64
	symName []string
	strtab  []byte // the symbols' names
	grown   bool   // symbols were added or changed

	rels []relSection
	// renamed holds sections whose names were changed to get past cilium/ebpf:
	// new name to old.
	renamed map[string]string
	// externs are the undefined symbols that code refers to, by the place of
	// the reference.
	externs map[place]extern
	// ksyms are the variables of the kernel's that BTF names; nil without BTF.
	ksyms map[string]bool
}

// place is a byte offset in a section.
type place struct {
	sec int
	off uint64
}

type extern struct {
	name string
	weak bool
}

// relSection is the decoded form of one SHT_REL section.
type relSection struct {
	sec    int // its own index
	target int // the section it patches
	rels   []elf.Rel64
}

// maxBSS bounds what a section that takes no room in the file may ask for.
const maxBSS = 64 << 20

const (
	sizeofShdr = 64
	sizeofSym  = 24
	sizeofRel  = 16
)

var le = binary.LittleEndian

// CheckELF says what is wrong with the bytes of an object file, before anything
// is made of them.
func CheckELF(data []byte) (err error) {
	defer func() { // as in LoadBytes
		if r := recover(); r != nil {
			err = fmt.Errorf("damaged object: %s", oneLine(fmt.Sprint(r)))
		}
	}()
	_, err = openImage(bytes.Clone(data))
	return err
}

// openImage takes the file apart. It keeps data (and writes into it).
func openImage(data []byte) (*image, error) {
	switch {
	case len(data) < 4 || string(data[:4]) != elf.ELFMAG:
		return nil, errors.New("not an ELF object")
	case len(data) < 64:
		return nil, fmt.Errorf("ELF header cut off at %d bytes", len(data))
	case elf.Class(data[elf.EI_CLASS]) != elf.ELFCLASS64:
		return nil, errors.New("not a 64-bit ELF object")
	case elf.Data(data[elf.EI_DATA]) == elf.ELFDATA2MSB:
		return nil, errors.New("big-endian BPF object: compile it with -target bpfel")
	case elf.Data(data[elf.EI_DATA]) != elf.ELFDATA2LSB:
		return nil, errors.New("ELF byte order unknown")
	}
	var h elf.Header64
	if err := binary.Read(bytes.NewReader(data), le, &h); err != nil {
		return nil, fmt.Errorf("ELF header: %v", err)
	}
	if m := elf.Machine(h.Machine); m != elf.EM_BPF && m != elf.EM_NONE { // EM_NONE: LLVM before 3.9
		return nil, fmt.Errorf("ELF object for %s, not for BPF", m)
	}
	im := &image{b: data, renamed: map[string]string{}}
	if h.Shnum == 0 || h.Shentsize != sizeofShdr {
		return nil, errors.New("no ELF sections")
	}
	n := uint64(h.Shnum)
	tab, err := im.span(h.Shoff, n*sizeofShdr)
	if err != nil {
		return nil, fmt.Errorf("section table: %w", err)
	}
	im.secs = make([]elf.Section64, n)
	if err := binary.Read(bytes.NewReader(tab), le, im.secs); err != nil {
		return nil, fmt.Errorf("section table: %v", err)
	}
	if int(h.Shstrndx) >= len(im.secs) {
		return nil, errors.New("section names: no such section")
	}
	names, err := im.data(int(h.Shstrndx))
	if err != nil {
		return nil, fmt.Errorf("section names: %w", err)
	}
	im.name = make([]string, n)
	for i := range im.secs {
		im.name[i] = cstring(names, uint64(im.secs[i].Name))
		if s := &im.secs[i]; elf.SectionType(s.Type) == elf.SHT_NOBITS && s.Size > maxBSS {
			return nil, fmt.Errorf("section %q: %d bytes of zeroes are more than any program has (%d)", im.name[i], s.Size, maxBSS)
		}
		if elf.SectionType(im.secs[i].Type) != elf.SHT_NULL {
			if _, err := im.data(i); err != nil {
				return nil, err
			}
		}
	}
	if err := im.readSymbols(); err != nil {
		return nil, err
	}
	return im, im.readRelocations()
}

func (im *image) span(off, size uint64) ([]byte, error) {
	if off > uint64(len(im.b)) || size > uint64(len(im.b))-off {
		return nil, fmt.Errorf("bytes %d+%d are past the end of the file (%d)", off, size, len(im.b))
	}
	return im.b[off : off+size : off+size], nil
}

// data returns the bytes of section i, none for SHT_NOBITS.
func (im *image) data(i int) ([]byte, error) {
	if elf.SectionType(im.secs[i].Type) == elf.SHT_NOBITS {
		return nil, nil
	}
	d, err := im.span(im.secs[i].Off, im.secs[i].Size)
	switch {
	case err == nil:
		return d, nil
	case im.name == nil: // the section that has the names
		return nil, fmt.Errorf("section %d: %w", i, err)
	}
	return nil, fmt.Errorf("section %q: %w", im.name[i], err)
}

func (im *image) readSymbols() error {
	for i := range im.secs {
		if elf.SectionType(im.secs[i].Type) != elf.SHT_SYMTAB {
			continue
		}
		d, err := im.data(i)
		if err != nil {
			return err
		}
		link := int(im.secs[i].Link)
		if link >= len(im.secs) {
			return fmt.Errorf("section %q: no string table", im.name[i])
		}
		str, err := im.data(link)
		if err != nil {
			return err
		}
		im.symtab, im.strtab = i, append([]byte(nil), str...)
		im.syms = make([]elf.Sym64, len(d)/sizeofSym)
		if err := binary.Read(bytes.NewReader(d), le, im.syms); err != nil {
			return fmt.Errorf("section %q: %v", im.name[i], err)
		}
		im.symName = make([]string, len(im.syms))
		for j := range im.syms {
			im.symName[j] = cstring(im.strtab, uint64(im.syms[j].Name))
		}
		return nil
	}
	return errors.New("no symbol table (was the object stripped?)")
}

func (im *image) readRelocations() error {
	for i := range im.secs {
		s := &im.secs[i]
		if elf.SectionType(s.Type) != elf.SHT_REL {
			continue
		}
		if int(s.Info) < len(im.secs) && !im.isCode(int(s.Info)) && !im.isMaps(int(s.Info)) &&
			!im.isBTFMaps(int(s.Info)) && !im.isData(int(s.Info)) {
			continue // debug sections
		}
		if int(s.Info) >= len(im.secs) || s.Entsize != sizeofRel {
			return fmt.Errorf("section %q: not a relocation section of this object", im.name[i])
		}
		d, err := im.data(i)
		if err != nil {
			return err
		}
		r := relSection{sec: i, target: int(s.Info), rels: make([]elf.Rel64, len(d)/sizeofRel)}
		if err := binary.Read(bytes.NewReader(d), le, r.rels); err != nil {
			return fmt.Errorf("section %q: %v", im.name[i], err)
		}
		for _, rel := range r.rels {
			if sym := elf.R_SYM64(rel.Info); sym == 0 || int(sym) >= len(im.syms) {
				return fmt.Errorf("section %q: offset %d: symbol %d doesn't exist", im.name[i], rel.Off, sym)
			}
		}
		im.rels = append(im.rels, r)
	}
	return nil
}

// isCode and the like sort sections as cilium/ebpf does.
func (im *image) isCode(i int) bool {
	s := &im.secs[i]
	return elf.SectionType(s.Type) == elf.SHT_PROGBITS && s.Size > 0 &&
		elf.SectionFlag(s.Flags)&elf.SHF_EXECINSTR != 0 && !im.isMaps(i) && !im.isBTFMaps(i) && !im.isData(i)
}

func (im *image) isMaps(i int) bool {
	return elf.SectionType(im.secs[i].Type) == elf.SHT_PROGBITS && strings.HasPrefix(im.name[i], "maps")
}
func (im *image) isBTFMaps(i int) bool { return im.name[i] == ".maps" }
func (im *image) isData(i int) bool {
	n := im.name[i]
	return n == ".bss" || strings.HasPrefix(n, ".data") || strings.HasPrefix(n, ".rodata")
}

// relocations returns the relocations of section i, nil for none.
func (im *image) relocations(i int) *relSection {
	for k := range im.rels {
		if im.rels[k].target == i {
			return &im.rels[k]
		}
	}
	return nil
}

// symbolAt returns the named symbol of a section at an offset, 0 for none.
func (im *image) symbolAt(sec int, off uint64) int {
	for j := range im.syms {
		s := &im.syms[j]
		t := elf.ST_TYPE(s.Info)
		if int(s.Shndx) == sec && s.Value == off && im.symName[j] != "" && t != elf.STT_SECTION && t != elf.STT_FILE {
			return j
		}
	}
	return 0
}

// addSymbol appends a symbol; relocations refer by index, so none moves.
func (im *image) addSymbol(name string, bind elf.SymBind, typ elf.SymType, sec int, value, size uint64) int {
	im.grown = true
	im.syms = append(im.syms, elf.Sym64{
		Name: uint32(len(im.strtab)), Info: elf.ST_INFO(bind, typ), Shndx: uint16(sec), Value: value, Size: size,
	})
	im.symName = append(im.symName, name)
	im.strtab = append(append(im.strtab, name...), 0)
	return len(im.syms) - 1
}

// bytes puts the file together again: changed tables go to its end.
func (im *image) bytes() []byte {
	if im.grown {
		var tab bytes.Buffer
		_ = binary.Write(&tab, le, im.syms) // a bytes.Buffer takes everything
		im.setData(im.symtab, tab.Bytes())
		im.setData(int(im.secs[im.symtab].Link), im.strtab)
		im.grown = false
	}
	for _, r := range im.rels {
		var tab bytes.Buffer
		_ = binary.Write(&tab, le, r.rels)
		copy(im.b[im.secs[r.sec].Off:], tab.Bytes()) // never longer than it was
	}
	var tab bytes.Buffer
	_ = binary.Write(&tab, le, im.secs)
	if shnum := int(le.Uint16(im.b[60:])); len(im.secs) > shnum {
		for len(im.b)%8 != 0 {
			im.b = append(im.b, 0)
		}
		le.PutUint64(im.b[40:], uint64(len(im.b))) // e_shoff
		le.PutUint16(im.b[60:], uint16(len(im.secs)))
		im.b = append(im.b, tab.Bytes()...)
	} else {
		copy(im.b[le.Uint64(im.b[40:]):], tab.Bytes())
	}
	return im.b
}

// addSection appends an empty section of zeroes.
func (im *image) addSection(name string) int {
	strndx := int(le.Uint16(im.b[62:])) // e_shstrndx
	names, err := im.data(strndx)
	if err != nil {
		return 0
	}
	at := uint32(len(names))
	if strndx == int(im.secs[im.symtab].Link) { // one table for both names
		at = uint32(len(im.strtab))
		im.strtab = append(append(im.strtab, name...), 0)
		im.grown = true
	} else {
		im.setData(strndx, append(append(bytes.Clone(names), name...), 0))
	}
	im.secs = append(im.secs, elf.Section64{
		Name: at, Type: uint32(elf.SHT_NOBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_WRITE), Addralign: 8,
	})
	im.name = append(im.name, name)
	return len(im.secs) - 1
}

// setData gives section i new contents at the end of the file.
func (im *image) setData(i int, d []byte) {
	for len(im.b)%8 != 0 {
		im.b = append(im.b, 0)
	}
	im.secs[i].Off, im.secs[i].Size = uint64(len(im.b)), uint64(len(d))
	im.b = append(im.b, d...)
}

// symbolsOf returns the indexes of the named symbols in a section by offset.
func (im *image) symbolsOf(sec int, keep func(j int) bool) []int {
	var out []int
	for j := range im.syms {
		t := elf.ST_TYPE(im.syms[j].Info)
		if int(im.syms[j].Shndx) == sec && im.symName[j] != "" && t != elf.STT_SECTION && t != elf.STT_FILE && keep(j) {
			out = append(out, j)
		}
	}
	sort.SliceStable(out, func(a, b int) bool { return im.syms[out[a]].Value < im.syms[out[b]].Value })
	return out
}

func cstring(b []byte, off uint64) string {
	if off >= uint64(len(b)) {
		return ""
	}
	b = b[off:]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
