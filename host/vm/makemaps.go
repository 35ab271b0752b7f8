package vm

import (
	"encoding/binary"

	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// spare is flat memory for maps that are made later. It is address space only.
const spare = 64 << 20

// makeMaps makes an object's maps and fills them.
func (s *State) makeMaps(obj *loader.Object) (err error) {
	if s.Set, err = maps.NewSet(obj.Maps, s.Mem, s.Opt.CPUs); err != nil {
		return err
	}
	s.sync()
	return s.Set.Fill(func(name string) int {
		for i, p := range obj.Programs {
			if p.Name == name {
				return i
			}
		}
		return -1
	})
}

// AddMap makes one more map, empty, and returns its index: an inner map for
// the control plane to put into a map of maps. Maps added to State.Set
// directly are found as well.
func (s *State) AddMap(spec *maps.Spec) (int, error) {
	i, err := s.Set.Add(spec)
	s.sync()
	return i, err
}

// sync takes notice of the maps that are new in the set.
func (s *State) sync() {
	s.Maps = s.Set.Maps
	for i := len(s.tables); i < len(s.Maps); i++ {
		m := s.Maps[i]
		spec := m.Spec()
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
		s.tables = append(s.tables, t)
		if s.Opt.Readers {
			s.listen(m)
		}
	}
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

// MapIndex is the index of the first map of that name, or -1.
func (s *State) MapIndex(name string) int { return s.Set.Find(name) }

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
	if c.Set, err = maps.NewSet(nil, arena, s.Set.CPUs); err != nil {
		return fail(err)
	}
	for _, m := range s.Set.Maps {
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
	if err := s.Set.Copy(src.Set); err != nil {
		return err
	}
	copy(s.Mem.B[s.Buf:s.Buf+bufferSize], src.Mem.B[src.Buf:src.Buf+bufferSize])
	s.DataMeta, s.Data, s.DataEnd = src.DataMeta, src.Data, src.DataEnd
	s.Frags, s.fragPages, s.low = src.Frags, src.fragPages, src.low
	s.TimeNS, s.CPU, s.If, s.Rx, s.Packet, s.Draws = src.TimeNS, src.CPU, src.If, src.Rx, src.Packet, src.Draws
	s.Redirect, s.Printed = src.Redirect, src.Printed
	return nil
}
