package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	jitnic "jitnic/host/study/store"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
)

// join is a file of a folder, which may be of another machine.
func join(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }

// remote says whether a path is of a file system elsewhere.
func remote(path string) bool { return strings.Contains(path, "://") }

// store keeps cells through Beam's file systems.
type store struct {
	ctx context.Context
	dir string
}

func (s *store) path(name string) string { return join(s.dir, name[:2]+"/"+name) }

func (s *store) fail(name string, err error) error {
	return &jitnic.Failure{Err: fmt.Errorf("%s: %w", s.path(name), err)}
}

// Open reads a file.
func (s *store) Open(name string) (io.ReadCloser, error) {
	f, err := filesystem.New(s.ctx, s.dir)
	if err != nil {
		return nil, s.fail(name, err)
	}
	defer f.Close()
	r, err := f.OpenRead(s.ctx, s.path(name))
	if err == nil {
		return r, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if all, e := f.List(s.ctx, s.path(name)); e == nil && len(all) == 0 {
		return nil, fs.ErrNotExist
	}
	return nil, s.fail(name, err)
}

// Write makes a file: beside its place, and renamed where the file system can do
// that; an object of a bucket is whole or not there anyway.
func (s *store) Write(name string, fill func(w io.Writer) error) error {
	f, err := filesystem.New(s.ctx, s.dir)
	if err != nil {
		return s.fail(name, err)
	}
	defer f.Close()
	to := s.path(name)
	at := to
	mover, moves := f.(filesystem.Renamer)
	if moves && !remote(s.dir) {
		at = join(s.dir, fmt.Sprintf("%s/.half-%s-%08x", name[:2], name, rand.Uint32()))
	}
	// It is filled first: an object that was begun may not be given up everywhere.
	tmp, err := os.CreateTemp("", "jitnic-beam-")
	if err != nil {
		return s.fail(name, err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := fill(tmp); err != nil {
		return err
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return s.fail(name, err)
	}
	w, err := f.OpenWrite(s.ctx, at)
	if err != nil {
		return s.fail(name, err)
	}
	if _, err := io.Copy(w, tmp); err != nil {
		w.Close()
		return s.fail(name, err)
	}
	if err := w.Close(); err != nil {
		return s.fail(name, err)
	}
	if at != to {
		if err := mover.Rename(s.ctx, at, to); err != nil {
			return s.fail(name, err)
		}
	}
	return nil
}

// Remove takes a file away.
func (s *store) Remove(name string) error {
	f, err := filesystem.New(s.ctx, s.dir)
	if err != nil {
		return s.fail(name, err)
	}
	defer f.Close()
	if all, err := f.List(s.ctx, s.path(name)); err != nil || len(all) == 0 {
		return nil // what can't be listed isn't there, or shows when it is read
	}
	r, ok := f.(filesystem.Remover)
	if !ok {
		return s.fail(name, errors.New("this file system removes nothing"))
	}
	if err := r.Remove(s.ctx, s.path(name)); err != nil {
		return s.fail(name, err)
	}
	return nil
}

// Lock does nothing: a runner gives an element to one worker, and where it tries one
// again beside itself, both write the same bytes.
func (s *store) Lock(string) (func(), error) { return func() {}, nil }

// files are a study's inputs, here or elsewhere.
type files struct {
	ctx context.Context
	dir string            // of copies
	at  map[string]string // copy of a path
}

// Close removes the copies.
func (f *files) Close() {
	if f.dir != "" {
		os.RemoveAll(f.dir)
	}
}

// Glob lists the files that match.
func (f *files) Glob(pattern string) ([]string, error) {
	x, err := filesystem.New(f.ctx, pattern)
	if err != nil {
		return nil, err
	}
	defer x.Close()
	out, err := x.List(f.ctx, pattern)
	slices.Sort(out)
	return out, err
}

// Sum reads a file for its hash.
func (f *files) Sum(path string) (string, int64, error) {
	x, err := filesystem.New(f.ctx, path)
	if err != nil {
		return "", 0, err
	}
	defer x.Close()
	r, err := x.OpenRead(f.ctx, path)
	if err != nil {
		return "", 0, err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, r)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// Local copies a file of elsewhere to this machine.
func (f *files) Local(path string) (string, error) {
	if !remote(path) {
		return path, nil
	}
	if to, ok := f.at[path]; ok {
		return to, nil
	}
	if f.dir == "" {
		dir, err := os.MkdirTemp("", "jitnic-beam-")
		if err != nil {
			return "", err
		}
		f.dir, f.at = dir, map[string]string{}
	}
	x, err := filesystem.New(f.ctx, path)
	if err != nil {
		return "", err
	}
	defer x.Close()
	r, err := x.OpenRead(f.ctx, path)
	if err != nil {
		return "", err
	}
	defer r.Close()
	to := filepath.Join(f.dir, fmt.Sprintf("%d-%s", len(f.at), filepath.Base(path)))
	w, err := os.Create(to)
	if err != nil {
		return "", err
	}
	defer w.Close()
	if _, err := io.Copy(w, r); err != nil {
		return "", err
	}
	f.at[path] = to
	return to, w.Close()
}
