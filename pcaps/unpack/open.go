package unpack

import (
	"context"
	"io"
	"os"
)

// Stdin is the Opener of standard input, or of what stands for it.
func Stdin(stdin io.Reader) Opener {
	return func(ctx context.Context) (io.ReadCloser, error) {
		return io.NopCloser(Waiting(ctx, stdin)), nil
	}
}

// File is the Opener of the file called name. What may make its reader wait (a
// pipe, a terminal) is waited for only until ctx ends. An error of the file
// itself comes without its name.
func File(name string) Opener {
	return func(ctx context.Context) (io.ReadCloser, error) { return open(ctx, name) }
}

func open(ctx context.Context, name string) (io.ReadCloser, error) {
	st, err := os.Stat(name)
	if err != nil {
		return nil, Cause(err)
	}
	if st.Mode().IsRegular() {
		f, err := os.Open(name)
		if err != nil {
			return nil, Cause(err)
		}
		return f, nil
	}
	return openWaiting(ctx, name)
}

// opened is what one os.Open gave.
type opened struct {
	f   *os.File
	err error
}

// openWaiting opens what may block in open(2) already: a FIFO nobody writes
// to. A call that never returns is left behind.
func openWaiting(ctx context.Context, name string) (io.ReadCloser, error) {
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(name)
		done <- opened{f, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case got := <-done:
		if got.err != nil {
			return nil, Cause(got.err)
		}
		return &waitingFile{Waiting(ctx, got.f), got.f}, nil
	}
}

type waitingFile struct {
	io.Reader
	f *os.File
}

func (w *waitingFile) Close() error { return w.f.Close() }

// Cause strips operation and path from an *os.PathError: whoever reports it
// names the place.
func Cause(err error) error {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err
	}
	return err
}
