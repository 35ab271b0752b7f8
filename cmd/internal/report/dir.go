package report

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"jitnic/pcaps/outfile"
)

// A File is a file of a folder that WriteDir makes.
type File struct {
	Name  string
	Write func(w io.Writer) error
}

// WriteDir makes files appear in dir all at once or not at all: they are
// written in a folder beside it, which then becomes dir. Where dir is there
// already, each file moves into it whole when all are written, and what else is
// in it stays; what is a link or a device there is written into.
func WriteDir(dir string, files []File) error {
	dir = filepath.Clean(dir)
	fail := func(err error) error { return fmt.Errorf("%s: %w", dir, outfile.Cause(err)) }
	if err := CheckDir(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return fail(err)
	}
	tmp, err := folderBeside(dir)
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
	if _, err := os.Stat(dir); err != nil {
		if err := os.Rename(tmp, dir); err != nil {
			return fail(err)
		}
		return nil
	}
	for _, f := range files {
		from, to := filepath.Join(tmp, f.Name), filepath.Join(dir, f.Name)
		if st, err := os.Lstat(to); err == nil && !st.Mode().IsRegular() {
			if err := outfile.Write(to, func(w *outfile.File) error { return pour(w, from) }); err != nil {
				return err
			}
			continue
		}
		if err := os.Rename(from, to); err != nil {
			return fail(err)
		}
	}
	return nil
}

// folderBeside makes a folder that no other has the name of, with the permissions
// that the umask leaves.
func folderBeside(dir string) (string, error) {
	for {
		tmp := filepath.Join(filepath.Dir(dir), fmt.Sprintf(".jitnic-%08x", rand.Uint32()))
		if err := os.Mkdir(tmp, 0o777); !errors.Is(err, fs.ErrExist) {
			return tmp, err
		}
	}
}

// pour copies a file to w.
func pour(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
