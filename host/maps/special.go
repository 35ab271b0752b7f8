package maps

import "github.com/cilium/ebpf/btf"

// span is some bytes of a value.
type span struct{ off, size uint32 }

// specialSizes are the fields the kernel keeps to itself in a value: an update
// leaves them as they are (kernel/bpf/btf.c, btf_parse_fields).
var specialSizes = map[string]uint32{
	"bpf_spin_lock":     4,
	"bpf_res_spin_lock": 8,
	"bpf_timer":         16,
	"bpf_wq":            16,
	"bpf_task_work":     8,
	"bpf_list_head":     16,
	"bpf_list_node":     24,
	"bpf_rb_root":       16,
	"bpf_rb_node":       32,
	"bpf_refcount":      4,
}

// Locks says whether values of the spec have a lock that BPF_F_LOCK can take.
func Locks(s *Spec) bool {
	_, lock := specials(s.Value, s.ValueSize)
	return lock
}

// specials lists the special fields of a value type, ascending, and whether
// one is a lock that BPF_F_LOCK can take.
func specials(t btf.Type, size uint32) (out []span, lock bool) {
	if t == nil {
		return nil, false
	}
	var walk func(t btf.Type, off uint32, depth int)
	walk = func(t btf.Type, off uint32, depth int) {
		if depth > 8 || off >= size {
			return
		}
		switch t := btf.UnderlyingType(t).(type) {
		case *btf.Struct:
			if n, ok := specialSizes[t.Name]; ok && off+n <= size {
				out = append(out, span{off, n})
				lock = lock || t.Name == "bpf_spin_lock"
				return
			}
			for _, m := range t.Members {
				walk(m.Type, off+m.Offset.Bytes(), depth+1)
			}
		case *btf.Array:
			n, err := btf.Sizeof(t.Type)
			if err != nil || n == 0 {
				return
			}
			for i := uint32(0); i < t.Nelems && i < 64; i++ {
				walk(t.Type, off+i*uint32(n), depth+1)
			}
		case *btf.Datasec:
			for _, v := range t.Vars {
				walk(v.Type, off+v.Offset, depth+1)
			}
		case *btf.Var:
			walk(t.Type, off, depth+1)
		}
	}
	walk(t, 0, 0)
	return out, lock
}

// copyAround copies src to dst but for the spans, which keep what they hold.
func copyAround(dst, src []byte, keep []span) {
	at := uint32(0)
	for _, s := range keep {
		copy(dst[at:s.off], src[at:s.off])
		at = s.off + s.size
	}
	copy(dst[at:], src[at:])
}
