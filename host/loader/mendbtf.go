package loader

import "bytes"

// BTF kinds that mendKsyms must tell apart, with the bytes that follow the
// three-word header of a type (Documentation/bpf/btf.rst).
const (
	btfInt       = 1
	btfArray     = 3
	btfStruct    = 4
	btfUnion     = 5
	btfEnum      = 6
	btfFuncProto = 13
	btfVar       = 14
	btfDatasec   = 15
	btfDeclTag   = 17
	btfEnum64    = 19
)

// mendKsyms turns the kernel variables declared with a type (`extern const
// struct rq runqueues __ksym`) into ones without: cilium/ebpf takes no other,
// and what the type is matters only to the kernel's verifier.
func (im *image) mendKsyms() {
	for i, n := range im.name {
		if n != ".BTF" {
			continue
		}
		d, err := im.data(i)
		if err != nil || len(d) < 24 || le.Uint16(d) != 0xeb9f {
			return
		}
		hdr := uint64(le.Uint32(d[4:]))
		typeOff, typeLen := hdr+uint64(le.Uint32(d[8:])), uint64(le.Uint32(d[12:]))
		strOff, strLen := hdr+uint64(le.Uint32(d[16:])), uint64(le.Uint32(d[20:]))
		if typeOff+typeLen > uint64(len(d)) || strOff+strLen > uint64(len(d)) {
			return
		}
		im.ksyms = voidKsyms(d[typeOff:typeOff+typeLen], d[strOff:strOff+strLen])
	}
}

// voidKsyms takes the types away, and names the variables.
func voidKsyms(types, strs []byte) (names map[string]bool) {
	names = map[string]bool{}
	type variable struct {
		typ  []byte // its type field
		name string
	}
	vars := map[uint32]variable{} // by type id
	for id := uint32(1); len(types) >= 12; id++ {
		info := le.Uint32(types[4:])
		vlen, size := uint64(info&0xffff), uint64(12)
		switch info >> 24 & 0x1f {
		case btfInt, btfDeclTag:
			size += 4
		case btfVar:
			size += 4
			vars[id] = variable{types[8:12], cstring(strs, uint64(le.Uint32(types)))}
		case btfArray:
			size += 12
		case btfStruct, btfUnion, btfDatasec, btfEnum64:
			size += 12 * vlen
		case btfEnum, btfFuncProto:
			size += 8 * vlen
		}
		if size > uint64(len(types)) {
			return names
		}
		if info>>24&0x1f == btfDatasec && cstring(strs, uint64(le.Uint32(types))) == ".ksyms" {
			for v := types[12:size]; len(v) >= 12; v = v[12:] {
				if x, ok := vars[le.Uint32(v)]; ok {
					le.PutUint32(x.typ, 0)
					names[x.name] = true
				}
			}
		}
		types = types[size:]
	}
	return names
}

// renameNUMA makes numa_node of BTF map definitions, which libbpf takes and
// cilium/ebpf doesn't know, a field it knows and that means nothing to the map
// types that have a NUMA node.
func (im *image) renameNUMA() bool {
	for i, n := range im.name {
		if n != ".BTF" {
			continue
		}
		d, err := im.data(i)
		if err != nil {
			return false
		}
		if k := bytes.Index(d, []byte("\x00numa_node\x00")); k >= 0 {
			copy(d[k+1:], "map_extra")
			return true
		}
	}
	return false
}
