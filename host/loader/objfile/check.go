package objfile

import (
	"bytes"
	"fmt"
	"slices"

	"jitnic/host/ebpf"
	"jitnic/host/loader"
	"jitnic/host/maps"
)

// check reads the file again and says where it isn't what was to be written.
func check(obj *loader.Object, progs []*loader.Program, file []byte) error {
	got, err := loader.LoadBytes(obj.File, file, loader.Options{BTF: loader.LocalBTF})
	if err != nil {
		return err
	}
	index := map[int]int{} // maps of obj to maps of got
	for i, m := range obj.Maps {
		k := slices.IndexFunc(got.Maps, func(s *maps.Spec) bool { return s.Name == m.Name || isData(m) && s.Name == dataName(m.Name) })
		if k < 0 {
			return fmt.Errorf("map %q is not there", m.Name)
		}
		index[i] = k
		if err := sameMap(m, got.Maps[k]); err != nil {
			return fmt.Errorf("map %q: %w", m.Name, err)
		}
	}
	for _, p := range progs {
		q := got.Named(p.Name)
		if q == nil {
			return fmt.Errorf("program %q is not there", p.Name)
		}
		if len(q.Funcs) != len(p.Funcs) || sectionOf(p) != q.Section {
			return fmt.Errorf("program %q: %d functions in %s, want %d in %s", p.Name, len(q.Funcs), q.Section, len(p.Funcs), sectionOf(p))
		}
		if err := sameFunc(p, q, 0, 0, index, map[int]int{}); err != nil {
			return fmt.Errorf("program %q: %w", p.Name, err)
		}
	}
	return nil
}

func sameMap(a, b *maps.Spec) error {
	if a.Type != b.Type || a.KeySize != b.KeySize || a.ValueSize != b.ValueSize || a.Max != b.Max || a.Extra != b.Extra || !isData(a) && a.Flags != b.Flags {
		return fmt.Errorf("%v of %d and %d bytes, %d entries, flags %#x; want %v of %d and %d bytes, %d entries, flags %#x",
			b.Type, b.KeySize, b.ValueSize, b.Max, b.Flags, a.Type, a.KeySize, a.ValueSize, a.Max, a.Flags)
	}
	if isData(a) {
		return nil // checked as what programs read: see sameContents
	}
	if len(a.Contents) != len(b.Contents) {
		return fmt.Errorf("%d initial entries, want %d", len(b.Contents), len(a.Contents))
	}
	for _, e := range a.Contents {
		if !slices.ContainsFunc(b.Contents, func(f maps.Entry) bool {
			return f.Name == e.Name && bytes.Equal(f.Key, e.Key) && bytes.Equal(f.Value, e.Value)
		}) {
			return fmt.Errorf("initial entry %x is not there", e.Key)
		}
	}
	return nil
}

// sameFunc compares function i of p with function k of q, and what they call.
func sameFunc(p, q *loader.Program, i, k int, index, done map[int]int) error {
	if was, ok := done[i]; ok {
		if was != k {
			return fmt.Errorf("function %s: another in its place", p.Funcs[i].Name)
		}
		return nil
	}
	done[i] = k
	a, b := p.Funcs[i], q.Funcs[k]
	if a.End-a.Start != b.End-b.Start {
		return fmt.Errorf("function %s: %d slots, want %d", a.Name, b.End-b.Start, a.End-a.Start)
	}
	for n := 0; n < a.End-a.Start; n++ {
		x, y := p.Insns[a.Start+n], q.Insns[b.Start+n]
		switch {
		case local(x) && local(y):
			f, g := a.Start+n+1+int(x.Imm), b.Start+n+1+int(y.Imm)
			u := slices.IndexFunc(p.Funcs, func(f0 loader.Func) bool { return f0.Start == f })
			v := slices.IndexFunc(q.Funcs, func(g0 loader.Func) bool { return g0.Start == g })
			if u < 0 || v < 0 {
				return fmt.Errorf("function %s: slot %d calls into a function", a.Name, n)
			}
			if err := sameFunc(p, q, u, v, index, done); err != nil {
				return err
			}
			x.Imm, y.Imm = 0, 0
		case x.IsWide() && (x.Src == ebpf.PseudoMapFD || x.Src == ebpf.PseudoMapValue):
			x.Imm = int32(index[int(x.Imm)])
		}
		if x != y {
			return fmt.Errorf("function %s: slot %d: %v, want %v", a.Name, n, y, x)
		}
		if x.IsWide() {
			n++
			if p.Insns[a.Start+n] != q.Insns[b.Start+n] {
				return fmt.Errorf("function %s: slot %d differs", a.Name, n)
			}
		}
	}
	return nil
}
