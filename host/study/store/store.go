// Package store keeps what cells of studies gave, by the hash of all that made it.
//
// A [Store] is files with names; each appears whole or not at all. [Folder] is one
// on this machine: files are written beside their place and renamed, what a killed
// run left behind is swept by the next one, and a cell is locked while it is made,
// so that two runs on one folder share the work. Nothing is synced: what a crash of
// the machine leaves behind is told by its checksums and made again.
package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"jitnic/pcaps/outfile"

	"golang.org/x/sys/unix"
)

// ErrBusy is the error of a lock that another holds.
var ErrBusy = errors.New("another run is at it")

// A Store keeps files by name. Names are an address, a dot and a kind.
type Store interface {
	// Open reads a file; fs.ErrNotExist where there is none.
	Open(name string) (io.ReadCloser, error)
	// Write makes a file of what fill writes, whole or not at all. A file that is
	// there is replaced.
	Write(name string, fill func(w io.Writer) error) error
	// Remove takes a file away; that there is none is no error.
	Remove(name string) error
	// Lock keeps others from an address until unlock is called; ErrBusy where
	// another holds it.
	Lock(address string) (unlock func(), err error)
}

// A Failure is an error of the store itself, not of a cell: a full disk, a folder
// that can't be written. A run ends with it.
type Failure struct{ Err error }

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Folder is a store on this machine.
type Folder struct {
	dir string
}

// OpenFolder opens one, and makes it where there is none. What killed runs left
// half written is removed.
func OpenFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, outfile.Cause(err))
	}
	f := &Folder{dir: dir}
	f.sweep()
	return f, nil
}

// Dir is where it is.
func (f *Folder) Dir() string { return f.dir }

func (f *Folder) path(name string) string {
	return filepath.Join(f.dir, name[:min(2, len(name))], name)
}

// Open reads a file.
func (f *Folder) Open(name string) (io.ReadCloser, error) {
	r, err := os.Open(f.path(name))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fs.ErrNotExist
		}
		return nil, &Failure{fmt.Errorf("%s: %w", f.path(name), outfile.Cause(err))}
	}
	return r, nil
}

// half is how names of files begin that are being written. Their writer holds a
// lock on them: without one, nobody will end them.
const half = ".half-"

// Write makes a file.
func (f *Folder) Write(name string, fill func(w io.Writer) error) error {
	to := f.path(name)
	fail := func(err error) error { return &Failure{fmt.Errorf("%s: %w", to, outfile.Cause(err))} }
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return fail(err)
	}
	tmp := filepath.Join(filepath.Dir(to), fmt.Sprintf("%s%s-%08x", half, name, rand.Uint32()))
	w, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fail(err)
	}
	defer w.Close()
	if err := unix.Flock(int(w.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		os.Remove(tmp)
		return fail(err)
	}
	disk := &diskWriter{w: w}
	err = fill(disk)
	if disk.err != nil { // whatever fill made of it
		os.Remove(tmp)
		return fail(disk.err)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, to); err != nil {
		os.Remove(tmp)
		return fail(err)
	}
	return nil
}

// diskWriter remembers that the disk is at fault, and not who writes.
type diskWriter struct {
	w   io.Writer
	err error
}

func (d *diskWriter) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	if err != nil {
		d.err = err
	}
	return n, err
}

// Remove takes a file away.
func (f *Folder) Remove(name string) error {
	if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &Failure{fmt.Errorf("%s: %w", f.path(name), outfile.Cause(err))}
	}
	return nil
}

// Lock takes the lock of an address: a byte of the file "lock" whose place is the
// beginning of the address. Locks end with the process that holds them.
func (f *Folder) Lock(address string) (func(), error) {
	path := filepath.Join(f.dir, "lock")
	fail := func(err error) error { return &Failure{fmt.Errorf("%s: %w", path, outfile.Cause(err))} }
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fail(err)
	}
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: placeOf(address), Len: 1}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &l); err != nil {
		file.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			return nil, ErrBusy
		}
		return nil, fail(err)
	}
	return func() { file.Close() }, nil
}

// placeOf is a number of 62 bits for an address.
func placeOf(address string) int64 {
	b, err := hex.DecodeString(address[:min(16, len(address))])
	var n int64
	if err != nil { // no hash: any number of its own will do
		b = []byte(address)
	}
	for _, x := range b {
		n = n<<8 ^ int64(x)
	}
	return n & (1<<62 - 1)
}

// sweep removes what killed runs left half written.
func (f *Folder) sweep() {
	left, err := filepath.Glob(filepath.Join(f.dir, "*", half+"*"))
	if err != nil {
		return // the pattern is fixed
	}
	for _, path := range left {
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		if unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.Remove(path)
		}
		file.Close()
	}
}

// Names lists the files of a kind, for those who look at what there is.
func (f *Folder) Names(kind string) []string {
	all, err := filepath.Glob(filepath.Join(f.dir, "*", "*."+kind))
	if err != nil {
		return nil
	}
	var out []string
	for _, p := range all {
		if b := filepath.Base(p); !strings.HasPrefix(b, half) {
			out = append(out, b)
		}
	}
	return out
}
