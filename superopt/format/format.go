package format

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	cebpf "github.com/cilium/ebpf"

	"jitnic/host/ebpf"
	"jitnic/host/maps"
	"jitnic/superopt"
)

// File is one program read from text or from an image.
type File struct {
	Name      string
	Kind      superopt.Kind
	Slots     []ebpf.Insn
	Maps      []*maps.Spec
	FDs       []int // of each map, the number the file uses
	MaxPacket int   // bytes, 0 unknown; a hint for tests, never a fact
	form      string
	lines     []line // text forms: one for each line of the file
	// plainMap[slot]: the file loads this map with source 0, as K2's images do.
	plainMap map[int]bool
	byIndex  bool // map loads name the map's place in .maps, not its fd
	crlf     bool
	noEOL    bool
	// path and the texts beside it are how the file is read again.
	path              string
	mapText, descText []byte
}

// line is one line of a text form.
type line struct {
	text          string // as it was
	slot          int    // -1: no instruction (comment, blank)
	n             int    // slots
	before, after string // text before and after the instruction itself
}

// Read reads a .k2, .bpf or .insns file; the form follows the name.
func Read(path string) (*File, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(path, filepath.Ext(path))
	var mapText, descText []byte
	if b, err := os.ReadFile(base + ".maps"); err == nil {
		mapText = b
	}
	if b, err := os.ReadFile(base + ".desc"); err == nil {
		descText = b
	}
	return Parse(path, raw, mapText, descText)
}

// Parse is Read on bytes; mapText and descText may be nil.
func Parse(path string, raw, mapText, descText []byte) (*File, error) {
	f := &File{Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), plainMap: map[int]bool{}, path: path, mapText: mapText, descText: descText}
	f.form = strings.TrimPrefix(filepath.Ext(path), ".")
	f.Kind = superopt.KindConst
	if mapText != nil {
		if err := f.parseMaps(mapText); err != nil {
			return nil, fmt.Errorf("%s.maps: %w", f.Name, err)
		}
	}
	if descText != nil {
		if err := f.parseDesc(descText); err != nil {
			return nil, fmt.Errorf("%s.desc: %w", f.Name, err)
		}
	}
	var err error
	switch f.form {
	case "insns", "ins":
		f.Slots, err = ebpf.Decode(raw)
	case "k2", "k2_inst":
		err = f.parseText(raw, parseK2Line)
	case "bpf", "bpf_insn":
		err = f.parseText(raw, parseMacroLine)
	default:
		return nil, fmt.Errorf("%s: not a .k2, .bpf or .insns file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if err := f.linkMaps(mapText != nil); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if descText == nil {
		f.Kind = guessKind(f.Slots)
	}
	if f.Kind == superopt.KindTracing && ofSocketBuffer(f.Slots) {
		f.Kind = superopt.KindSKB
	}
	return f, nil
}

// guessKind: without a description r1 is a flat context if anything is read
// through it, else a number.
func guessKind(in []ebpf.Insn) superopt.Kind {
	for _, i := range in {
		if i.IsLoad() && i.Src == 1 {
			return superopt.KindTracing
		}
		if i.Class() == ebpf.ClassALU64 && i.ALUOp() == ebpf.ALUMov && i.Op&ebpf.SrcX != 0 && i.Src == 1 {
			return superopt.KindTracing
		}
	}
	return superopt.KindConst
}

// ofSocketBuffer says whether a program whose context is said to be flat (K2
// has no other word for it) surely is one over a socket buffer: it loads from
// the packet with LD_ABS or LD_IND, or writes the control block and otherwise
// only what such a program may (bpf_skb_is_valid_access and
// tc_cls_act_is_valid_access, net/core/filter.c). The verifier lets it write
// the control block in wider pieces.
func ofSocketBuffer(in []ebpf.Insn) bool {
	ctx := uint16(1 << 1) // registers with the context, in the order of the text
	block := false
	for i := 0; i < len(in); i++ {
		x := in[i]
		if x.Class() == ebpf.ClassLD && !x.IsWide() {
			return true
		}
		base := x.Src
		if !x.IsLoad() {
			base = x.Dst
		}
		switch x.Class() {
		case ebpf.ClassLDX:
			if ctx>>base&1 != 0 && (x.Off < 0 || x.Off >= 192 || x.Size() == 8) {
				return false
			}
			ctx &^= 1 << x.Dst
		case ebpf.ClassST, ebpf.ClassSTX:
			if ctx>>base&1 == 0 {
				break
			}
			switch {
			case x.Off >= 48 && int(x.Off)+x.Size() <= 68 && x.Size() >= 4:
				block = true
			case x.Size() == 4 && (x.Off == 8 || x.Off == 32 || x.Off == 44 || x.Off == 72):
			default:
				return false
			}
		case ebpf.ClassALU, ebpf.ClassALU64:
			if x.Op == ebpf.ClassALU64|ebpf.ALUMov|ebpf.SrcX && ctx>>x.Src&1 != 0 && x.Off == 0 {
				ctx |= 1 << x.Dst
			} else {
				ctx &^= 1 << x.Dst
			}
		case ebpf.ClassJMP:
			if x.Op == ebpf.OpCall {
				ctx &^= 0x3f
			}
		}
		if x.IsWide() {
			ctx &^= 1 << x.Dst
			i++
		}
	}
	return block
}

// Prog turns the file into the optimiser's form.
func (f *File) Prog() (*superopt.Prog, error) {
	return superopt.FromSlots(f.Name, f.Kind, f.Slots, f.Maps)
}

// parseMaps reads "name { type = N, key_size = N, value_size = N, max_entries = N, fd = N }" lines.
func (f *File) parseMaps(text []byte) error {
	for n, l := range strings.Split(string(text), "\n") {
		l = strings.TrimSpace(l)
		if l == "" {
			continue
		}
		name, attrs, err := braces(l)
		if err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		s := &maps.Spec{Name: name, Type: cebpf.Hash}
		fd := len(f.Maps)
		for k, v := range attrs {
			switch k {
			case "type":
				s.Type = cebpf.MapType(v)
			case "key_size":
				s.KeySize = uint32(v)
			case "value_size":
				s.ValueSize = uint32(v)
			case "max_entries":
				s.Max = uint32(v)
			case "map_flags", "flags":
				s.Flags = uint32(v)
			case "fd":
				fd = int(v)
			}
		}
		if s.KeySize > 512 || s.ValueSize > 1<<20 || v0(attrs, "key_size") < 0 {
			return fmt.Errorf("line %d: map %q: key of %d, value of %d bytes", n+1, name, s.KeySize, s.ValueSize)
		}
		f.Maps = append(f.Maps, s)
		f.FDs = append(f.FDs, fd)
	}
	return nil
}

func v0(m map[string]int64, k string) int64 { return m[k] }

// parseDesc reads "{ pgm_input_type = N, }" and "{ max_pkt_sz = B, }".
func (f *File) parseDesc(text []byte) error {
	for n, l := range strings.Split(string(text), "\n") {
		l = strings.TrimSpace(l)
		if l == "" {
			continue
		}
		_, attrs, err := braces(l)
		if err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		if t, ok := attrs["pgm_input_type"]; ok {
			kinds := []superopt.Kind{superopt.KindConst, superopt.KindTracing, superopt.KindXDP, superopt.KindSKB}
			if t < 0 || int(t) >= len(kinds) {
				return fmt.Errorf("line %d: pgm_input_type %d: 0 to 3 are known", n+1, t)
			}
			f.Kind = kinds[t]
		}
		if b, ok := attrs["max_pkt_sz"]; ok {
			f.MaxPacket = int(b)
		}
	}
	return nil
}

// braces reads "name { attribute = number, … }". Many of K2's own .maps files
// lack the closing brace.
func braces(l string) (string, map[string]int64, error) {
	o, c := strings.IndexByte(l, '{'), strings.LastIndexByte(l, '}')
	if c < 0 {
		c = len(l)
	}
	if o < 0 || c < o {
		return "", nil, fmt.Errorf("%q: no { … }", l)
	}
	attrs := map[string]int64{}
	for _, a := range strings.Split(l[o+1:c], ",") {
		a = strings.TrimSpace(a)
		if a == "" {
			continue
		}
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			return "", nil, fmt.Errorf("%q: not name = number", a)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(v), 0, 64)
		if err != nil {
			return "", nil, fmt.Errorf("%q: %q is no number", a, strings.TrimSpace(v))
		}
		attrs[strings.TrimSpace(k)] = n
	}
	return strings.TrimSpace(l[:o]), attrs, nil
}

// mapArg: helpers whose r1 (or r2) is a map.
var mapArg = map[int32]uint8{1: 1, 2: 1, 3: 1, 12: 2, 25: 2, 51: 1, 87: 1, 88: 1, 89: 1, 195: 1}

// linkMaps turns file descriptors into map indexes. K2's images load maps with
// source 0 as well; such a load is one if its register is a helper's map.
func (f *File) linkMaps(known bool) error {
	for i := 0; i+1 < len(f.Slots); i++ {
		in := &f.Slots[i]
		if in.Op != ebpf.OpLDDW {
			continue
		}
		hi := f.Slots[i+1].Imm
		isMap := in.Src == ebpf.PseudoMapFD
		if in.Src == 0 && hi == 0 && feedsMap(f.Slots, i) {
			isMap = true
			f.plainMap[i] = true
		}
		if isMap {
			idx := -1
			for k, fd := range f.FDs {
				if fd == int(in.Imm) {
					idx = k
				}
			}
			if idx < 0 && strings.HasPrefix(f.form, "k2") && known && in.Imm >= 0 && int(in.Imm) < len(f.FDs) {
				idx, f.byIndex = int(in.Imm), true // LDMAPID counts maps
			}
			if idx < 0 {
				if known {
					return fmt.Errorf("insn %d: map fd %d: not in the .maps file", i, in.Imm)
				}
				// Nothing is known of the map: lookups of it keep their order, keys are 8 bytes at most on the stack.
				idx = len(f.Maps)
				f.Maps = append(f.Maps, &maps.Spec{Name: fmt.Sprintf("map%d", in.Imm), Type: cebpf.LRUHash, KeySize: guessKey(f.Slots), ValueSize: 512, Max: 1})
				f.FDs = append(f.FDs, int(in.Imm))
			}
			in.Src, in.Imm = ebpf.PseudoMapFD, int32(idx)
		}
		i++
	}
	return nil
}

// guessKey: without a .maps file a key may reach from where r2 points up to
// the top of the frame; the farthest such place in the program bounds them all.
func guessKey(in []ebpf.Insn) uint32 {
	most := int32(0)
	for _, i := range in {
		if i.Op == ebpf.ClassALU64|ebpf.ALUAdd && (i.Dst == 2 || i.Dst == 3) && i.Imm < 0 && i.Imm >= -512 {
			most = max(most, -i.Imm)
		}
	}
	if most == 0 {
		return 512
	}
	return uint32(most)
}

func feedsMap(in []ebpf.Insn, at int) bool {
	r := in[at].Dst
	for i := at + 2; i < len(in); i++ {
		x := in[i]
		if x.Op == ebpf.OpCall && x.Src == ebpf.CallHelper {
			return mapArg[x.Imm] == r
		}
		switch x.Class() {
		case ebpf.ClassALU, ebpf.ClassALU64, ebpf.ClassLDX:
			if x.Dst == r {
				return false
			}
		case ebpf.ClassJMP, ebpf.ClassJMP32:
			if x.Op == ebpf.OpExit {
				return false
			}
		}
		if x.IsWide() {
			if x.Dst == r {
				return false
			}
			i++
		}
	}
	return false
}

// raw undoes linkMaps for one slot.
func (f *File) raw(in ebpf.Insn, from int) ebpf.Insn {
	if in.Op == ebpf.OpLDDW && in.Src == ebpf.PseudoMapFD {
		if !f.byIndex {
			in.Imm = int32(f.FDs[in.Imm])
		}
		if f.plainMap[from] {
			in.Src = 0
		}
	}
	return in
}

// Write prints new slots in the file's form. from[i] is the old slot that new
// slot i stands for, -1 for an invented one; it decides which comments stay.
func (f *File) Write(slots []ebpf.Insn, from []int) ([]byte, error) {
	if len(from) != len(slots) {
		return nil, fmt.Errorf("%s: %d slots, %d origins", f.Name, len(slots), len(from))
	}
	out, err := f.write(slots, from, len(f.plainMap) > 0)
	if err == nil && f.Check(out, slots) != nil && len(f.plainMap) > 0 {
		// A map load without its source is known by what it feeds: where that is no
		// longer to be seen, the source is written.
		out, err = f.write(slots, from, false)
	}
	if err != nil {
		return nil, err
	}
	if err := f.Check(out, slots); err != nil {
		return nil, fmt.Errorf("%s: internal error: what would be written is not the proved program: %w", f.Name, err)
	}
	return out, nil
}

// write prints the slots; plain is the file's habit of loading maps with
// source 0.
func (f *File) write(slots []ebpf.Insn, from []int, plain bool) ([]byte, error) {
	out := make([]ebpf.Insn, len(slots))
	for i, in := range slots {
		out[i] = f.raw(in, from[i])
		if in.IsWide() && in.Src == ebpf.PseudoMapFD {
			switch {
			case !plain:
				out[i].Src = ebpf.PseudoMapFD
			case from[i] < 0: // an invented load follows the habit
				out[i].Src = 0
			}
		}
	}
	switch f.form {
	case "insns", "ins":
		return ebpf.Encode(out), nil
	case "k2", "k2_inst":
		return f.writeText(out, from, k2Line)
	}
	return f.writeText(out, from, macroLine)
}

// Original gives what Write needs to print the file unchanged.
func (f *File) Original() ([]ebpf.Insn, []int) {
	from := make([]int, len(f.Slots))
	for i := range from {
		from[i] = i
	}
	return f.Slots, from
}

type lineParser func(text string) (before, after string, slots []ebpf.Insn, err error)

func (f *File) parseText(raw []byte, parse lineParser) error {
	text := string(raw)
	if strings.Contains(text, "\r\n") {
		f.crlf = true
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	f.noEOL = !strings.HasSuffix(text, "\n")
	text = strings.TrimSuffix(text, "\n")
	comment := false
	for n, l := range strings.Split(text, "\n") {
		if comment || strings.HasPrefix(strings.TrimSpace(l), "/*") && !strings.Contains(l, "*/") {
			comment = !strings.Contains(l, "*/")
			f.lines = append(f.lines, line{text: l, slot: -1})
			continue
		}
		before, after, slots, err := parse(l)
		if err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		ln := line{text: l, slot: -1, before: before, after: after, n: len(slots)}
		if len(slots) > 0 {
			ln.slot = len(f.Slots)
		}
		f.Slots = append(f.Slots, slots...)
		f.lines = append(f.lines, ln)
	}
	return nil
}

// writeText keeps every comment line; a line whose instruction went goes with
// its comment, a changed one keeps it.
func (f *File) writeText(slots []ebpf.Insn, from []int, print func(in, hi ebpf.Insn) (string, error)) ([]byte, error) {
	var b bytes.Buffer
	eol := "\n"
	if f.crlf {
		eol = "\r\n"
	}
	var out []string
	next := 0 // next line of the old text not yet dealt with
	flush := func(upto int) {
		for ; next < upto; next++ {
			if f.lines[next].slot < 0 {
				out = append(out, f.lines[next].text)
			}
		}
	}
	lineOf := map[int]int{}
	for i, l := range f.lines {
		if l.slot >= 0 {
			lineOf[l.slot] = i
		}
	}
	for i := 0; i < len(slots); i++ {
		in := slots[i]
		var hi ebpf.Insn
		n := 1
		if in.IsWide() && i+1 < len(slots) {
			hi = slots[i+1]
			n = 2
		}
		s, err := print(in, hi)
		if err != nil {
			return nil, fmt.Errorf("%s: insn %d: %w", f.Name, i, err)
		}
		ln, ok := lineOf[from[i]]
		if ok && from[i] >= 0 && ln >= next {
			flush(ln)
			next = ln + 1
			old := f.lines[ln]
			same := old.n == n && f.raw(f.Slots[old.slot], old.slot) == in
			if same && n == 2 {
				same = f.Slots[old.slot+1] == hi
			}
			if same {
				out = append(out, old.text)
			} else {
				out = append(out, old.before+s+old.after)
			}
		} else {
			pre, post := "", ""
			if f.form == "bpf" || f.form == "bpf_insn" {
				post = ","
			}
			if len(f.lines) > 0 {
				for _, l := range f.lines {
					if l.slot >= 0 {
						pre = l.before
						break
					}
				}
			}
			out = append(out, pre+s+post)
		}
		i += n - 1
	}
	flush(len(f.lines))
	b.WriteString(strings.Join(out, eol))
	if !f.noEOL {
		b.WriteString(eol)
	}
	return b.Bytes(), nil
}
