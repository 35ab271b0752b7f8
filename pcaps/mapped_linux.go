package pcaps

import (
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapping is a capture file in the address space, as long as it was when it was
// opened. What is written to it (a header in front, a tag taken off) stays here.
type mapping struct {
	b []byte
}

// mapFile maps a plain file; nil where it can't be.
func mapFile(r io.Reader) *mapping {
	f, ok := r.(*os.File)
	if !ok {
		return nil
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() < mappedAtLeast || st.Size() != int64(int(st.Size())) {
		return nil
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil
	}
	return &mapping{b}
}

// near brings bytes from one place to another into memory. An error is told by
// whoever touches them.
func (m *mapping) near(from, to int) {
	from &^= os.Getpagesize() - 1
	if unix.Madvise(m.b[from:to], unix.MADV_POPULATE_READ) == unix.EINVAL { // Linux before 5.14
		unix.Madvise(m.b[from:to], unix.MADV_WILLNEED)
	}
}

// has says whether an address lies in the mapping.
func (m *mapping) has(addr uintptr) bool {
	return m != nil && addr-uintptr(unsafe.Pointer(unsafe.SliceData(m.b))) < uintptr(len(m.b))
}

// close gives the address space back.
func (m *mapping) close() {
	if m != nil {
		unix.Munmap(m.b)
		m.b = nil
	}
}
