package mapfile

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is one or more map files that were read but not yet held against any
// maps.
type File struct{ parts []part }

// part is one file: an object with maps and updates, or a list of entries as
// `bpftool map dump` prints it.
type part struct {
	name string
	root *node
	only string // the map whose entries a list has; "": the object's only one
}

// Load reads map files: each a path, or NAME=PATH where the file lists the
// entries of the map NAME alone.
func Load(paths ...string) (*File, error) {
	f := &File{}
	seen := map[string]bool{}
	for _, path := range paths {
		only := ""
		if _, err := os.Stat(path); err != nil {
			if name, rest, ok := strings.Cut(path, "="); ok {
				only, path = name, rest
			}
		}
		if id := only + "=" + filepath.Clean(path); seen[id] {
			return nil, fmt.Errorf("%s: named twice", path)
		} else {
			seen[id] = true
		}
		if err := f.load(path, only); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *File) load(path, only string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	one, err := Read(path, in)
	if err != nil {
		return err
	}
	p := one.parts[0]
	if p.only = only; only != "" && p.root.kind == isObject {
		return named(path, p.root.wrong("map %q named, but the file names its maps itself", only))
	}
	f.parts = append(f.parts, p)
	return nil
}

// Read reads a map file; name is for messages.
func Read(name string, r io.Reader) (*File, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	root, err := parseJSON(b)
	if err != nil {
		return nil, named(name, err)
	}
	switch root.kind {
	case isList:
	case isObject:
		for i, k := range root.keys {
			if k != "maps" && k != "updates" {
				return nil, named(name, root.list[i].wrong("want maps or updates"))
			}
		}
	default:
		return nil, named(name, root.wrong("%v: want an object with maps and updates, or a list of entries", root.kind))
	}
	return &File{[]part{{name: name, root: root}}}, nil
}

// Bind holds the files against a machine's maps. It makes the inner maps that
// entries ask for, and changes nothing else.
func (f *File) Bind(m *Machine) (*Plan, error) {
	p := &Plan{machine: m, seen: map[place]*node{}, count: math.MaxUint64, time: math.MaxUint64}
	for i := range f.parts {
		p.name = f.parts[i].name
		if err := p.bindPart(&f.parts[i]); err != nil {
			return nil, named(p.name, err)
		}
	}
	byAt := func(a, b change) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order)) }
	slices.SortFunc(p.byCount, byAt)
	slices.SortFunc(p.byTime, byAt)
	p.next()
	return p, nil
}

func (p *Plan) bindPart(f *part) error {
	if f.root.kind == isList {
		m, err := p.listed(f)
		if err != nil {
			return err
		}
		return p.bindEntries(f.root, m)
	}
	if n := f.root.field("maps"); n != nil {
		if err := p.bindMaps(n); err != nil {
			return err
		}
	}
	if n := f.root.field("updates"); n != nil {
		return p.bindUpdates(n)
	}
	return nil
}

// listed is the number of the map that a bare list of entries is of.
func (p *Plan) listed(f *part) (int, error) {
	if f.only != "" {
		m := p.machine.find(f.only)
		if m < 0 {
			return 0, f.root.wrong("no map %q: %s", f.only, p.mapNames())
		}
		return m, nil
	}
	if p.machine.Own != 1 {
		return 0, f.root.wrong("a list of entries, and not of which map: give NAME=%s (%s)", f.name, p.mapNames())
	}
	return 0, nil
}
