package pcaps

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"jitnic/pcaps/unpack"
)

// samplePrefix marks a path as the name of an embedded sample capture.
const samplePrefix = "sample:"

// input is one capture that can be opened, more than once if again is set.
type input struct {
	name  string
	again bool
	open  unpack.Opener
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
			ins = append(ins, input{name: path, open: unpack.Stdin(stdin)})
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
		return input{}, fmt.Errorf("capture %q: %w", name, unpack.Cause(err))
	}
	if st.IsDir() {
		return input{}, fmt.Errorf("capture %q: is a directory, not a file", name)
	}
	return input{name: name, again: st.Mode().IsRegular(), open: unpack.File(name)}, nil
}
