package pcaps

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// samplePrefix marks a path as the name of an embedded sample capture.
const samplePrefix = "sample:"

// input is one capture that can be opened, more than once if again is set.
type input struct {
	name  string
	again bool
	open  func() (io.ReadCloser, error)
}

// expand turns paths into inputs, in order: "-" is standard input,
// "sample:NAME" an embedded sample, a name that exists is that file, and any
// other name is a glob (filepath.Match's syntax), its matches sorted.
func expand(paths []string, stdin io.Reader) ([]input, error) {
	var ins []input
	usedStdin := false
	for _, path := range paths {
		switch {
		case path == "-":
			if usedStdin {
				return nil, fmt.Errorf("capture %q: standard input named twice", path)
			}
			usedStdin = true
			ins = append(ins, input{name: path, open: func() (io.ReadCloser, error) {
				return io.NopCloser(stdin), nil
			}})
		case strings.HasPrefix(path, samplePrefix):
			in, err := sampleInput(path)
			if err != nil {
				return nil, err
			}
			ins = append(ins, in)
		default:
			names := []string{path}
			if _, err := os.Lstat(path); err != nil && strings.ContainsAny(path, `*?[`) {
				names, err = filepath.Glob(path)
				if err != nil {
					return nil, fmt.Errorf("capture %q: %w", path, err)
				}
				if len(names) == 0 {
					return nil, fmt.Errorf("capture %q: no file matches", path)
				}
			}
			for _, name := range names {
				in, err := fileInput(name)
				if err != nil {
					return nil, err
				}
				ins = append(ins, in)
			}
		}
	}
	if len(ins) == 0 {
		return nil, fmt.Errorf("capture: none given")
	}
	return ins, nil
}

func fileInput(name string) (input, error) {
	st, err := os.Stat(name)
	if err != nil {
		return input{}, fmt.Errorf("capture %q: %w", name, cause(err))
	}
	if st.IsDir() {
		return input{}, fmt.Errorf("capture %q: is a directory, not a file", name)
	}
	return input{name: name, again: st.Mode().IsRegular(), open: func() (io.ReadCloser, error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, cause(err)
		}
		return f, nil
	}}, nil
}

// cause strips operation and path from an *os.PathError: the place is named
// already.
func cause(err error) error {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err
	}
	return err
}

// Magic numbers of the compressed formats: RFC 1952 section 2.3.1 and
// RFC 8878 sections 3.1.1 and 3.1.2 (a skippable frame may come first, as
// pzstd and seekable writers put it).
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// uncompressed wraps r with the decompressor its first bytes ask for; names
// don't count. close releases the decompressor.
func uncompressed(ctx context.Context, r io.Reader) (out io.Reader, close func(), err error) {
	var head [4]byte
	n, err := io.ReadFull(r, head[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, nil, err
	}
	r = io.MultiReader(bytes.NewReader(head[:n]), r)
	switch {
	case bytes.HasPrefix(head[:n], gzipMagic):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, fmt.Errorf("gzip: %w", noEOF(err))
		}
		return z, func() {}, nil
	case n == 4 && (bytes.Equal(head[:], zstdMagic) || binary.LittleEndian.Uint32(head[:])&^0xf == 0x184d2a50):
		// One goroutine less than the default: packets are consumed on the
		// same core, and the output does not depend on scheduling.
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, nil, fmt.Errorf("zstd: %w", noEOF(err))
		}
		return z, z.Close, nil
	}
	return r, func() {}, nil
}

// noEOF makes the end of input inside a header what it is: unexpected.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
