package objfile

import (
	"fmt"
	"slices"

	"jitnic/host/maps"

	"debug/elf"

	cilium "github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// types are the file's BTF in the making.
type types struct {
	integer *btf.Int
	maps    *btf.Datasec
	vars    []*btf.Datasec
}

func newTypes() *types {
	return &types{integer: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}, maps: &btf.Datasec{Name: ".maps"}}
}

// number declares one of a map's numbers, as __uint of libbpf's bpf_helpers.h:
// int (*name)[n].
func (t *types) number(n uint32) btf.Type {
	return &btf.Pointer{Target: &btf.Array{Index: t.integer, Type: t.integer, Nelems: n}}
}

// mapDef is a map's definition.
func (t *types) mapDef(m *maps.Spec) (*btf.Struct, error) {
	st := &btf.Struct{}
	add := func(name string, typ btf.Type) {
		st.Members = append(st.Members, btf.Member{Name: name, Type: typ, Offset: btf.Bits(64 * len(st.Members))})
		st.Size += 8
	}
	add("type", t.number(uint32(m.Type)))
	if m.Max > 0 {
		add("max_entries", t.number(m.Max))
	}
	if m.Flags != 0 {
		add("map_flags", t.number(m.Flags))
	}
	if m.Extra != 0 {
		if m.Extra>>32 != 0 {
			return nil, fmt.Errorf("map_extra %#x: no file can say that", m.Extra)
		}
		add("map_extra", t.number(uint32(m.Extra)))
	}
	t.sized(add, "key", m.Key, m.KeySize)
	nested := maps.IsOfMaps(m.Type)
	if nested || m.Type == cilium.ProgramArray {
		add("value_size", t.number(4))
	} else {
		t.sized(add, "value", m.Value, m.ValueSize)
	}
	// The elements of .values are not counted in the type.
	values := func(target btf.Type) {
		st.Members = append(st.Members, btf.Member{Name: "values", Offset: btf.Bits(64 * len(st.Members)),
			Type: &btf.Array{Index: t.integer, Type: &btf.Pointer{Target: target}}})
	}
	switch {
	case nested && m.Inner == nil:
		return nil, fmt.Errorf("its inner maps are not described")
	case nested:
		inner, err := t.mapDef(m.Inner)
		if err != nil {
			return nil, fmt.Errorf("inner map: %w", err)
		}
		values(inner)
	case m.Type == cilium.ProgramArray && len(m.Contents) > 0:
		values(&btf.FuncProto{Return: t.integer, Params: []btf.FuncParam{{Type: &btf.Pointer{Target: &btf.Void{}}}}})
	}
	return st, nil
}

// sized declares keys or values: by their type, or else their size.
func (t *types) sized(add func(string, btf.Type), what string, typ btf.Type, size uint32) {
	if typ != nil {
		if _, section := typ.(*btf.Datasec); !section {
			if n, err := btf.Sizeof(typ); err == nil && uint32(n) == size {
				add(what, &btf.Pointer{Target: typ})
				return
			}
		}
	}
	if size > 0 {
		add(what+"_size", t.number(size))
	}
}

func (t *types) mapVar(name string, st *btf.Struct, at, size uint32) {
	t.maps.Vars = append(t.maps.Vars, btf.VarSecinfo{Type: &btf.Var{Name: name, Type: st, Linkage: btf.GlobalVar}, Offset: at, Size: size})
	t.maps.Size = max(t.maps.Size, at+size)
}

// variables describes a section of variables, and gives their symbols.
func (t *types) variables(name string, sec *section, m *maps.Spec) (out []defined) {
	old, ok := m.Value.(*btf.Datasec)
	if !ok {
		return nil
	}
	ds := &btf.Datasec{Name: name, Size: m.ValueSize}
	for _, v := range old.Vars {
		w, ok := v.Type.(*btf.Var)
		if !ok || w.Linkage == btf.ExternVar {
			continue
		}
		ds.Vars = append(ds.Vars, v)
		if w.Linkage == btf.GlobalVar {
			out = append(out, defined{symbol{w.Name, sec}, elf.STT_OBJECT, uint64(v.Offset), uint64(v.Size)})
		}
	}
	if len(ds.Vars) > 0 {
		t.vars = append(t.vars, ds)
	}
	return out
}

// proto is the type of a function; one that has none takes a pointer.
func (t *types) proto(f *function) *btf.Func {
	if p := f.fn.Proto; p != nil {
		c := *p
		c.Name = f.name
		c.Tags = nil
		return &c
	}
	fn := &btf.Func{Name: f.name, Linkage: btf.StaticFunc, Type: &btf.FuncProto{Return: t.integer,
		Params: []btf.FuncParam{{Name: "ctx", Type: &btf.Pointer{Target: &btf.Void{}}}}}}
	if f.fn.Start == 0 {
		fn.Linkage = btf.GlobalFunc
	}
	return fn
}

// finish gives .BTF and .BTF.ext.
// file is the name lines are said to be of.
func (t *types) finish(file string, funcs []*function) (raw, ext []byte, err error) {
	b, err := btf.NewBuilder(nil, nil)
	if err != nil {
		return nil, nil, err
	}
	if len(t.maps.Vars) > 0 {
		t.vars = append(t.vars, t.maps)
	}
	for _, ds := range t.vars {
		if _, err := b.Add(ds); err != nil {
			return nil, nil, fmt.Errorf("BTF of %s: %w", ds.Name, err)
		}
	}
	ids := make([]btf.TypeID, len(funcs))
	for i, f := range funcs {
		if ids[i], err = b.Add(t.proto(f)); err != nil {
			return nil, nil, fmt.Errorf("BTF of function %s: %w", f.name, err)
		}
	}
	if raw, err = b.Marshal(nil, &btf.MarshalOptions{Order: le}); err != nil {
		return nil, nil, fmt.Errorf("BTF: %w", err)
	}
	var secs []*section
	for _, f := range funcs {
		if !slices.Contains(secs, f.sec) {
			secs = append(secs, f.sec)
		}
	}
	// struct btf_ext_header (libbpf's btf.h): function infos, a line info where
	// each function begins (libbpf refuses a table of none, cilium/ebpf none), no
	// CO-RE relocations.
	info, lines := le.AppendUint32(nil, 8), le.AppendUint32(nil, 16)
	raw, source := addString(raw, file)
	for _, s := range secs {
		var at uint32
		raw, at = addString(raw, s.name)
		var recs, first []byte
		n := uint32(0)
		for i, f := range funcs {
			if f.sec != s {
				continue
			}
			var line uint32
			raw, line = addString(raw, "function "+f.name)
			recs = le.AppendUint32(recs, uint32(8*f.at))
			recs = le.AppendUint32(recs, uint32(ids[i]))
			for _, v := range []uint32{uint32(8 * f.at), source, line, 1 << 10} {
				first = le.AppendUint32(first, v)
			}
			n++
		}
		for _, t := range []struct {
			table *[]byte
			recs  []byte
		}{{&info, recs}, {&lines, first}} {
			*t.table = le.AppendUint32(*t.table, at)
			*t.table = le.AppendUint32(*t.table, n)
			*t.table = append(*t.table, t.recs...)
		}
	}
	ext = le.AppendUint16(nil, 0xeb9f)
	ext = append(ext, 1, 0)
	end := uint32(len(info) + len(lines))
	for _, v := range []uint32{32, 0, uint32(len(info)), uint32(len(info)), uint32(len(lines)), end, 0} {
		ext = le.AppendUint32(ext, v)
	}
	return raw, append(append(ext, info...), lines...), nil
}

// addString puts a string behind the others of BTF, which end the blob (struct
// btf_header: str_off at 16, str_len at 20).
func addString(raw []byte, s string) ([]byte, uint32) {
	at := le.Uint32(raw[20:])
	raw = append(append(raw, s...), 0)
	le.PutUint32(raw[20:], at+uint32(len(s))+1)
	return raw, at
}
