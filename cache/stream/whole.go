package stream

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// whole gives all that a reader has: mapped where it is a regular file read from
// its beginning, so that nothing is copied, else in memory. release ends the use
// of the bytes.
func whole(in io.Reader) (b []byte, release func(), err error) {
	if f, ok := in.(*os.File); ok {
		if b, release, ok := mapped(f); ok {
			return b, release, nil
		}
	}
	if r, ok := in.(*bytes.Reader); ok {
		b = make([]byte, 0, r.Len())
	}
	buf := bytes.NewBuffer(b)
	if _, err := buf.ReadFrom(in); err != nil {
		return nil, nil, err
	}
	return buf.Bytes(), func() {}, nil
}

func mapped(f *os.File) (b []byte, release func(), ok bool) {
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() == 0 || st.Size() != int64(int(st.Size())) {
		return nil, nil, false
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return nil, nil, false
	}
	b, err = unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil, false
	}
	_ = unix.Madvise(b, unix.MADV_SEQUENTIAL)
	return b, func() { _ = unix.Munmap(b) }, true
}
