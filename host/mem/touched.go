package mem

import (
	"encoding/binary"
	"os"
	"unsafe"
)

// span of memory that is looked at page by page; below it all is taken for
// touched.
const sparseFrom = 1 << 20

const pageBytes = 4096

// Touched calls f for the runs of b, ascending, in pages that were ever written
// to or read: all else is zero, and reading it would only cost. What the system
// doesn't tell (/proc/self/pagemap) counts as touched, as does a small b.
func Touched(b []byte, f func(lo, hi int)) {
	if len(b) < sparseFrom {
		f(0, len(b))
		return
	}
	pm, err := os.Open("/proc/self/pagemap")
	if err != nil {
		f(0, len(b))
		return
	}
	defer pm.Close()
	const present, swapped = 1 << 63, 1 << 62
	base := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	first, last := base/pageBytes, (base+uintptr(len(b))-1)/pageBytes
	buf := make([]byte, 8<<14)
	lo, hi := -1, -1
	flush := func() {
		if lo >= 0 {
			f(lo, hi)
		}
		lo = -1
	}
	for p := first; p <= last; {
		n := min(int(last-p+1), len(buf)/8)
		if _, err := pm.ReadAt(buf[:8*n], int64(p)*8); err != nil {
			flush()
			f(max(0, int(p*pageBytes)-int(base)), len(b))
			return
		}
		for i := range n {
			if binary.LittleEndian.Uint64(buf[8*i:])&(present|swapped) == 0 {
				flush()
				continue
			}
			at := int((p+uintptr(i))*pageBytes) - int(base)
			if lo < 0 {
				lo = max(0, at)
			}
			hi = min(len(b), at+pageBytes)
		}
		p += uintptr(n)
	}
	flush()
}
