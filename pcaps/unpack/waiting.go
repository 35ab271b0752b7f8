package unpack

import (
	"context"
	"io"
)

// waiting reads from r and stops waiting when ctx is cancelled: a read of a
// quiet pipe or terminal can't be interrupted otherwise. Reads are made by a
// goroutine into a buffer of its own; one that never returns is left behind.
type waiting struct {
	ctx  context.Context
	r    io.Reader
	buf  []byte
	rest []byte // of buf, not yet given out
	err  error
	done chan result
	busy bool
}

// result is what one read gave.
type result struct {
	n   int
	err error
}

// Waiting returns a reader of r whose Read returns ctx's error once ctx ends.
func Waiting(ctx context.Context, r io.Reader) io.Reader {
	return &waiting{ctx: ctx, r: r, buf: make([]byte, 1<<16), done: make(chan result, 1)}
}

// Read gives what has come, or the context's error.
func (w *waiting) Read(p []byte) (int, error) {
	if len(w.rest) == 0 && w.err == nil {
		if !w.busy {
			w.busy = true
			go func() {
				n, err := w.r.Read(w.buf)
				w.done <- result{n, err}
			}()
		}
		select {
		case <-w.ctx.Done():
			return 0, w.ctx.Err()
		case got := <-w.done:
			w.busy = false
			w.rest, w.err = w.buf[:got.n], got.err
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	if n == 0 {
		return 0, w.err
	}
	return n, nil
}
