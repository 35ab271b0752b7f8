package maps

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

func makeMap(t testing.TB, s *Spec, cpus int) Map {
	t.Helper()
	a, err := mem.New(ArenaSize(s, cpus))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	m, err := New(s, a, 0, cpus)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func key32(i uint32) []byte { return binary.LittleEndian.AppendUint32(nil, i) }

func benchLookup(b *testing.B, typ ebpf.MapType, ks uint32) {
	s := &Spec{Name: "b", Type: typ, KeySize: ks, ValueSize: 16, Max: 4096}
	m := makeMap(b, s, 2)
	r := rand.New(rand.NewPCG(1, 2))
	keys := make([][]byte, 1024)
	for i := range keys {
		keys[i] = make([]byte, ks)
		binary.LittleEndian.PutUint32(keys[i], uint32(i))
		for j := 4; j < len(keys[i]); j++ {
			keys[i][j] = byte(r.Uint32())
		}
		m.Update(keys[i], make([]byte, 16), Any, 0)
	}
	b.Run("lookup", func(b *testing.B) {
		b.ReportAllocs()
		var x uint64
		for i := range b.N {
			x += m.Lookup(keys[i&1023], 0)
		}
		sink = x
	})
	v := make([]byte, 16)
	b.Run("update", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			m.Update(keys[i&1023], v, Any, 0)
		}
	})
}

var sink uint64

func BenchmarkMap(b *testing.B) {
	for _, c := range []struct {
		t  ebpf.MapType
		ks []uint32
	}{
		{ebpf.Array, []uint32{4}}, {ebpf.Hash, []uint32{4, 8, 13, 16, 40}},
		{ebpf.PerCPUHash, []uint32{4}}, {ebpf.LRUHash, []uint32{4, 16}},
	} {
		for _, ks := range c.ks {
			b.Run(c.t.String()+"/"+string(rune('0'+ks/10))+string(rune('0'+ks%10)), func(b *testing.B) { benchLookup(b, c.t, ks) })
		}
	}
}
