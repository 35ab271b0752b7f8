package maps

import (
	"encoding/binary"
	"testing"

	"jitnic/host/hosttest/must"
	"jitnic/host/mem"

	"github.com/cilium/ebpf"
)

// Of a huge array only what was touched is walked, and all of it.
func TestUsed(t *testing.T) {
	for _, s := range []*Spec{
		{Name: "small", Type: ebpf.Array, KeySize: 4, ValueSize: 12, Max: 100},
		{Name: "large", Type: ebpf.Array, KeySize: 4, ValueSize: 100, Max: 20 << 20},
		{Name: "percpu", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 12, Max: 4 << 20},
		{Name: "hash", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, Max: 100},
	} {
		a := must.Get(mem.New(ArenaSize(s, 2)))(t)
		m := must.Get(New(s, a, 0, 2))(t)
		want := map[uint32]bool{3: true, s.Max / 2: true, s.Max - 1: true}
		for i := range want {
			key := binary.LittleEndian.AppendUint32(nil, i)
			value := make([]byte, s.ValueSize)
			value[0] = byte(i) | 1
			if e := m.Update(key, value, 0, 1); e != OK {
				t.Fatalf("%s: %v", s.Name, e)
			}
			if v := At(m, key); len(v) == 0 || v[len(v)/2*b2i(IsPerCPU(s))] != byte(i)|1 {
				t.Errorf("%s: at %d: %x", s.Name, i, v)
			}
		}
		u := UsedBy(m)
		walked, set := 0, 0
		RangeUsed(m, func(key, value []byte) bool {
			walked++
			i := binary.LittleEndian.Uint32(key)
			if want[i] {
				set++
				if arrayOf(m) != nil && !u.Has(i) {
					t.Errorf("%s: entry %d is not used", s.Name, i)
				}
			}
			return true
		})
		if set != 3 || walked > 200_000 {
			t.Errorf("%s: %d of 3 found in %d entries", s.Name, set, walked)
		}
		if s.Max > 1<<20 && u.Has(s.Max/4) {
			t.Errorf("%s: an entry nobody touched is used", s.Name)
		}
		a.Close()
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
