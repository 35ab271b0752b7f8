// Package outfile writes files without destroying any. It knows nothing of what
// is written, so that every room may use it:
//
//	regular file, or a name that is free   appears whole or not at all
//	symbolic link                          stays; what it leads to is written as such
//	device, FIFO, socket, /dev/fd/N        is written into
//
// A new file's permissions are what the umask leaves, a replaced one keeps its own.
package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A File is one that is being written. What was written before Close is nobody's
// to see, unless it is a device or the like.
type File struct {
	*os.File
	target string // what Close renames the file to; "": it is written into
	path   string
	mode   fs.FileMode // of the file that is replaced; 0: none
	done   bool
}

// patience is how long a FIFO without a reader is waited for.
const patience = time.Second

// Create begins to write a file. Errors name the cause alone: the caller names the
// path as its user gave it.
func Create(path string) (*File, error) {
	if fd, ok := Descriptor(path); ok {
		n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, err
		}
		return &File{File: os.NewFile(uintptr(n), path), path: path}, nil
	}
	target, err := resolve(path)
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return begin(path, target, 0)
	case err != nil:
		return nil, Cause(err)
	case st.IsDir():
		return nil, errors.New("is a directory, not a file")
	case st.Mode().IsRegular():
		if err := unix.Access(target, unix.W_OK); err != nil { // a rename would not ask
			return nil, err
		}
		return begin(path, target, st.Mode().Perm())
	}
	f, err := into(target)
	if err != nil {
		return nil, err
	}
	return &File{File: f, path: path}, nil
}

// begin makes the file that will take target's place.
func begin(path, target string, mode fs.FileMode) (*File, error) {
	for {
		name := filepath.Join(filepath.Dir(target), fmt.Sprintf(".%s.%08x", filepath.Base(target), rand.Uint32()))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, Cause(err)
		}
		return &File{File: f, target: target, path: path, mode: mode}, nil
	}
}

// into opens what is no regular file. A FIFO that nobody reads is waited for, but
// not for long: an open that waits can't be interrupted.
func into(path string) (*os.File, error) {
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, unix.ENXIO):
			return nil, Cause(err)
		case time.Now().After(end):
			return nil, errors.New("nobody reads this FIFO or socket")
		}
	}
}

var descriptor = regexp.MustCompile(`^/(?:dev/fd|proc/self/fd)/(\d+)$`)

// Descriptor is the number of the open file that a path like /dev/stdout or
// /dev/fd/3 stands for.
func Descriptor(path string) (fd int, ok bool) {
	switch path = filepath.Clean(path); path {
	case "/dev/stdin":
		return 0, true
	case "/dev/stdout":
		return 1, true
	case "/dev/stderr":
		return 2, true
	}
	m := descriptor.FindStringSubmatch(path)
	if m == nil {
		return 0, false
	}
	fd, err := strconv.Atoi(m[1])
	return fd, err == nil
}

// resolve follows symbolic links, the last of which may lead to nothing yet.
func resolve(path string) (string, error) {
	for range 40 {
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil // no link; what else is wrong shows when it is opened
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", unix.ELOOP
}

// Close ends the writing: a regular file takes its place.
func (f *File) Close() error {
	if f.done {
		return nil
	}
	f.done = true
	var err error
	if f.mode != 0 {
		err = f.Chmod(f.mode)
	}
	if e := f.File.Close(); err == nil {
		err = e
	}
	if f.target == "" {
		return Cause(err)
	}
	if err == nil {
		err = os.Rename(f.Name(), f.target)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return Cause(err)
}

// Abort gives the file up: a regular one is as it was, or is not there. After
// Close it does nothing.
func (f *File) Abort() {
	if f.done {
		return
	}
	f.done = true
	f.File.Close()
	if f.target != "" {
		os.Remove(f.Name())
	}
}

// Write writes what fill gives.
func Write(path string, fill func(f *File) error) error {
	f, err := Create(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer f.Abort()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Cause drops the operation and the name of a temporary file from an error of os.
func Cause(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}
