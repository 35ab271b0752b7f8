package unpack

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// readSize is one read(2) of compressed bytes.
const readSize = 256 << 10

// zstdWindow bounds the memory a zstd frame may ask for: zstd --long's 128 MiB.
const zstdWindow = 128 << 20

// A form is a way of packing, told by its first bytes.
type form struct {
	name  string
	magic []byte
	open  func(r *bufio.Reader) (io.Reader, func(), error)
}

// forms by their magic numbers: RFC 1952 section 2.3.1; RFC 8878 section
// 3.1.1; the .xz file format 1.2.1 section 2.1.1.1; bzip2's "BZh"; the LZ4
// frame format 1.6.1, and its legacy frames.
var forms = []form{
	{"gzip", []byte{0x1f, 0x8b}, openGzip},
	{"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd}, openZstd},
	{"xz", []byte{0xfd, '7', 'z', 'X', 'Z', 0}, openXZ},
	{"bzip2", []byte("BZh"), openBzip2},
	{"lz4", []byte{0x04, 0x22, 0x4d, 0x18}, openLZ4},
	{"lz4", []byte{0x02, 0x21, 0x4c, 0x18}, openLZ4},
}

// foreign are packed forms that are not read, with what to do about it.
var foreign = []struct {
	what  string
	magic []byte
}{
	{"a zip archive: unpack it first", []byte("PK\x03\x04")},
	{"a 7z archive: unpack it first", []byte{'7', 'z', 0xbc, 0xaf, 0x27, 0x1c}},
	{"a rar archive: unpack it first", []byte("Rar!\x1a\x07")},
	{"packed by compress(1): unpack it with uncompress or gzip -d first", []byte{0x1f, 0x9d}},
}

// skippable says whether b begins with a frame that both zstd (RFC 8878
// section 3.1.2) and lz4 pass over.
func skippable(b []byte) bool {
	return len(b) >= 4 && binary.LittleEndian.Uint32(b)&^0xf == 0x184d2a50
}

// New returns the bytes that r holds, and the name of the packed form, "" for
// plain bytes. release gives the decompressor back; it does not close r.
func New(r io.Reader) (out io.Reader, name string, release func(), err error) {
	skipped := false
	b := bufio.NewReaderSize(r, 512) // long enough for what opens packed forms
	for {
		head, err := b.Peek(8)
		if err != nil && err != io.EOF {
			return nil, "", nil, err
		}
		if !skippable(head) {
			break
		}
		if len(head) < 8 {
			return nil, "", nil, fmt.Errorf("skippable frame cut short: %w", io.ErrUnexpectedEOF)
		}
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		if _, err := io.CopyN(io.Discard, b, 8+size); err != nil {
			return nil, "", nil, fmt.Errorf("skippable frame of %d bytes: %w", size, noEOF(err))
		}
		skipped = true
	}
	head, _ := b.Peek(8)
	for _, f := range foreign {
		if bytes.HasPrefix(head, f.magic) {
			return nil, "", nil, errors.New(f.what)
		}
	}
	for _, f := range forms {
		if !bytes.HasPrefix(head, f.magic) {
			continue
		}
		z, release, err := f.open(bufio.NewReaderSize(b, readSize))
		if err != nil {
			return nil, "", nil, f.wrap(err)
		}
		return &named{z, f}, f.name, release, nil
	}
	return &plain{b, r, skipped}, "", func() {}, nil
}

// plain gives what was looked at and then the rest, without a copy between.
type plain struct {
	seen *bufio.Reader
	rest io.Reader
	late bool // a frame to be passed over stood before
}

func (p *plain) Read(b []byte) (int, error) {
	if p.seen.Buffered() > 0 {
		return p.seen.Read(b)
	}
	return p.rest.Read(b)
}

// wrap names the packed form once; libraries differ in whether they do.
func (f *form) wrap(err error) error {
	err = noEOF(err)
	if text := err.Error(); len(text) > len(f.name) && text[:len(f.name)+1] == f.name+":" {
		return err
	}
	return fmt.Errorf("%s: %w", f.name, err)
}

// named gives errors of the decompressor the name of what it unpacks.
type named struct {
	io.Reader
	form form
}

func (n *named) Read(p []byte) (int, error) {
	k, err := n.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = n.form.wrap(err)
	}
	return k, err
}

// noEOF makes the end of input inside a header what it is: unexpected.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func nothing() {}

func openZstd(r *bufio.Reader) (io.Reader, func(), error) {
	// One goroutine less than the default: Start may use one already, and the
	// output does not depend on scheduling.
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
	if err != nil {
		return nil, nil, err
	}
	return z, z.Close, nil
}

func openXZ(r *bufio.Reader) (io.Reader, func(), error) {
	z, err := xz.NewReader(r)
	return z, nothing, err
}

func openBzip2(r *bufio.Reader) (io.Reader, func(), error) {
	return bzip2.NewReader(r), nothing, nil
}
