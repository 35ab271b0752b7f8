package unpack

import (
	"context"
	"io"
)

// An Opener opens packed bytes; waiting in it and in its Read ends with ctx.
type Opener func(ctx context.Context) (io.ReadCloser, error)

// Reader gives the unpacked bytes of one file.
type Reader struct {
	io.Reader
	// Form is the name of the packed form, "" for plain bytes.
	Form string

	closers []func()
	file    io.Reader
}

// Plain is the file itself where all of its bytes are what is read, else nil.
func (z *Reader) Plain() io.Reader { return z.file }

// Start opens a file and looks at its first bytes. With jobs above 1 what is
// packed is read and unpacked in a goroutine of its own; plain bytes cost less
// to read than to hand over.
func Start(ctx context.Context, open Opener, jobs int) (*Reader, error) {
	ctx, cancel := context.WithCancel(ctx)
	z := &Reader{}
	f, err := open(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	z.closers = append(z.closers, func() { f.Close() })
	in, form, release, err := New(f)
	if err != nil {
		cancel()
		z.Close()
		return nil, err
	}
	z.Reader, z.Form = in, form
	if p, ok := in.(*plain); ok && !p.late {
		z.file = f
	}
	z.closers = append(z.closers, release)
	if jobs > 1 && form != "" {
		a := newAhead(in)
		z.Reader = a
		z.closers = append(z.closers, func() { a.Close() })
	}
	// First of all what is waited for is let go, so that nobody waits here.
	z.closers = append(z.closers, cancel)
	return z, nil
}

// Close gives back the file and what unpacked it.
func (z *Reader) Close() error {
	for i := len(z.closers) - 1; i >= 0; i-- {
		z.closers[i]()
	}
	z.closers = nil
	return nil
}
