package text

import (
	"fmt"
	"strconv"
	"strings"

	"jitnic/host/maps"
	"jitnic/host/mem"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"

	cebpf "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// keyChunks are the widths, in bits, of the terms a key of n bytes is made of.
func keyChunks(n int) []int {
	var out []int
	for i := 0; i < n; i += 8 {
		out = append(out, 8*min(8, n-i))
	}
	return out
}

// isIndexed says whether the map's keys are numbers in the machine's order.
func isIndexed(spec *maps.Spec) bool {
	switch spec.Type {
	case cebpf.Array, cebpf.PerCPUArray, cebpf.ProgramArray, cebpf.DevMap, cebpf.CPUMap, cebpf.XSKMap,
		cebpf.PerfEventArray, cebpf.ArrayOfMaps, cebpf.DevMapHash:
		return spec.KeySize == 4
	}
	return false
}

// elementOf takes an address apart: the element of map m that it lies in, by
// the term of the element's address, its key, and the offset in the value.
func (c words) elementOf(addr bv.Term) (m int, elem bv.Term, key []bv.Term, off uint64, ok bool) {
	b := c.B
	base, k := b.SplitAdd(addr)
	if base != 0 && b.Op(base) == bv.OpFun {
		if id, arg := pathcond.FunParts(b.K(base)); id == pathcond.FunLookup && arg < len(c.S.Maps) {
			return arg, base, b.Args(base), k, true
		}
	}
	r := c.S.Mem.Find(k, 1)
	if r == nil || r.Kind != mem.KindMap || r.Owner < 0 || r.Owner >= len(c.S.Maps) {
		return 0, 0, nil, 0, false
	}
	m = r.Owner
	spec := c.S.Maps[m].Spec()
	if (spec.Type != cebpf.Array && spec.Type != cebpf.PerCPUArray) || spec.KeySize != 4 {
		return 0, 0, nil, 0, false
	}
	var zero [4]byte
	first := c.S.Maps[m].Peek(zero[:], 0)
	stride := uint64(maps.ValueStride(spec))
	if first == 0 || k < first || stride == 0 {
		return 0, 0, nil, 0, false
	}
	var idx bv.Term
	if base == 0 {
		idx = b.Const((k-first)/stride, 32)
		off = (k - first) % stride
	} else {
		idx = base
		if args := b.Args(base); b.Op(base) == bv.OpMul || b.Op(base) == bv.OpShl {
			if _, ok := b.IsConst(args[1]); ok {
				idx = args[0]
			}
		}
		idx = b.Extract(idx, 0, 32)
		off = k - first
	}
	elem = c.Element(m, []bv.Term{idx})
	if off >= uint64(spec.ValueSize) || c.at2(elem, off) != addr {
		return 0, 0, nil, 0, false
	}
	return m, elem, []bv.Term{idx}, off, true
}

// insideOf takes an address base + k apart as a variable offset in a value: of
// an array's constant element, or of an entry that was looked up.
func (c words) insideOf(base bv.Term, k uint64) (m int, elem bv.Term, key []bv.Term, off bv.Term, ok bool) {
	b := c.B
	if base == 0 {
		return 0, 0, nil, 0, false
	}
	if b.Op(base) == bv.OpAdd {
		for i, a := range b.Args(base) {
			if b.Op(a) != bv.OpFun {
				continue
			}
			if id, arg := pathcond.FunParts(b.K(a)); id == pathcond.FunLookup && arg < len(c.S.Maps) && k <= uint64(c.S.Maps[arg].Spec().ValueSize) {
				return arg, a, b.Args(a), c.at(b.Args(base)[1-i], k), true
			}
		}
	}
	m, elem, key, at, ok := c.elementOf(b.Const(k, 64))
	if !ok {
		return 0, 0, nil, 0, false
	}
	return m, elem, key, c.at(base, at), true
}

// at2 is the address off bytes behind another.
func (c words) at2(addr bv.Term, off uint64) bv.Term {
	return c.B.Bin(bv.OpAdd, addr, c.B.Const(off, 64))
}

// mapName is the name of a map in text: its own, or @index where another map
// has it already.
func (c words) mapName(i int) string {
	name := c.S.Maps[i].Spec().Name
	ok := name != ""
	for _, r := range name {
		ok = ok && (r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	}
	for j := 0; j < i && ok; j++ {
		ok = c.S.Maps[j].Spec().Name != name
	}
	if ok {
		return name
	}
	return fmt.Sprintf("@%d", i)
}

// mapNamed is the inverse of mapName.
func (c words) mapNamed(name string) (int, bool) {
	if strings.HasPrefix(name, "@") {
		n, err := strconv.Atoi(name[1:])
		return n, err == nil && n >= 0 && n < len(c.S.Maps)
	}
	for i, m := range c.S.Maps {
		if m.Spec().Name == name {
			return i, name != ""
		}
	}
	return 0, false
}

// memberAt names the member of a struct of exactly size bytes at off: a path of
// names with dots.
func memberAt(root btf.Type, off, size uint64) (string, bool) {
	var path []string
	t, rest := root, off
	for range 16 {
		var next btf.Type
		for _, m := range membersOf(t) {
			at := uint64(m.Offset.Bytes())
			n, err := btf.Sizeof(m.Type)
			if err == nil && m.BitfieldSize == 0 && m.Name != "" && rest >= at && rest+size <= at+uint64(n) {
				path = append(path, m.Name)
				next, rest = m.Type, rest-at
				break
			}
		}
		if next == nil {
			break
		}
		t = next
	}
	// The walk may have stopped at an array, or taken one member of a union.
	name := strings.Join(path, ".")
	o, n, ok := memberNamed(root, name)
	return name, ok && o == off && n == size
}

// memberNamed is the inverse: offset and size of a member.
func memberNamed(t btf.Type, name string) (off, size uint64, ok bool) {
	for _, part := range strings.Split(name, ".") {
		found := false
		for _, m := range membersOf(t) {
			if m.Name == part && m.BitfieldSize == 0 && part != "" {
				off += uint64(m.Offset.Bytes())
				t, found = m.Type, true
				break
			}
		}
		if !found {
			return 0, 0, false
		}
	}
	n, err := btf.Sizeof(t)
	return off, uint64(n), err == nil && len(membersOf(t)) == 0
}

func membersOf(t btf.Type) []btf.Member {
	if t == nil {
		return nil
	}
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}
