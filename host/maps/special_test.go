package maps

import (
	"bytes"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// A lock inside a value is nobody's to overwrite, and BPF_F_LOCK wants one.
func TestSpinLock(t *testing.T) {
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	lock := &btf.Struct{Name: "bpf_spin_lock", Size: 4, Members: []btf.Member{{Name: "val", Type: u32}}}
	value := &btf.Struct{Name: "bucket", Size: 12, Members: []btf.Member{
		{Name: "tokens", Type: u32},
		{Name: "lock", Type: lock, Offset: 32},
		{Name: "time", Type: u32, Offset: 64},
	}}
	for _, typ := range []ebpf.MapType{ebpf.Hash, ebpf.Array} {
		m := makeMap(t, &Spec{Type: typ, KeySize: 4, ValueSize: 12, Max: 2, Value: value}, 1)
		key := []byte{1, 0, 0, 0}
		if typ == ebpf.Hash {
			if e := m.Update(key, bytes.Repeat([]byte{9}, 12), Lock|NoExist, 0); e != OK {
				t.Fatal(e)
			}
		}
		addr := m.Lookup(key, 0)
		if e := m.Update(key, bytes.Repeat([]byte{7}, 12), Lock, 0); e != OK {
			t.Fatal(e)
		}
		if m.Lookup(key, 0) != addr {
			t.Errorf("%v: an update under the lock moved the value", typ)
		}
		want := []byte{7, 7, 7, 7, 0, 0, 0, 0, 7, 7, 7, 7}
		if got := entry(m, key, 12); !bytes.Equal(got, want) {
			t.Errorf("%v: %x, want %x", typ, got, want)
		}
		bare := makeMap(t, &Spec{Type: typ, KeySize: 4, ValueSize: 12, Max: 2}, 1)
		if e := bare.Update(key, want, Lock, 0); e != EINVAL {
			t.Errorf("%v: BPF_F_LOCK without a lock: %v", typ, e)
		}
	}
}
