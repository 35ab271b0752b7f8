package session

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Output is a file that a flag asks for.
type Output struct{ Flag, Path string }

// CheckOutputs says before anything is run which outputs can't be written: a
// long replay shouldn't end with a mistyped folder. Only one output may go to
// stdout ("-"); no path means no output.
func CheckOutputs(outs ...Output) error {
	stdout := ""
	for _, o := range outs {
		switch {
		case o.Path == "":
			continue
		case o.Path == "-" && stdout != "":
			return fmt.Errorf("%s -, %s -: only one of them can go to stdout", stdout, o.Flag)
		case o.Path == "-":
			stdout = o.Flag
			continue
		}
		if st, err := os.Stat(o.Path); err == nil && st.IsDir() {
			return fmt.Errorf("%s %q: is a directory, not a file", o.Flag, o.Path)
		}
		dir := filepath.Dir(o.Path)
		st, err := os.Stat(dir)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return fmt.Errorf("%s %q: no such directory: %s", o.Flag, o.Path, dir)
		case err != nil:
			return fmt.Errorf("%s %q: %w", o.Flag, o.Path, cause(err))
		case !st.IsDir():
			return fmt.Errorf("%s %q: %s is not a directory", o.Flag, o.Path, dir)
		}
	}
	return nil
}

// cause drops the operation and the path from an error of os: the message
// names the place already.
func cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
