package maps

import (
	"bytes"
	"fmt"

	"jitnic/host/mem"
)

// Clone makes a map of src's spec in another arena and gives it src's state.
// Maps cloned in the order they were made get the addresses they had.
func Clone(src Map, a *mem.Arena, index, cpus int) (Map, error) {
	m, err := New(src.Spec(), a, index, cpus)
	if err != nil {
		return nil, err
	}
	if err := Copy(m, src); err != nil {
		return nil, err
	}
	return m, nil
}

// Copy gives dst the whole state of src, addresses of elements within the map
// and LRU order included, and allocates nothing. Both are of one spec and as
// many CPUs. With a clone as the other side it takes and restores a snapshot.
// Nobody is notified.
func Copy(dst, src Map) error {
	if dst.Spec() != src.Spec() && !sameShape(dst.Spec(), src.Spec()) {
		return fmt.Errorf("map %q: copy from map %q of another shape", dst.Spec().Name, src.Spec().Name)
	}
	d, ok := dst.(interface{ cpuCount() int })
	s, ok2 := src.(interface{ cpuCount() int })
	if !ok || !ok2 || d.cpuCount() != s.cpuCount() {
		return fmt.Errorf("map %q: copy from a map of another number of cpus", dst.Spec().Name)
	}
	if d, ok := dst.(copier); ok {
		d.copyFrom(src)
	}
	return nil
}

func (b *base) cpuCount() int { return b.cpus }

func sameShape(a, b *Spec) bool {
	return a.Type == b.Type && a.KeySize == b.KeySize && a.ValueSize == b.ValueSize &&
		a.Max == b.Max && a.Flags == b.Flags && a.Extra == b.Extra
}

// Equal compares what programs and the control plane can see of two maps and
// names the first difference, or returns "". The order of entries and where
// they lie make no difference.
func Equal(a, b Map) string { return EqualWhile(a, b, func() bool { return true }) }

// EqualWhile is Equal that goes on only while told so; else it comes back with "",
// and that says nothing.
func EqualWhile(a, b Map, goOn func() bool) string {
	sa, sb := a.Spec(), b.Spec()
	if sa != sb && !sameShape(sa, sb) {
		return fmt.Sprintf("map %q: shape differs from map %q", sa.Name, sb.Name)
	}
	if e, ok := a.(interface{ equal(Map) string }); ok {
		if d := e.equal(b); d != "" {
			return fmt.Sprintf("map %q: %s", sa.Name, d)
		}
		return ""
	}
	diff := ""
	n := 0
	goes := func() bool {
		n++
		return n&1023 != 0 || goOn()
	}
	a.Range(func(key, value []byte) bool {
		other := entry(b, key, len(value))
		switch {
		case other == nil:
			diff = fmt.Sprintf("map %q: key %x: %s, absent in the other", sa.Name, key, short(value))
		case !bytes.Equal(value, other):
			i := 0
			for value[i] == other[i] {
				i++
			}
			diff = fmt.Sprintf("map %q: key %x: value byte %d: %s, other %s", sa.Name, key, i, short(value), short(other))
		}
		return diff == "" && goes()
	})
	if diff == "" && goOn() && a.Len() != b.Len() {
		b.Range(func(key, value []byte) bool {
			if entry(a, key, len(value)) == nil {
				diff = fmt.Sprintf("map %q: key %x: absent, other %s", sa.Name, key, short(value))
			}
			return diff == "" && goes()
		})
		if diff == "" && goOn() {
			diff = fmt.Sprintf("map %q: %d entries, other %d", sa.Name, a.Len(), b.Len())
		}
	}
	return diff
}

// entry is the value of exactly key, of all CPUs, as Range gives it; nil
// where it is absent.
func entry(m Map, key []byte, n int) []byte {
	if e, ok := m.(interface{ exact(key []byte) []byte }); ok {
		return e.exact(key)
	}
	addr := m.Peek(key, 0)
	if addr == 0 {
		return nil
	}
	b := m.(interface {
		bytesAt(addr uint64, n int) []byte
	})
	return b.bytesAt(addr, n)
}

func (b *base) bytesAt(addr uint64, n int) []byte {
	off := addr - b.addr
	return b.mem[off : off+uint64(n)]
}

// short prints a value, the long ones cut.
func short(v []byte) string {
	if len(v) > 64 {
		return fmt.Sprintf("%x… (%d bytes)", v[:64], len(v))
	}
	return fmt.Sprintf("%x", v)
}
