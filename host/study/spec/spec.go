package spec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"jitnic/pcaps/gen"
)

// A Study is what a file asks.
type Study struct {
	File     string // as it was named
	Dir      string // relative paths are of this folder
	Name     string
	Question string
	Found    string // what was found when it was run, of studies that ship
	Windows  int    // of time, for confidence intervals
	Warmup   string // requests that are not counted: N or N%
	Axes
	Include  []Axes
	Exclude  []Match
	Commands []Command
}

// A Command is one of jitnic's that belongs to a study.
type Command struct {
	At    Place
	Name  string // of its files
	Run   string // verb and flags; {out} is the beginning of names of files it may write
	Is    string // what it tells
	Needs string // a file or folder without which it is left out
}

// Axes are lists whose product is run. Nil lists are those that were not given.
type Axes struct {
	Programs     []Program
	Captures     []Capture
	Modes        []string
	Segments     []int // jit.Remedies.Segments
	Queues       []int
	Splits       []Split
	Policies     []string
	Admissions   []string
	Entries      []uint64
	Slots        []uint64
	Hot          []uint32
	InstallDelay []uint64
	Devices      []Device
	Hosts        []string
	Rates        []uint64
	Tiers        []int
	Seeds        []uint64
	Repeats      int
}

// A Program is one, or those of a glob.
type Program struct {
	At     Place
	File   string   // object, .k2, .bpf, .insns or sample:NAME; a glob
	Entry  string   // program of the object; "": its only one; "*": each
	BTF    string   // kernel types
	Maps   []string // files, or NAME=FILE
	FIB    string
	Filter string // only packets that match

	Optional bool // where it isn't there, it is left out
}

// A Capture is one, or those of a glob.
type Capture struct {
	At       Place
	Name     string   // what it is called in rows; "": after its file
	Files    []string // read one after the other as one capture; a single one may be a glob: a capture each
	Gen      *gen.Spec
	Seeded   bool // Gen names its seed: the study's don't take its place
	Limit    uint64
	Loop     int
	LinkType string
	PadCut   bool
	Strip    bool
	Filter   string
	Optional bool // where it isn't there, it is left out
}

// A Device is a profile and what is changed of it.
type Device struct {
	At  Place
	NIC string
	Set []string // KEY=VALUE; host.KEY for the host beside it
}

// A Split divides a capture that is too long for one machine.
type Split struct {
	How string // "": whole; flows, windows
	N   int
}

func (s Split) String() string {
	if s.How == "" {
		return "none"
	}
	return fmt.Sprintf("%s/%d", s.How, s.N)
}

// A Match takes points out: all that have each of the coordinates.
type Match struct {
	At   Place
	Want []Want
}

// A Want is a coordinate and what it may be: words in which * stands for anything.
type Want struct {
	Column string
	Any    []string
}

// A Place is where something stands in the file.
type Place struct {
	File         string
	Line, Column int
}

func (n *node) place() Place { return Place{n.file, n.line, n.col} }

// Fail is an error at the place.
func (p Place) Fail(err error) error { return &Error{p.File, p.Line, p.Column, err} }

// Read reads a study's file, or one that ships: study:NAME.
func Read(path string) (*Study, error) {
	if name, ok := strings.CutPrefix(path, "study:"); ok {
		text, err := ShippedText(name)
		if err != nil {
			return nil, err
		}
		return Parse(path, ".", text)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, filepath.Dir(path), text)
}

// Parse reads the text of a study. Relative paths in it are of folder dir.
func Parse(file, dir string, text []byte) (*Study, error) {
	n, err := parse(file, text)
	if err != nil {
		return nil, err
	}
	s := &Study{File: file, Dir: dir, Windows: DefaultWindows}
	if err := readInto(n, "a study", studyWords, s); err != nil {
		return nil, err
	}
	switch {
	case len(s.Commands) > 0 && len(s.Programs) == 0 && len(s.Captures) == 0 && len(s.Include) == 0:
	case len(s.Programs) == 0:
		return nil, n.fail("programs: name at least one")
	case len(s.Captures) == 0:
		return nil, n.fail("captures: name at least one")
	}
	s.Axes = s.Axes.over(defaults)
	for i := range s.Include {
		d := defaults
		d.Programs, d.Captures, d.Hosts = s.Programs, s.Captures, s.Hosts
		s.Include[i] = s.Include[i].over(d)
	}
	return s, nil
}

// DefaultWindows is how many stretches of time a capture is divided into.
const DefaultWindows = 100

// defaults are what axes are where they are not given.
var defaults = Axes{
	Modes: []string{"generic"}, Segments: []int{0}, Queues: []int{1}, Splits: []Split{{}}, Policies: []string{"lru", "s3-fifo", "sieve", "belady"},
	Admissions: []string{"always"}, Hot: []uint32{1}, InstallDelay: []uint64{0}, Hosts: []string{"paper"}, Rates: []uint64{10_000_000},
	Tiers: []int{0}, Seeds: []uint64{1}, Repeats: 1, Entries: []uint64{1, 2, 4, 8, 16, 32, 64},
}

func orElse[T any](v *[]T, d []T) {
	if *v == nil {
		*v = d
	}
}

// over is the axes with those of d where none is given.
func (a Axes) over(d Axes) Axes {
	if a.Slots == nil {
		orElse(&a.Entries, d.Entries)
	}
	orElse(&a.Programs, d.Programs)
	orElse(&a.Captures, d.Captures)
	orElse(&a.Modes, d.Modes)
	orElse(&a.Segments, d.Segments)
	orElse(&a.Queues, d.Queues)
	orElse(&a.Splits, d.Splits)
	orElse(&a.Policies, d.Policies)
	orElse(&a.Admissions, d.Admissions)
	orElse(&a.Hot, d.Hot)
	orElse(&a.InstallDelay, d.InstallDelay)
	orElse(&a.Devices, d.Devices)
	orElse(&a.Hosts, d.Hosts)
	orElse(&a.Rates, d.Rates)
	orElse(&a.Tiers, d.Tiers)
	orElse(&a.Seeds, d.Seeds)
	a.Repeats = max(a.Repeats, 1)
	return a
}

// EachSeed are the seeds, each with its repeats.
func (a *Axes) EachSeed() []uint64 {
	var out []uint64
	for _, s := range a.Seeds {
		for r := range uint64(a.Repeats) {
			out = append(out, s+r)
		}
	}
	return out
}
