package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A File is a file of a folder that WriteDir makes.
type File struct {
	Name  string
	Write func(w io.Writer) error
}

// CheckDir says early what would keep WriteDir from making dir.
func CheckDir(dir string) error {
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return fmt.Errorf("%s: not a folder", dir)
	}
	return nil
}

// WriteDir makes files appear in dir all at once or not at all: they are
// written in a folder beside it, which then becomes dir. Where dir is there
// already, each file moves into it whole when all are written, and what else is
// in it stays.
func WriteDir(dir string, files []File) error {
	dir = filepath.Clean(dir)
	fail := func(err error) error { return fmt.Errorf("%s: %w", dir, unwrapPath(err)) }
	if err := CheckDir(dir); err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fail(err)
	}
	tmp, err := os.MkdirTemp(parent, ".jitnic-*")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(tmp) // no such folder once it is renamed
	for _, f := range files {
		w, err := os.Create(filepath.Join(tmp, f.Name))
		if err != nil {
			return fail(err)
		}
		if err := f.Write(w); err != nil {
			w.Close()
			return fmt.Errorf("%s: %w", filepath.Join(dir, f.Name), err)
		}
		if err := w.Close(); err != nil {
			return fail(err)
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fail(err)
	}
	if _, err := os.Stat(dir); err != nil {
		if err := os.Rename(tmp, dir); err != nil {
			return fail(err)
		}
		return nil
	}
	for _, f := range files {
		if err := os.Rename(filepath.Join(tmp, f.Name), filepath.Join(dir, f.Name)); err != nil {
			return fail(err)
		}
	}
	return nil
}
