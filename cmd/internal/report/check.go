package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"jitnic/pcaps/outfile"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// named are the files that flags name, each with its flag.
func (o *Outputs) named() []Output {
	var out []Output
	for _, f := range append([]Output{{Flag: "--json", Path: o.JSON}, {Flag: "--csv", Path: o.CSV}, {Flag: "--html", Path: o.HTML}}, o.Other...) {
		if f.Path != "" {
			f.Path = o.Path(f.Path)
			out = append(out, f)
		}
	}
	return out
}

// Check is CheckFiles for a command that writes a document. Where this tells what was
// read, the sums begin.
func (o *Outputs) Check(c *cobra.Command, args []string) error {
	if err := o.CheckFiles(c, args); err != nil {
		return err
	}
	if o.told() {
		o.sums = sumsOf(o.inputs(c, args))
	}
	return nil
}

// CheckFiles says before anything is run which outputs can't be written: a long run
// shouldn't end with a mistyped folder. One output may go to stdout. No file is
// written twice, and none that another flag or an argument of the command names is
// written over.
func (o *Outputs) CheckFiles(c *cobra.Command, args []string) error {
	o.command, o.args, o.one = c, args, of(c)
	stdout := ""
	named := o.named()
	for _, f := range named {
		if toStdout(f.Path) {
			if stdout != "" {
				return fmt.Errorf("%s -, %s -: only one of them can go to stdout", stdout, f.Flag)
			}
			stdout = f.Flag
			continue
		}
		if err := writable(f); err != nil {
			return err
		}
	}
	if o.Dir != "" {
		if err := CheckDir(o.folder()); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
		for _, name := range append(slices.Clone(inFolder), o.Name) {
			named = append(named, Output{Flag: "--out", Path: filepath.Join(o.folder(), name)})
		}
	}
	inputs := o.inputs(c, args)
	for i, f := range named {
		if toStdout(f.Path) || f.Path == "" {
			continue
		}
		for _, g := range named[:i] {
			if !toStdout(g.Path) && same(f.Path, g.Path) && f.Flag != g.Flag {
				return fmt.Errorf("%s %s, %s %s: the same file twice", g.Flag, g.Path, f.Flag, f.Path)
			}
		}
		for _, in := range inputs {
			if f.Flag != InPlace && same(f.Path, in.Path) {
				return fmt.Errorf("%s %s: is what %s reads: an input is not written over", f.Flag, f.Path, in.Flag)
			}
		}
	}
	return nil
}

// InPlace is the flag of an output that takes an input's place.
const InPlace = "--in-place"

// inFolder are the names of a folder's files that an input could have, beside the
// JSON's.
var inFolder = []string{"report.html", "rows.csv", "attack.csv", "figures.csv", "this.host"}

// inputs are the files that flags and arguments name and that are not outputs.
func (o *Outputs) inputs(c *cobra.Command, args []string) []Output {
	outputs := map[string]bool{"--out": true}
	for _, f := range o.named() {
		outputs[f.Flag] = true
	}
	var in []Output
	add := func(flag, value string) {
		paths, err := filepath.Glob(value)
		if err != nil || len(paths) == 0 {
			paths = []string{value}
		}
		for _, p := range paths {
			if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() {
				in = append(in, Output{Flag: flag, Path: p})
			}
		}
	}
	if c != nil {
		c.Flags().Visit(func(f *pflag.Flag) {
			name := "--" + f.Name
			if outputs[name] || f.Shorthand != "" && outputs["-"+f.Shorthand] {
				return
			}
			if list, ok := f.Value.(pflag.SliceValue); ok {
				for _, v := range list.GetSlice() {
					add(name, v)
				}
				return
			}
			add(name, f.Value.String())
		})
	}
	for _, a := range args {
		add(a, a)
	}
	return in
}

// device says whether a path is there and is neither a file nor a folder.
func device(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.Mode().IsRegular() && !st.IsDir()
}

// same says whether two paths are one regular file, there or to come.
func same(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	if errX == nil && errY == nil {
		return x.Mode().IsRegular() && os.SameFile(x, y)
	}
	return errX != nil && errY != nil && place(a) == place(b)
}

// place is where a file that is not there will be: in the folder that it has in
// the end.
func place(path string) string {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		dir = filepath.Dir(path)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return path
	}
	return filepath.Join(dir, filepath.Base(path))
}

// writable says what keeps a file from being written.
func writable(f Output) error {
	if _, ok := outfile.Descriptor(f.Path); ok {
		return nil
	}
	if st, err := os.Stat(f.Path); err == nil && st.IsDir() {
		return fmt.Errorf("%s %q: is a directory, not a file", f.Flag, f.Path)
	}
	dir := filepath.Dir(f.Path)
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s %q: no such directory: %s", f.Flag, f.Path, dir)
	case err != nil:
		return fmt.Errorf("%s %q: %w", f.Flag, f.Path, outfile.Cause(err))
	case !st.IsDir():
		return fmt.Errorf("%s %q: %s is not a directory", f.Flag, f.Path, dir)
	}
	return nil
}

// CheckDir says early what would keep WriteDir from making dir.
func CheckDir(dir string) error {
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return fmt.Errorf("%s: not a folder", strings.TrimSuffix(dir, "/"))
	}
	return nil
}
