package maps

import (
	"encoding/binary"
	"fmt"

	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// Set is all maps of one machine, realised in one arena: those of an object by
// their index there, then inner maps added since.
type Set struct {
	Arena *mem.Arena
	Maps  []Map
	CPUs  int
}

// SetSize is how many bytes of an arena the maps of a set take.
func SetSize(specs []*Spec, cpus int) uint64 {
	n := uint64(0)
	for _, s := range specs {
		n += ArenaSize(s, cpus)
	}
	return n
}

// NewSet makes the maps that specs describe, empty, in arena a.
func NewSet(specs []*Spec, a *mem.Arena, cpus int) (*Set, error) {
	s := &Set{Arena: a, CPUs: cpus}
	for _, spec := range specs {
		if _, err := s.Add(spec); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Add makes one more map and returns its number.
func (s *Set) Add(spec *Spec) (int, error) {
	m, err := New(spec, s.Arena, len(s.Maps), s.CPUs)
	if err != nil {
		return 0, err
	}
	s.Maps = append(s.Maps, m)
	return len(s.Maps) - 1, nil
}

// Find is the number of the first map with that name, or -1.
func (s *Set) Find(name string) int {
	for i, m := range s.Maps {
		if m.Spec().Name == name {
			return i
		}
	}
	return -1
}

// Fill puts every spec's contents in. program is the number of the program
// with that name, or -1.
func (s *Set) Fill(program func(name string) int) error {
	for _, m := range s.Maps {
		for _, e := range m.Spec().Contents {
			if err := s.put(m, e, program); err != nil {
				return fmt.Errorf("map %q: contents: key %x: %w", m.Spec().Name, e.Key, err)
			}
		}
	}
	return nil
}

func (s *Set) put(m Map, e Entry, program func(name string) int) error {
	spec := m.Spec()
	if len(e.Key) != int(spec.KeySize) {
		return fmt.Errorf("%d bytes, want %d", len(e.Key), spec.KeySize)
	}
	errno := OK
	switch o := m.(type) {
	case Programs:
		p := -1
		if program != nil {
			p = program(e.Name)
		}
		if p < 0 {
			return fmt.Errorf("no program %q", e.Name)
		}
		errno = o.SetProgram(binary.LittleEndian.Uint32(e.Key), p)
	case OfMaps:
		i := s.Find(e.Name)
		if i < 0 {
			return fmt.Errorf("no map %q", e.Name)
		}
		errno = o.SetInner(e.Key, i, s.Maps[i].Spec(), Any)
		if errno == EINVAL {
			return fmt.Errorf("map %q doesn't fit the inner map's blueprint: %w", e.Name, errno)
		}
	case PerCPU:
		n := ValueStride(spec)
		switch len(e.Value) {
		case int(spec.ValueSize): // the same value for every CPU
			all := make([]byte, n*s.CPUs)
			for c := range s.CPUs {
				copy(all[c*n:], e.Value)
			}
			errno = o.UpdateAll(e.Key, all, Any)
		case n * s.CPUs:
			errno = o.UpdateAll(e.Key, e.Value, Any)
		default:
			return fmt.Errorf("value of %d bytes, want %d or %d for each of %d cpus", len(e.Value), spec.ValueSize, n, s.CPUs)
		}
	default:
		if len(e.Value) != int(spec.ValueSize) {
			return fmt.Errorf("value of %d bytes, want %d", len(e.Value), spec.ValueSize)
		}
		errno = m.Update(e.Key, e.Value, Any, 0)
	}
	if errno != OK {
		return errno
	}
	return nil
}

// Clone makes the same maps with the same state in another arena.
func (s *Set) Clone(a *mem.Arena) (*Set, error) {
	c := &Set{Arena: a, CPUs: s.CPUs}
	for i, m := range s.Maps {
		n, err := Clone(m, a, i, s.CPUs)
		if err != nil {
			return nil, err
		}
		c.Maps = append(c.Maps, n)
	}
	return c, nil
}

// Copy gives s the whole state of src, a clone of it or its original.
func (s *Set) Copy(src *Set) error {
	if len(s.Maps) != len(src.Maps) {
		return fmt.Errorf("copy a set of %d maps to one of %d", len(src.Maps), len(s.Maps))
	}
	for i, m := range s.Maps {
		if err := Copy(m, src.Maps[i]); err != nil {
			return err
		}
	}
	return nil
}

// Equal names the first difference between two sets, or returns "".
func (s *Set) Equal(o *Set) string {
	if len(s.Maps) != len(o.Maps) {
		return fmt.Sprintf("%d maps, other %d", len(s.Maps), len(o.Maps))
	}
	for i, m := range s.Maps {
		if d := Equal(m, o.Maps[i]); d != "" {
			return d
		}
	}
	return ""
}

// Types lists the map types there are, ascending.
func Types() []ebpf.MapType {
	var out []ebpf.MapType
	for t := ebpf.MapType(0); t < 64; t++ {
		if _, ok := kinds[t]; ok {
			out = append(out, t)
		}
	}
	return out
}
