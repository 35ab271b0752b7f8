package kernelcheck

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"jitnic/host/ebpf"
	"jitnic/host/loader"

	cilium "github.com/cilium/ebpf"
)

// errNoObject means that a program has what no compiler's object of this form
// has: the address of a value of a map that is also looked up in.
var errNoObject = errors.New("not for an object file")

// writeObject makes an ELF file of a linked object, as clang before BTF wrote
// them: a section for each program with its functions, legacy map definitions,
// relocations by symbol.
func writeObject(obj *loader.Object) ([]byte, error) {
	w := &elfWriter{}
	w.section("", elf.SHT_NULL, 0, nil)
	strtab := w.section(".strtab", elf.SHT_STRTAB, 0, nil)
	w.symbol("", 0, 0, 0, 0)
	symtab := w.section(".symtab", elf.SHT_SYMTAB, 0, nil)

	looked, valued := mapUses(obj)
	mapSym, mapsSec := map[int]int{}, 0
	for i, s := range obj.Maps {
		global := elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT)
		switch {
		case s.Type == cilium.ArrayOfMaps || s.Type == cilium.HashOfMaps || looked[i] && valued[i]:
			return nil, fmt.Errorf("map %q: %w", s.Name, errNoObject)
		case valued[i]: // a global variable
			sec := w.section(".data."+s.Name, elf.SHT_PROGBITS, elf.SHF_ALLOC|elf.SHF_WRITE, make([]byte, s.ValueSize))
			for _, e := range s.Contents {
				copy(w.secs[sec].data, e.Value)
			}
			mapSym[i] = w.symbol(s.Name, global, sec, 0, uint64(s.ValueSize))
		default:
			if mapsSec == 0 {
				mapsSec = w.section("maps", elf.SHT_PROGBITS, elf.SHF_ALLOC|elf.SHF_WRITE, nil)
			}
			defs := w.secs[mapsSec].data
			mapSym[i] = w.symbol(s.Name, global, mapsSec, uint64(len(defs)), 20)
			for _, v := range []uint32{uint32(s.Type), s.KeySize, s.ValueSize, s.Max, s.Flags} {
				defs = binary.LittleEndian.AppendUint32(defs, v)
			}
			w.secs[mapsSec].data = defs
		}
	}
	license := w.section("license", elf.SHT_PROGBITS, elf.SHF_ALLOC|elf.SHF_WRITE, []byte("GPL\x00"))
	w.symbol("_license", elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT), license, 0, 4)

	for n, p := range obj.Programs {
		name := "xdp"
		if n > 0 {
			name = fmt.Sprintf("xdp_%d", n)
		}
		code := append([]ebpf.Insn(nil), p.Insns...)
		sec := w.section(name, elf.SHT_PROGBITS, elf.SHF_ALLOC|elf.SHF_EXECINSTR, nil)
		funcSym := map[int]int{}
		for k, f := range p.Funcs {
			fn := p.Name
			if k > 0 {
				fn = fmt.Sprintf("%s_f%d", p.Name, k)
			}
			funcSym[f.Start] = w.symbol(fn, elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), sec, uint64(8*f.Start), uint64(8*(f.End-f.Start)))
		}
		var rel []byte
		relocate := func(pc, sym int, typ uint32) {
			rel = binary.LittleEndian.AppendUint64(rel, uint64(8*pc))
			rel = binary.LittleEndian.AppendUint64(rel, elf.R_INFO(uint32(sym), typ))
		}
		const r64, r32 = 1, 10 // R_BPF_64_64, R_BPF_64_32
		for pc := 0; pc < len(code); pc++ {
			in := &code[pc]
			switch {
			case in.IsWide() && in.Src == ebpf.PseudoMapFD:
				relocate(pc, mapSym[int(in.Imm)], r64)
				in.Src, in.Imm = 0, 0
			case in.IsWide() && in.Src == ebpf.PseudoMapValue: // the offset is what is added
				relocate(pc, mapSym[int(in.Imm)], r64)
				in.Src, in.Imm = 0, code[pc+1].Imm
				code[pc+1].Imm = 0
			case in.IsWide() && in.Src == ebpf.PseudoFunc:
				to, _ := ebpf.Callee(code, pc)
				relocate(pc, funcSym[to], r64)
				in.Imm = 0
			case in.Op == ebpf.OpCall && in.Src == ebpf.CallLocal:
				to, _ := ebpf.Callee(code, pc)
				relocate(pc, funcSym[to], r32)
				in.Imm = -1
			}
			if in.IsWide() {
				pc++
			}
		}
		w.secs[sec].data = ebpf.Encode(code)
		if rel != nil {
			r := w.section(".rel"+name, elf.SHT_REL, 0, rel)
			w.secs[r].link, w.secs[r].info, w.secs[r].entsize = uint32(symtab), uint32(sec), 16
		}
	}
	return w.bytes(strtab, symtab), nil
}

// mapUses says which maps are named, and which have a value addressed.
func mapUses(obj *loader.Object) (looked, valued map[int]bool) {
	looked, valued = map[int]bool{}, map[int]bool{}
	for _, p := range obj.Programs {
		for pc := 0; pc < len(p.Insns); pc++ {
			in := p.Insns[pc]
			if !in.IsWide() {
				continue
			}
			switch in.Src {
			case ebpf.PseudoMapFD:
				looked[int(in.Imm)] = true
			case ebpf.PseudoMapValue:
				valued[int(in.Imm)] = true
			}
			pc++
		}
	}
	return looked, valued
}

type elfSection struct {
	name       string
	typ        elf.SectionType
	flags      elf.SectionFlag
	data       []byte
	link, info uint32
	entsize    uint64
}

type elfWriter struct {
	secs []elfSection
	strs bytes.Buffer
	syms bytes.Buffer
	n    int
}

func (w *elfWriter) section(name string, typ elf.SectionType, flags elf.SectionFlag, data []byte) int {
	w.secs = append(w.secs, elfSection{name: name, typ: typ, flags: flags, data: data})
	return len(w.secs) - 1
}

func (w *elfWriter) str(s string) uint32 {
	if w.strs.Len() == 0 {
		w.strs.WriteByte(0)
	}
	if s == "" {
		return 0
	}
	at := w.strs.Len()
	w.strs.WriteString(s + "\x00")
	return uint32(at)
}

func (w *elfWriter) symbol(name string, info uint8, sec int, value, size uint64) int {
	binary.Write(&w.syms, binary.LittleEndian, elf.Sym64{Name: w.str(name), Info: info, Shndx: uint16(sec), Value: value, Size: size})
	w.n++
	return w.n - 1
}

func (w *elfWriter) bytes(strtab, symtab int) []byte {
	names := make([]uint32, len(w.secs))
	for i := range w.secs {
		names[i] = w.str(w.secs[i].name)
	}
	w.secs[strtab].data = w.strs.Bytes()
	w.secs[symtab].data = w.syms.Bytes()
	w.secs[symtab].link, w.secs[symtab].info, w.secs[symtab].entsize = uint32(strtab), 1, elf.Sym64Size
	out := make([]byte, 64)
	var heads bytes.Buffer
	for i, s := range w.secs {
		for len(out)%8 != 0 {
			out = append(out, 0)
		}
		h := elf.Section64{Name: names[i], Type: uint32(s.typ), Flags: uint64(s.flags), Off: uint64(len(out)), Size: uint64(len(s.data)),
			Link: s.link, Info: s.info, Addralign: 8, Entsize: s.entsize}
		if s.typ == elf.SHT_NULL {
			h = elf.Section64{}
		}
		binary.Write(&heads, binary.LittleEndian, h)
		out = append(out, s.data...)
	}
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	at := len(out)
	out = append(out, heads.Bytes()...)
	var head bytes.Buffer
	binary.Write(&head, binary.LittleEndian, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1}, Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_BPF),
		Version: 1, Shoff: uint64(at), Ehsize: 64, Shentsize: 64, Shnum: uint16(len(w.secs)), Shstrndx: uint16(strtab),
	})
	copy(out, head.Bytes())
	return out
}
