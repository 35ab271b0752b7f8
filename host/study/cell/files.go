package cell

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"jitnic/host/study/spec"
	"jitnic/pcaps/samples"
)

// Files is where a study's inputs are from: a folder here, or a file system
// elsewhere.
type Files interface {
	// Glob lists the files that match, sorted.
	Glob(pattern string) ([]string, error)
	// Sum is a file's sha256 and size.
	Sum(path string) (sum string, size int64, err error)
	// Local is a path on this machine with the file's contents.
	Local(path string) (string, error)
}

type summed struct {
	sum  string
	size int64
}

// builtIn says whether a name stands for itself, and for no file.
func builtIn(p string) bool {
	return strings.HasPrefix(p, "sample:") || strings.HasPrefix(p, "filter:")
}

// at is a path of the study's folder.
func (r *resolver) at(p string) string {
	if filepath.IsAbs(p) || strings.Contains(p, "://") || builtIn(p) {
		return p
	}
	return filepath.Join(r.study.Dir, p)
}

// name is what rows call a file: as the study names it, without folders of an
// absolute path.
func (r *resolver) name(p string) string {
	if builtIn(p) {
		return p
	}
	if rel, err := filepath.Rel(r.study.Dir, p); err == nil && !filepath.IsAbs(p) && !strings.Contains(p, "://") {
		return filepath.ToSlash(rel)
	}
	return path.Base(filepath.ToSlash(p))
}

func (r *resolver) sum(p string) (summed, error) {
	if s, ok := r.sums[p]; ok {
		return s, nil
	}
	var s summed
	var err error
	if name, ok := strings.CutPrefix(p, "sample:"); ok {
		var in io.Reader
		if in, err = samples.Open(name); err == nil {
			s, err = sumOf(in)
		}
	} else {
		s.sum, s.size, err = r.files.Sum(p)
	}
	if err != nil {
		return s, err
	}
	r.sums[p] = s
	return s, nil
}

func sumOf(in io.Reader) (summed, error) {
	h := sha256.New()
	n, err := io.Copy(h, in)
	return summed{hex.EncodeToString(h.Sum(nil)), n}, err
}

// expand lists what a name stands for.
func (r *resolver) expand(at spec.Place, name string) ([]string, error) {
	p := r.at(name)
	if !strings.ContainsAny(p, "*?[") || builtIn(p) {
		return []string{p}, nil
	}
	out, err := r.files.Glob(p)
	if err != nil {
		return nil, at.Fail(fmt.Errorf("%s: %w", name, err))
	}
	if len(out) == 0 {
		return nil, at.Fail(fmt.Errorf("%s: nothing matches", name))
	}
	return out, nil
}

// there says whether any file is there of those that are named.
func (r *resolver) there(names []string) bool {
	for _, n := range names {
		if found, err := r.files.Glob(r.at(n)); builtIn(n) || err == nil && len(found) > 0 {
			return true
		}
	}
	return len(names) == 0
}

// Folder is the files of this machine. Sums of large files are kept in Cache, by
// name, size and time of change, where it is set.
type Folder struct {
	Known func(path string, st os.FileInfo) (sum string, ok bool)
	Learn func(path string, st os.FileInfo, sum string)
}

// Glob lists the files that match.
func (Folder) Glob(pattern string) ([]string, error) {
	out, err := filepath.Glob(pattern)
	slices.Sort(out)
	return out, err
}

// Local is the path itself.
func (Folder) Local(path string) (string, error) { return path, nil }

// Sum reads the file.
func (f Folder) Sum(path string) (string, int64, error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", 0, err
	}
	if !st.Mode().IsRegular() {
		return "", 0, fmt.Errorf("%s: %w", path, errors.New("not a regular file: a study reads its inputs more than once"))
	}
	if f.Known != nil {
		if sum, ok := f.Known(path, st); ok {
			return sum, st.Size(), nil
		}
	}
	in, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer in.Close()
	s, err := sumOf(in)
	if err != nil {
		return "", 0, err
	}
	if f.Learn != nil {
		f.Learn(path, st, s.sum)
	}
	return s.sum, s.size, nil
}
