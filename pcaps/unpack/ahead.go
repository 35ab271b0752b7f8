package unpack

import "io"

const (
	aheadBlocks = 8         // that Ahead holds
	aheadSize   = 128 << 10 // bytes of each: two fit the L2 cache of the core they are made on
)

// newAhead reads r in a goroutine of its own, a megabyte ahead of its caller,
// so that reading and decompressing cost the caller no time where there is a
// second core. The bytes are the same. Close stops the goroutine and waits for
// the Read of r that it may be in.
func newAhead(r io.Reader) *ahead {
	a := &ahead{full: make(chan block, aheadBlocks), free: make(chan []byte, aheadBlocks), done: make(chan struct{})}
	for range aheadBlocks {
		a.free <- make([]byte, aheadSize)
	}
	go a.fill(r)
	return a
}

// block is what one Read gave.
type block struct {
	b   []byte
	err error
}

type ahead struct {
	full chan block
	free chan []byte
	done chan struct{} // closed by Close

	cur  block
	rest []byte // of cur, not yet given out
}

func (a *ahead) fill(r io.Reader) {
	defer close(a.full)
	for {
		var buf []byte
		select {
		case <-a.done:
			return
		case buf = <-a.free:
		}
		n, err := readSome(r, buf)
		a.full <- block{buf[:n], err} // never blocks: there is room for all blocks
		if err != nil {
			return
		}
	}
}

// readSome reads until at least half of buf is full: decompressors give what
// they have, and handing over costs more than a copy.
func readSome(r io.Reader, buf []byte) (n int, err error) {
	for empty := 0; n < len(buf)/2 && err == nil; {
		var m int
		m, err = r.Read(buf[n:])
		if n += m; m > 0 {
			empty = 0
		} else if empty++; empty > 100 && err == nil {
			err = io.ErrNoProgress
		}
	}
	return n, err
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.cur.err != nil {
			return 0, a.cur.err
		}
		if a.cur.b != nil {
			a.free <- a.cur.b[:cap(a.cur.b)]
			a.cur.b = nil
		}
		next, ok := <-a.full
		if !ok {
			return 0, io.ErrClosedPipe
		}
		a.cur, a.rest = next, next.b
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func (a *ahead) Close() error {
	close(a.done)
	for range a.full {
	}
	return nil
}
