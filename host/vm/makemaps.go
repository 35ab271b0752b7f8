package vm

import (
	"encoding/binary"
	"fmt"

	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// spare is flat memory for maps that are made later. It is address space only.
const spare = 1 << 30

// makeMaps makes an object's maps and fills them.
func (s *State) makeMaps(obj *loader.Object) error {
	for _, spec := range obj.Maps {
		if _, err := s.AddMap(spec); err != nil {
			return err
		}
	}
	for i, spec := range obj.Maps {
		if err := s.fill(obj, i, spec); err != nil {
			return err
		}
	}
	return nil
}

// AddMap makes one more map, empty, and returns its index: an inner map for
// the control plane to put into a map of maps.
func (s *State) AddMap(spec *maps.Spec) (int, error) {
	i := len(s.Maps)
	m, err := maps.New(spec, s.Mem, i, s.Opt.CPUs)
	if err != nil {
		return 0, err
	}
	t := table{size: uint64(spec.ValueSize)}
	switch spec.Type {
	case ebpf.Queue, ebpf.Stack, ebpf.BloomFilter, ebpf.ProgramArray, ebpf.PerfEventArray,
		ebpf.ArrayOfMaps, ebpf.HashOfMaps:
		// No helper hands out an address in these.
	default:
		t.owner, _ = m.(maps.Owner)
	}
	t.noSt = spec.ReadOnly || spec.Flags&maps.FlagRdonlyProg != 0
	t.noLoad = spec.Flags&maps.FlagWronlyProg != 0
	s.Maps = append(s.Maps, m)
	s.tables = append(s.tables, t)
	if s.Opt.Readers {
		s.listen(m)
	}
	return i, nil
}

// listen opens what user space would.
func (s *State) listen(m maps.Map) {
	switch m := m.(type) {
	case maps.Ring:
		m.OnRecord(func([]byte) {})
	case maps.Events:
		var key, value [4]byte
		value[0] = 1
		for c := range min(uint32(s.Opt.CPUs), m.Spec().Max) {
			binary.LittleEndian.PutUint32(key[:], c)
			m.Update(key[:], value[:], 0, 0)
		}
	}
}

// fill puts a map's first contents in.
func (s *State) fill(obj *loader.Object, index int, spec *maps.Spec) error {
	m := s.Maps[index]
	for _, e := range spec.Contents {
		var errno maps.Errno
		switch {
		case e.Name == "":
			errno = s.put(m, e.Key, e.Value)
		default:
			var err error
			if errno, err = s.putName(obj, m, e); err != nil {
				return err
			}
		}
		if errno != 0 {
			return fmt.Errorf("map %q: key %x: %w", spec.Name, e.Key, errno)
		}
	}
	return nil
}

func (s *State) put(m maps.Map, key, value []byte) maps.Errno {
	if p, ok := m.(maps.PerCPU); ok && len(value) == s.Opt.CPUs*maps.ValueStride(m.Spec()) && s.Opt.CPUs > 1 {
		return p.UpdateAll(key, value, 0)
	}
	return m.Update(key, value, 0, 0)
}

// putName puts a program or an inner map in.
func (s *State) putName(obj *loader.Object, m maps.Map, e maps.Entry) (maps.Errno, error) {
	switch m := m.(type) {
	case maps.Programs:
		for i, p := range obj.Programs {
			if p.Name == e.Name {
				return m.SetProgram(binary.LittleEndian.Uint32(e.Key), i), nil
			}
		}
		return 0, fmt.Errorf("map %q: key %x: no program %q", m.Spec().Name, e.Key, e.Name)
	case maps.OfMaps:
		for i, spec := range obj.Maps {
			if spec.Name == e.Name {
				return m.SetInner(e.Key, i, spec, 0), nil
			}
		}
	}
	return 0, fmt.Errorf("map %q: key %x: no map %q", m.Spec().Name, e.Key, e.Name)
}

// MapIndex is the index of the map of that name, or -1.
func (s *State) MapIndex(name string) int {
	for i, m := range s.Maps {
		if m.Spec().Name == name {
			return i
		}
	}
	return -1
}

// Clone makes a State of its own with the same maps at the same addresses and
// in the same state, and the same packet at hand.
func (s *State) Clone() (*State, error) {
	arena, err := mem.New(uint64(len(s.Mem.B)))
	if err != nil {
		return nil, err
	}
	c := &State{Mem: arena, Opt: s.Opt}
	fail := func(err error) (*State, error) { arena.Close(); return nil, err }
	if err := c.allocFixed(); err != nil {
		return fail(err)
	}
	for _, m := range s.Maps {
		if _, err := c.AddMap(m.Spec()); err != nil {
			return fail(err)
		}
	}
	if err := c.CopyFrom(s); err != nil {
		return fail(err)
	}
	return c, nil
}

// CopyFrom takes over the maps and the packet at hand of a State made from the
// same object, or cloned; both must have the same maps. It allocates nothing.
func (s *State) CopyFrom(src *State) error {
	if len(s.Maps) != len(src.Maps) {
		return fmt.Errorf("state of %d maps: copy from one of %d", len(s.Maps), len(src.Maps))
	}
	for i := range s.Maps {
		if err := maps.Copy(s.Maps[i], src.Maps[i]); err != nil {
			return err
		}
	}
	copy(s.Mem.B[s.Buf:s.Buf+bufferSize], src.Mem.B[src.Buf:src.Buf+bufferSize])
	s.DataMeta, s.Data, s.DataEnd = src.DataMeta, src.Data, src.DataEnd
	s.Frags, s.fragPages, s.low = src.Frags, src.fragPages, src.low
	s.TimeNS, s.CPU, s.If, s.Rx, s.Packet, s.Draws = src.TimeNS, src.CPU, src.If, src.Rx, src.Packet, src.Draws
	s.Redirect, s.Printed = src.Redirect, src.Printed
	return nil
}
