package maps

import (
	"encoding/binary"
	"sort"

	"jitnic/host/mem"
)

// At is the value of exactly key, as Range gives it: of a per-CPU map that of
// each CPU in turn. It is nil where key is absent, and good until the map is
// changed. Maps without keys have nothing at any.
func At(m Map, key []byte) []byte {
	n := int(m.Spec().ValueSize)
	if IsPerCPU(m.Spec()) {
		n = ValueStride(m.Spec()) * m.(interface{ cpuCount() int }).cpuCount()
	}
	return entry(m, key, n)
}

// Used tells which entries of an array were ever touched.
type Used struct {
	runs [][2]int // bytes, ascending
	step int      // bytes of an entry
}

// UsedBy looks at what of a map's memory was touched so far; it knows nothing
// of maps that aren't arrays, which have all they hold touched.
func UsedBy(m Map) *Used {
	a := arrayOf(m)
	if a == nil {
		return &Used{}
	}
	u := &Used{step: int(a.stride * a.width)}
	mem.Touched(a.mem, func(lo, hi int) { u.runs = append(u.runs, [2]int{lo, hi}) })
	return u
}

// Has says whether entry i may be other than zero.
func (u *Used) Has(i uint32) bool { return u.Bytes(int(i)*u.step, (int(i)+1)*u.step) }

// Bytes says so of the bytes from lo to hi of all values, each rounded up to 8
// bytes.
func (u *Used) Bytes(lo, hi int) bool {
	k := sort.Search(len(u.runs), func(k int) bool { return u.runs[k][1] > lo })
	return k < len(u.runs) && u.runs[k][0] < hi
}

// RangeUsed is Range without the entries of an array that nobody ever touched,
// which are zero.
func RangeUsed(m Map, f func(key, value []byte) bool) {
	a := arrayOf(m)
	if a == nil {
		m.Range(f)
		return
	}
	step := int(a.stride * a.width)
	size := int(a.spec.ValueSize)
	if IsPerCPU(a.spec) {
		size = step
	}
	next, more := 0, true
	var key [4]byte
	mem.Touched(a.mem, func(lo, hi int) {
		for i := max(next, lo/step); more && i*step < hi && i < int(a.spec.Max); i++ {
			binary.LittleEndian.PutUint32(key[:], uint32(i))
			more = f(key[:], a.mem[i*step:][:size:size])
			next = i + 1
		}
	})
}

func arrayOf(m Map) *array {
	switch a := m.(type) {
	case *array:
		return a
	case *perCPUArray:
		return &a.array
	}
	return nil
}
