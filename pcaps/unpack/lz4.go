package unpack

import (
	"bufio"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"
)

// lz4Frames reads LZ4 frames behind one another, as `cat a.lz4 b.lz4` and
// lz4 --append make them.
type lz4Frames struct {
	r *bufio.Reader
	z *lz4.Reader
}

func openLZ4(r *bufio.Reader) (io.Reader, func(), error) {
	return &lz4Frames{r, lz4.NewReader(r)}, nothing, nil
}

func (l *lz4Frames) Read(p []byte) (int, error) {
	for {
		n, err := l.z.Read(p)
		if n > 0 || err != io.EOF {
			if err == io.EOF {
				err = nil // told by the next call
			}
			return n, err
		}
		if _, err := l.r.Peek(1); err != nil {
			return 0, err
		}
		head, _ := l.r.Peek(4)
		if !isLZ4(head) && !skippable(head) {
			return 0, fmt.Errorf("%d bytes behind the last frame that begin %x: not another frame", l.r.Buffered(), head)
		}
		l.z.Reset(l.r)
	}
}

func isLZ4(head []byte) bool {
	for _, f := range forms {
		if f.name == "lz4" && string(head) == string(f.magic) {
			return true
		}
	}
	return false
}
