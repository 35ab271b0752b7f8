package superoptcmd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"jitnic/host/kernel/pair"
	"jitnic/host/loader/objfile"
	"jitnic/host/loader/xdpfilter"
	"jitnic/superopt"
	"jitnic/superopt/format"
	"jitnic/superopt/kernelcheck"
	"jitnic/superopt/object"
)

// unit is what is optimised at once: a function of an object, or the one
// program of a text or image.
type unit struct {
	name, section string
	prog          *superopt.Prog
	err           error // why it stays as it is
}

// input is a file of any of the formats.
type input struct {
	path   string
	object bool // of several functions, each of which may stay as it is
	units  []*unit
	// write gives the file with new programs in the place of the units', in
	// order; nil keeps one as it was.
	write func(progs []*superopt.Prog, pad bool) ([]byte, error)
	// kernel compares that file with the original in the running kernel, by the
	// names of its programs; "" stands for all where none could be asked about.
	kernel func(ctx context.Context, out []byte, progs []*superopt.Prog, opt pair.Options) map[string]pair.Outcome
}

// cost is what is made small where nothing else is said: K2's formats are for
// comparisons with K2, which counts.
func (in *input) cost() string {
	if in.object {
		return "balanced"
	}
	return "count"
}

// open reads a file; the ending of its name says which format it has.
func open(path string) (*input, error) {
	if expr, ok := strings.CutPrefix(path, xdpfilter.Prefix); ok {
		return openFilter(path, expr)
	}
	if strings.HasPrefix(filepath.Ext(path), ".o") || filepath.Ext(path) == "" {
		return openObject(path)
	}
	return openText(path)
}

func openObject(path string) (*input, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, pathError(path, err)
	}
	return ofObject(path, raw)
}

// openFilter is an expression as the object it becomes.
func openFilter(path, expr string) (*input, error) {
	obj, err := xdpfilter.Load(path, expr, xdpfilter.Options{})
	if err != nil {
		return nil, err
	}
	raw, err := objfile.Write(obj, obj.Programs[0])
	if err != nil {
		return nil, err
	}
	return ofObject(path, raw)
}

func ofObject(path string, raw []byte) (*input, error) {
	o, err := object.Parse(path, raw)
	if err != nil {
		return nil, err
	}
	in := &input{path: path, object: true}
	for _, f := range o.Funcs {
		in.units = append(in.units, &unit{name: f.Name, section: f.Section, prog: f.Prog, err: f.Err})
	}
	in.write = func(progs []*superopt.Prog, pad bool) ([]byte, error) {
		for i, f := range o.Funcs {
			f.New = progs[i]
		}
		return o.Write(pad)
	}
	in.kernel = func(ctx context.Context, out []byte, _ []*superopt.Prog, opt pair.Options) map[string]pair.Outcome {
		by, err := kernelcheck.CompareObjects(ctx, raw, out, opt)
		if err != nil {
			return map[string]pair.Outcome{"": {Status: pair.OriginalRefused, Reason: firstLine(err.Error())}}
		}
		return by
	}
	return in, nil
}

func openText(path string) (*input, error) {
	f, err := format.Read(path)
	if err != nil {
		return nil, pathError(path, err)
	}
	p, err := f.Prog()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	in := &input{path: path, units: []*unit{{name: p.Name, prog: p}}}
	in.write = func(progs []*superopt.Prog, pad bool) ([]byte, error) {
		q := progs[0]
		if q == nil {
			return f.Write(f.Original())
		}
		if pad {
			q = q.Clone()
			q.Pad(p.Slots())
		}
		slots, from, err := q.SlotsFrom()
		if err != nil {
			return nil, err
		}
		return f.Write(slots, from)
	}
	in.kernel = func(ctx context.Context, _ []byte, progs []*superopt.Prog, opt pair.Options) map[string]pair.Outcome {
		q := progs[0]
		if q == nil {
			q = p
		}
		return map[string]pair.Outcome{p.Name: kernelcheck.Compare(ctx, p, q, opt)}
	}
	return in, nil
}

// pathError makes a one-line error that begins with the file's name.
func pathError(path string, err error) error {
	if e, ok := err.(*os.PathError); ok {
		err = e.Err
	}
	s := err.Error()
	for _, p := range []string{path, filepath.Base(path)} {
		s = strings.TrimPrefix(s, p+": ")
	}
	return fmt.Errorf("%s: %s", path, firstLine(s))
}

func firstLine(s string) string {
	if i := bytes.IndexByte([]byte(s), '\n'); i >= 0 {
		return s[:i]
	}
	return s
}
