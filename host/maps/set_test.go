package maps

import (
	"encoding/binary"
	"strings"
	"testing"

	"jitnic/host/hosttest/must"

	"github.com/cilium/ebpf"
)

func testSpecs() []*Spec {
	inner := &Spec{Name: "inner", Type: ebpf.Array, KeySize: 4, ValueSize: 4, Max: 1}
	key := make([]byte, 4)
	return []*Spec{
		inner,
		{Name: "outer", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, Max: 2, Inner: inner, Contents: []Entry{{Key: key, Name: "inner"}}},
		{Name: "progs", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, Max: 2, Contents: []Entry{{Key: key, Name: "two"}}},
		{Name: "cpu", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 4, Max: 2, Contents: []Entry{{Key: key, Value: []byte{1, 2, 3, 4}}}},
		{Name: "flows", Type: ebpf.Hash, KeySize: 4, ValueSize: 4, Max: 2, Contents: []Entry{{Key: key, Value: []byte{1, 2, 3, 4}}}},
	}
}

func program(name string) int { return strings.Index("one two", name) / 4 }

func TestSet(t *testing.T) {
	specs := testSpecs()
	a := arena(t, 2*SetSize(specs, 2))
	s := must.Get(NewSet(specs, a, 2))(t)
	must.OK(t, s.Fill(program))
	if i := s.Maps[s.Find("outer")].(OfMaps).Inner(key32(0)); i != 0 {
		t.Errorf("inner map %d, want 0", i)
	}
	if p := s.Maps[s.Find("progs")].(Programs).Program(0); p != 1 {
		t.Errorf("program %d, want 1", p)
	}
	for cpu := range 2 {
		addr := s.Maps[s.Find("cpu")].Lookup(key32(0), cpu)
		if v := binary.BigEndian.Uint32(a.Bytes(addr, 4)); v != 0x01020304 {
			t.Errorf("cpu %d: %#x", cpu, v)
		}
	}
	c := must.Get(s.Clone(arena(t, uint64(len(a.B)))))(t)
	if d := s.Equal(c); d != "" {
		t.Errorf("a clone differs: %s", d)
	}
	if x, y := s.Maps[4].Peek(key32(0), 0), c.Maps[4].Peek(key32(0), 0); x != y || x == 0 {
		t.Errorf("a clone's value lies at %#x, not %#x", y, x)
	}
	c.Maps[4].Delete(key32(0))
	if d := s.Equal(c); d != `map "flows": key 00000000: 01020304, absent in the other` {
		t.Errorf("difference: %s", d)
	}
	if err := c.Copy(s); err != nil || s.Equal(c) != "" {
		t.Errorf("restored: %v, %s", err, s.Equal(c))
	}
	if i, err := s.Add(specs[0]); err != nil || i != 5 {
		t.Errorf("added map %d: %v", i, err)
	}
}

func TestFillNamesTheEntry(t *testing.T) {
	for _, c := range []struct {
		of   string
		e    Entry
		want string
	}{
		{"flows", Entry{Key: []byte{1}}, `map "flows": contents: key 01: 1 bytes, want 4`},
		{"flows", Entry{Key: key32(1), Value: []byte{1}}, `map "flows": contents: key 01000000: value of 1 bytes, want 4`},
		{"cpu", Entry{Key: key32(1), Value: []byte{1}}, `map "cpu": contents: key 01000000: value of 1 bytes, want 4 or 8 for each of 2 cpus`},
		{"cpu", Entry{Key: key32(9), Value: key32(1)}, `map "cpu": contents: key 09000000: E2BIG`},
		{"progs", Entry{Key: key32(1), Name: "six"}, `map "progs": contents: key 01000000: no program "six"`},
		{"outer", Entry{Key: key32(1), Name: "none"}, `map "outer": contents: key 01000000: no map "none"`},
		{"outer", Entry{Key: key32(1), Name: "flows"}, `map "outer": contents: key 01000000: map "flows" doesn't fit the inner map's blueprint: EINVAL`},
	} {
		specs := testSpecs()
		for _, s := range specs {
			s.Contents = nil
			if s.Name == c.of {
				s.Contents = []Entry{c.e}
			}
		}
		s, err := NewSet(specs, arena(t, SetSize(specs, 2)), 2)
		must.OK(t, err)
		err = s.Fill(func(name string) int {
			if name == "six" {
				return -1
			}
			return 0
		})
		if err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// A large map's index grows; nothing is lost.
func TestGrowth(t *testing.T) {
	m := makeMap(t, &Spec{Name: "big", Type: ebpf.Hash, KeySize: 4, ValueSize: 4, Max: 1 << 20, Flags: FlagNoPrealloc}, 1)
	const n = 300_000
	for i := range uint32(n) {
		if e := m.Update(key32(i*2654435761), key32(i), Any, 0); e != OK {
			t.Fatal(e)
		}
	}
	for i := range uint32(n) {
		if i%3 == 0 {
			m.Delete(key32(i * 2654435761))
		}
	}
	for i := range uint32(n) {
		addr := m.Peek(key32(i*2654435761), 0)
		if (addr == 0) != (i%3 == 0) {
			t.Fatalf("key %d: %#x", i, addr)
		}
		if addr != 0 && string(entryBytes(m, addr)) != string(key32(i)) {
			t.Fatalf("key %d: %x", i, entryBytes(m, addr))
		}
	}
	if m.Len() != n-n/3 {
		t.Errorf("%d entries", m.Len())
	}
	o := makeMap(t, m.Spec(), 1)
	if err := Copy(o, m); err != nil || Equal(m, o) != "" {
		t.Errorf("copied: %v, %s", err, Equal(m, o))
	}
}
