package loader

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"

	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// linkMaps turns the map definitions of the object into specs, in the order
// of the file, data sections and kernel configuration last.
func (l *linker) linkMaps() error {
	l.foreign = l.foreignMaps()
	names := make([]string, 0, len(l.spec.Maps))
	for n := range l.spec.Maps {
		if _, no := l.foreign[n]; !no {
			names = append(names, n)
		}
	}
	pos := l.mapPlaces()
	sort.Slice(names, func(a, b int) bool {
		x, y := pos[names[a]], pos[names[b]]
		xd, yd := x.off == ^uint64(0), y.off == ^uint64(0)
		switch {
		case xd != yd:
			return yd
		case x.sec != y.sec:
			return x.sec < y.sec
		case x.off != y.off:
			return x.off < y.off
		}
		return names[a] < names[b]
	})
	l.mapIndex = map[string]int{}
	l.elfID = map[uint32]int{}
	tails := make([]tail, len(names))
	for i, n := range names {
		ms := l.spec.Maps[n]
		s, err := l.mapSpec(n, ms)
		if err != nil {
			return fmt.Errorf("map %q: %w", n, err)
		}
		l.mapIndex[n] = i
		l.obj.Maps = append(l.obj.Maps, s)
		tails[i] = readTail(ms)
		if tails[i].id != 0 {
			l.elfID[tails[i].id] = i
		}
	}
	l.linkOldInner(names, pos, tails)
	if err := l.linkInner(); err != nil {
		return err
	}
	return l.linkKconfig()
}

// foreignMaps are those of types that no XDP program can use here (sockets,
// cgroups, stack traces), in an object that has XDP programs: they are there
// for its other programs, and must not keep the XDP ones from running. Of an
// object without, all maps are kept.
func (l *linker) foreignMaps() map[string]cilium.MapType {
	xdp := false
	for _, p := range l.spec.Programs {
		xdp = xdp || p.Type == cilium.XDP || p.Type == cilium.UnspecifiedProgram
	}
	if !xdp {
		return nil
	}
	out := map[string]cilium.MapType{}
	for n, m := range l.spec.Maps {
		if !slices.Contains(maps.Types(), m.Type) {
			out[n] = m.Type
		}
	}
	return out
}

// mapPlaces says where each map stands in the file.
func (l *linker) mapPlaces() map[string]place {
	pos := map[string]place{}
	for i, n := range l.im.name {
		if l.im.isData(i) {
			pos[n] = place{i, ^uint64(0)}
		}
	}
	for j, s := range l.im.syms {
		if sec := int(s.Shndx); sec < len(l.im.secs) && (l.im.isMaps(sec) || l.im.isBTFMaps(sec)) {
			pos[l.im.symName[j]] = place{sec, s.Value}
		}
	}
	return pos
}

// mapSpec translates one definition, filling in what the kernel insists on
// and old objects left to their loaders.
func (l *linker) mapSpec(name string, ms *cilium.MapSpec) (*maps.Spec, error) {
	s := &maps.Spec{
		Name: name, Type: ms.Type, KeySize: ms.KeySize, ValueSize: ms.ValueSize, Max: ms.MaxEntries,
		Flags: ms.Flags, Extra: ms.MapExtra, Key: ms.Key, Value: ms.Value,
	}
	if ms.Type != cilium.BloomFilter && ms.Type != cilium.Arena {
		s.Extra = 0 // a NUMA node (see renameNUMA)
	}
	if _, void := ms.Key.(*btf.Void); void {
		s.Key = nil // of a data section
	}
	switch ms.Type {
	case cilium.LPMTrie:
		s.Flags |= unix.BPF_F_NO_PREALLOC
	case cilium.ArrayOfMaps, cilium.HashOfMaps, cilium.ProgramArray:
		s.ValueSize = 4
	case cilium.PerfEventArray:
		s.KeySize, s.ValueSize = 4, 4
		if s.Max == 0 {
			s.Max = maxCPUs
		}
	case cilium.CPUMap:
		if s.Max == 0 {
			s.Max = maxCPUs
		}
	}
	if s.Max == 0 && sizedByUser[s.Type] {
		s.Max = maxCPUs
	}
	if s.Key == nil && s.Value == nil {
		s.Key, s.Value = l.annotatedTypes(name, s)
	}
	if ms.InnerMap != nil {
		inner, err := l.mapSpec(name+".inner", ms.InnerMap)
		if err != nil {
			return nil, err
		}
		s.Inner = inner
	}
	s.ReadOnly = strings.HasPrefix(name, ".rodata")
	for _, kv := range ms.Contents {
		e, err := entry(kv)
		if err != nil {
			return nil, err
		}
		s.Contents = append(s.Contents, e)
	}
	return s, nil
}

// maxCPUs is the size given to tables that an object leaves open for user space
// to set, which are nearly always tables of CPUs or interfaces: more than a
// replay will ask for, and the kernel cuts tables of CPUs to its own.
const maxCPUs = 64

// sizedByUser are the types that can't do with no entries.
var sizedByUser = map[cilium.MapType]bool{
	cilium.Array: true, cilium.PerCPUArray: true, cilium.Hash: true, cilium.PerCPUHash: true, cilium.LRUHash: true,
	cilium.LRUCPUHash: true, cilium.LPMTrie: true, cilium.ProgramArray: true, cilium.DevMap: true,
	cilium.DevMapHash: true, cilium.XSKMap: true, cilium.ArrayOfMaps: true, cilium.HashOfMaps: true,
	cilium.Queue: true, cilium.Stack: true,
}

// annotatedTypes finds the key and value types that BPF_ANNOTATE_KV_PAIR of
// the first BTF compilers left behind: struct ____btf_map_NAME.
func (l *linker) annotatedTypes(name string, s *maps.Spec) (key, value btf.Type) {
	var st *btf.Struct
	if l.spec.Types == nil || l.spec.Types.TypeByName("____btf_map_"+name, &st) != nil || len(st.Members) != 2 {
		return nil, nil
	}
	key, value = st.Members[0].Type, st.Members[1].Type
	if n, err := btf.Sizeof(key); err != nil || uint32(n) != s.KeySize {
		return nil, nil
	}
	if n, err := btf.Sizeof(value); err != nil || uint32(n) != s.ValueSize {
		return nil, nil
	}
	return key, value
}

func entry(kv cilium.MapKV) (maps.Entry, error) {
	var e maps.Entry
	switch k := kv.Key.(type) {
	case uint32:
		e.Key = binary.LittleEndian.AppendUint32(nil, k)
	case []byte:
		e.Key = k
	default:
		return e, fmt.Errorf("contents: key of type %T", kv.Key)
	}
	switch v := kv.Value.(type) {
	case []byte:
		e.Value = v
	case string:
		e.Name = v
	default:
		return e, fmt.Errorf("contents: value of type %T", kv.Value)
	}
	return e, nil
}

// tail is what old loaders read behind the five fields of a map definition:
// iproute2's struct bpf_elf_map (id, pinning, inner_id, inner_idx) and the
// kernel samples' struct bpf_map_def (inner_map_idx, numa_node).
type tail struct {
	id, innerID uint32
	innerIdx    int32 // where this map goes in the outer map that has it as template
	sample      int32 // inner_map_idx: its template, counted in the section
}

func readTail(ms *cilium.MapSpec) tail {
	t := tail{innerIdx: -1, sample: -1}
	if ms.Extra == nil {
		return t
	}
	b, _ := io.ReadAll(io.NewSectionReader(ms.Extra, 0, 1<<10)) // of bytes in memory
	word := func(i int) uint32 {
		if len(b) < 4*i+4 {
			return 0
		}
		return binary.LittleEndian.Uint32(b[4*i:])
	}
	switch len(b) {
	case 16: // id, pinning, inner_id, inner_idx
		t.id, t.innerID, t.innerIdx = word(0), word(2), int32(word(3))
	case 8:
		if maps.IsOfMaps(ms.Type) {
			t.sample = int32(word(0))
		} else {
			t.id = word(0) // id, pinning
		}
	case 4:
		t.id = word(0)
	}
	return t
}

// linkOldInner gives outer maps of old definitions their template and entries
// (iproute2 lib/bpf_legacy.c; samples/bpf/bpf_load.c).
func (l *linker) linkOldInner(names []string, pos map[string]place, tails []tail) {
	for i, t := range tails {
		outer := l.obj.Maps[i]
		if !maps.IsOfMaps(outer.Type) || outer.Inner != nil {
			continue
		}
		if t.sample >= 0 {
			n := int32(0)
			for j := range names { // in file order
				if pos[names[j]].sec != pos[names[i]].sec {
					continue
				}
				if n == t.sample {
					outer.Inner = l.obj.Maps[j]
				}
				n++
			}
			continue
		}
		inner, ok := l.elfID[t.innerID]
		if t.innerID == 0 || !ok {
			continue
		}
		outer.Inner = l.obj.Maps[inner]
		if idx := tails[inner].innerIdx; idx >= 0 && outer.KeySize == 4 {
			outer.Contents = append(outer.Contents, maps.Entry{
				Key: binary.LittleEndian.AppendUint32(nil, uint32(idx)), Name: names[inner],
			})
		}
	}
}

// fillTailCalls puts programs of sections "ID/KEY" into the program array of
// that id, as iproute2 does.
func (l *linker) fillTailCalls() {
	for _, p := range l.obj.Programs {
		id, key, ok := tailSection(p.Section)
		if !ok {
			continue
		}
		m, ok := l.elfID[id]
		if !ok || l.obj.Maps[m].Type != cilium.ProgramArray {
			continue
		}
		l.obj.Maps[m].Contents = append(l.obj.Maps[m].Contents, maps.Entry{
			Key: binary.LittleEndian.AppendUint32(nil, key), Name: p.Name,
		})
	}
}

// tailSection takes "2/0x10" apart: map id and key.
func tailSection(sec string) (id, key uint32, ok bool) {
	a, b, found := strings.Cut(sec, "/")
	x, err1 := strconv.ParseUint(a, 0, 32)
	y, err2 := strconv.ParseUint(b, 0, 32)
	return uint32(x), uint32(y), found && err1 == nil && err2 == nil
}
