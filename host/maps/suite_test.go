package maps

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/mem"

	"github.com/cilium/ebpf"
	"pgregory.net/rapid"
)

// plain are small maps of every type; the suite runs over all.
func plain() []*Spec {
	inner := &Spec{Name: "inner", Type: ebpf.Array, KeySize: 4, ValueSize: 4, Max: 1}
	s := func(t ebpf.MapType, ks, vs, n, flags uint32) *Spec {
		return &Spec{Name: t.String(), Type: t, KeySize: ks, ValueSize: vs, Max: n, Flags: flags}
	}
	aom := s(ebpf.ArrayOfMaps, 4, 4, 8, 0)
	hom := s(ebpf.HashOfMaps, 5, 4, 8, 0)
	aom.Inner, hom.Inner = inner, inner
	return []*Spec{
		s(ebpf.Array, 4, 12, 8, 0), s(ebpf.PerCPUArray, 4, 12, 8, 0),
		s(ebpf.Hash, 4, 12, 8, 0), s(ebpf.Hash, 7, 3, 8, FlagNoPrealloc),
		s(ebpf.PerCPUHash, 8, 5, 8, 0), s(ebpf.PerCPUHash, 16, 8, 8, FlagNoPrealloc),
		s(ebpf.LRUHash, 4, 8, 8, 0), s(ebpf.LRUHash, 17, 8, 8, FlagNoCommonLRU),
		s(ebpf.LRUCPUHash, 4, 8, 8, 0), s(ebpf.LRUCPUHash, 4, 8, 8, FlagNoCommonLRU),
		s(ebpf.LPMTrie, 8, 4, 8, FlagNoPrealloc), s(ebpf.LPMTrie, 20, 4, 8, FlagNoPrealloc),
		s(ebpf.ProgramArray, 4, 4, 8, 0), aom, hom,
		s(ebpf.DevMap, 4, 8, 8, 0), s(ebpf.DevMapHash, 4, 4, 8, 0), s(ebpf.CPUMap, 4, 4, 8, 0), s(ebpf.XSKMap, 4, 4, 8, 0),
		s(ebpf.PerfEventArray, 4, 4, 8, 0), s(ebpf.RingBuf, 0, 0, 4096, 0),
		s(ebpf.Queue, 0, 6, 8, 0), s(ebpf.Stack, 0, 6, 8, 0), s(ebpf.BloomFilter, 0, 4, 8, 0),
	}
}

func arena(t testing.TB, size uint64) *mem.Arena {
	t.Helper()
	a := must.Get(mem.New(size))(t)
	t.Cleanup(func() { a.Close() })
	return a
}

func makeMap(t testing.TB, s *Spec, cpus int) Map {
	t.Helper()
	m := must.Get(New(s, arena(t, ArenaSize(s, cpus)), 0, cpus))(t)
	return m
}

// keyFor makes one of a few keys, some out of an array's range.
func keyFor(s *Spec, n uint32) []byte {
	k := make([]byte, s.KeySize)
	if s.Type == ebpf.LPMTrie {
		binary.LittleEndian.PutUint32(k, n%uint32(8*(len(k)-4)+2))
		x := n * 0x9e3779b9
		for i := range k[4:] {
			k[4+i] = byte(x>>24) & 0xc0
			x = x*5 + 1
		}
		return k
	}
	for i := range k {
		k[i] = byte(n >> (8 * (i % 4)))
	}
	return k
}

func TestEveryTypeIsInTheSuite(t *testing.T) {
	seen := map[ebpf.MapType]bool{}
	for _, s := range plain() {
		seen[s.Type] = true
	}
	for _, typ := range Types() {
		if !seen[typ] {
			t.Errorf("type %v: not in the suite", typ)
		}
	}
	if n := len(Types()); n != 19 {
		t.Errorf("%d types, want 19", n)
	}
}

// One suite over all: what every map promises.
func TestSuite(t *testing.T) {
	for _, s := range plain() {
		t.Run(fmt.Sprintf("%v/%d/%#x", s.Type, s.KeySize, s.Flags), func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) { suite(r, s) })
		})
	}
}

func suite(r *rapid.T, s *Spec) {
	const cpus = 2
	a := must.Get(mem.New(4 * ArenaSize(s, cpus)))(r)
	defer a.Close()
	m := must.Get(New(s, a, 3, cpus))(r)
	var wrote [][]byte
	m.(Notifier).OnWrite(func(k []byte) { wrote = append(wrote, bytes.Clone(k)) })
	snap := must.Get(Clone(m, a, 4, cpus))(r)
	for range rapid.IntRange(0, 60).Draw(r, "ops") {
		key := keyFor(s, rapid.Uint32Range(0, 20).Draw(r, "key"))
		cpu := rapid.IntRange(0, cpus-1).Draw(r, "cpu")
		value := rapid.SliceOfN(rapid.Byte(), int(s.ValueSize), int(s.ValueSize)).Draw(r, "value")
		flags := rapid.Uint64Range(0, 3).Draw(r, "flags")
		before := m.Len()
		wrote = wrote[:0]
		switch op := rapid.IntRange(0, 9).Draw(r, "op"); {
		case op < 4:
			must.OK(r, Copy(snap, m))
			want := m.UpdateResult(key, flags, cpu)
			if d := Equal(snap, m); d != "" {
				r.Fatalf("update result changed something: %s", d)
			}
			got := m.Update(key, value, flags, cpu)
			refusable := s.Type == ebpf.DevMap || s.Type == ebpf.DevMapHash || s.Type == ebpf.CPUMap ||
				s.Type == ebpf.XSKMap || s.Type == ebpf.ProgramArray || s.Type == ebpf.PerfEventArray || s.Inner != nil
			if got != want && !refusable {
				r.Fatalf("update said it would return %v and returned %v", want, got)
			}
			if got != OK {
				for _, k := range wrote {
					if m.Peek(k, cpu) != 0 {
						r.Fatalf("failed update wrote key %x", k)
					}
				}
				break
			}
			if len(wrote) == 0 || !bytes.Equal(wrote[len(wrote)-1], key) {
				r.Fatalf("update of %x told of %x", key, wrote)
			}
			if addr := m.Peek(key, cpu); addr != 0 && s.Type != ebpf.LPMTrie {
				if g := a.Bytes(addr, uint64(s.ValueSize)); !bytes.Equal(g, value) && s.Type != ebpf.CPUMap && s.Type != ebpf.XSKMap {
					r.Fatalf("value is %x, want %x", g, value)
				}
			}
		case op < 6:
			if m.Delete(key) == OK && s.Type != ebpf.DevMap && s.Type != ebpf.CPUMap && s.Type != ebpf.XSKMap {
				if m.Len() != before-1 || len(wrote) != 1 || !bytes.Equal(wrote[0], key) {
					r.Fatalf("delete of %x: %d entries of %d left, told of %x", key, m.Len(), before, wrote)
				}
			}
		case op < 8:
			peek := m.Peek(key, cpu)
			if got := m.Lookup(key, cpu); got != peek {
				r.Fatalf("lookup %#x, peek %#x", got, peek)
			}
			o, ok := m.(Owner)
			if peek == 0 || !ok {
				break
			}
			if peek%8 != 0 {
				r.Fatalf("value at %#x", peek)
			}
			reg := a.Find(peek, uint64(s.ValueSize))
			if reg == nil || reg.Owner != 3 || reg.Kind != mem.KindMap {
				r.Fatalf("value at %#x is in region %v", peek, reg)
			}
			last := peek + uint64(s.ValueSize) - 1
			if k := o.KeyOf(last); s.Type != ebpf.LPMTrie && !bytes.Equal(k, key) {
				r.Fatalf("key of %#x: %x, want %x", last, k, key)
			}
			if v := o.ValueOf(last); v != peek {
				r.Fatalf("value of %#x: %#x, want %#x", last, v, peek)
			}
		case op == 8:
			must.OK(r, Copy(snap, m))
		default:
			if q, ok := m.(Queue); ok {
				q.PopElem(value)
			}
			if q, ok := m.(Ring); ok {
				if rapid.Bool().Draw(r, "read") {
					q.Read(nil)
				} else if addr := q.Reserve(uint64(rapid.IntRange(0, 700).Draw(r, "size")), 0); addr != 0 {
					if e := q.Commit(addr, flags&1 != 0); e != OK {
						r.Fatalf("commit: %v", e)
					}
				}
			}
		}
		// Range, Len and Peek agree.
		n := 0
		m.Range(func(k, v []byte) bool {
			n++
			if s.KeySize != 0 && entry(m, k, len(v)) == nil {
				r.Fatalf("range gives %x, which isn't there", k)
			}
			return true
		})
		if n != m.Len() && s.Type != ebpf.BloomFilter && s.Type != ebpf.RingBuf {
			r.Fatalf("range gives %d entries of %d", n, m.Len())
		}
		if uint32(m.Len()) > max(s.Max, 64) {
			r.Fatalf("%d entries of %d", m.Len(), s.Max)
		}
		if d := Equal(m, m); d != "" {
			r.Fatalf("not equal to itself: %s", d)
		}
	}
	// A clone behaves as its original for ever after.
	must.OK(r, Copy(snap, m))
	for i := range uint32(30) {
		key := keyFor(s, i*7%20)
		value := bytes.Repeat([]byte{byte(i)}, int(s.ValueSize))
		if x, y := m.Update(key, value, uint64(i%3), int(i%2)), snap.Update(key, value, uint64(i%3), int(i%2)); x != y {
			r.Fatalf("update %d: %v, clone %v", i, x, y)
		}
		if i%5 == 0 {
			key := keyFor(s, i)
			if x, y := m.Delete(key), snap.Delete(key); x != y {
				r.Fatalf("delete %d: %v, clone %v", i, x, y)
			}
		}
		if x, y := m.Lookup(key, 0), snap.Lookup(key, 0); (x == 0) != (y == 0) {
			r.Fatalf("lookup %d: %#x, clone %#x", i, x, y)
		}
		if d := Equal(m, snap); d != "" {
			r.Fatalf("after %d operations: %s", i, d)
		}
	}
}

func TestEqualNamesTheDifference(t *testing.T) {
	for _, s := range plain() {
		m, o := makeMap(t, s, 2), makeMap(t, s, 2)
		key := keyFor(s, 1)
		v, w := make([]byte, s.ValueSize), make([]byte, s.ValueSize)
		if len(v) > 0 {
			v[0], w[0] = 1, 2
		}
		if r, ok := m.(Ring); ok {
			r.Output([]byte("x"), 0)
		} else if e := m.Update(key, v, Any, 1); e != OK {
			t.Fatalf("%v: %v", s.Type, e)
		}
		if Equal(m, o) == "" || Equal(o, m) == "" {
			t.Errorf("%v: a map and an empty one are equal", s.Type)
		}
		if _, ok := m.(Ring); ok {
			continue
		}
		o.Update(key, w, Any, 1)
		if d := Equal(m, o); d == "" {
			t.Errorf("%v: %x and %x are equal", s.Type, v, w)
		}
	}
}

func TestHotPathsDontAllocate(t *testing.T) {
	for _, s := range plain() {
		m := makeMap(t, s, 2)
		value := make([]byte, s.ValueSize)
		keys := make([][]byte, 12)
		for i := range keys {
			keys[i] = keyFor(s, uint32(i))
			m.Update(keys[i], value, Any, 0)
		}
		n := testing.AllocsPerRun(200, func() {
			for _, k := range keys {
				m.Lookup(k, 0)
				m.Peek(k, 1)
				m.Update(k, value, Any, 0)
				m.UpdateResult(k, NoExist, 0)
				m.Delete(k)
				m.Update(k, value, NoExist, 1)
				if q, ok := m.(Queue); ok {
					q.PopElem(value)
				}
				if r, ok := m.(Ring); ok {
					if a := r.Reserve(40, 0); a != 0 {
						r.Commit(a, false)
					}
					r.Read(nil)
				}
				if p, ok := m.(Events); ok {
					p.Output(0, 0, value, keys[1])
				}
			}
		})
		if n != 0 {
			t.Errorf("%v %#x: %v allocations", s.Type, s.Flags, n)
		}
	}
}

func TestCheckNamesTheAttribute(t *testing.T) {
	for _, c := range []struct {
		s    Spec
		errn Errno
		text string
	}{
		{Spec{Type: ebpf.Hash, ValueSize: 4, Max: 1}, EINVAL, `map "": key size 0: want at least 1 (EINVAL)`},
		{Spec{Type: ebpf.Hash, KeySize: 4, ValueSize: 4}, EINVAL, `map "": max entries 0: want at least 1 (EINVAL)`},
		{Spec{Type: ebpf.LPMTrie, KeySize: 8, ValueSize: 4, Max: 1}, EINVAL, `map "": flags 0x0: an LPM trie needs BPF_F_NO_PREALLOC (EINVAL)`},
		{Spec{Type: ebpf.LRUHash, KeySize: 8, ValueSize: 4, Max: 1, Flags: 1}, ENOTSUPP, `map "": flags 0x1: an LRU map is always preallocated (ENOTSUPP)`},
		{Spec{Type: ebpf.StackTrace, KeySize: 8, ValueSize: 4, Max: 1}, EINVAL, `map "": type StackTrace: not supported (EINVAL)`},
	} {
		err := Check(&c.s)
		if !errors.Is(err, c.errn) || err.Error() != c.text {
			t.Errorf("%v: %v, want %v", c.s, err, c.text)
		}
	}
}

var sink uint64

func BenchmarkMap(b *testing.B) {
	for _, c := range []struct {
		t  ebpf.MapType
		ks []uint32
	}{
		{ebpf.Array, []uint32{4}}, {ebpf.Hash, []uint32{4, 8, 13, 16, 40}},
		{ebpf.PerCPUHash, []uint32{4}}, {ebpf.LRUHash, []uint32{4, 16}}, {ebpf.LPMTrie, []uint32{8, 20}},
	} {
		for _, ks := range c.ks {
			s := &Spec{Name: "b", Type: c.t, KeySize: ks, ValueSize: 16, Max: 4096}
			if c.t == ebpf.LPMTrie {
				s.Flags = FlagNoPrealloc
			}
			m := makeMap(b, s, 2)
			r := rand.New(rand.NewPCG(1, 2))
			keys := make([][]byte, 1024)
			v := make([]byte, 16)
			for i := range keys {
				keys[i] = make([]byte, ks)
				for j := range keys[i] {
					keys[i][j] = byte(r.Uint32())
				}
				binary.LittleEndian.PutUint32(keys[i], uint32(i))
				if c.t == ebpf.LPMTrie {
					binary.LittleEndian.PutUint32(keys[i], 8+uint32(i)%(8*(ks-4)-7))
				}
				m.Update(keys[i], v, Any, 0)
			}
			b.Run(fmt.Sprintf("%v/key=%d/lookup", c.t, ks), func(b *testing.B) {
				b.ReportAllocs()
				var x uint64
				for i := range b.N {
					x += m.Lookup(keys[i&1023], 0)
				}
				sink = x
			})
			b.Run(fmt.Sprintf("%v/key=%d/update", c.t, ks), func(b *testing.B) {
				b.ReportAllocs()
				for i := range b.N {
					m.Update(keys[i&1023], v, Any, 0)
				}
			})
		}
	}
}
