package calibrate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"jitnic/nic/profile"
)

// Profile is the host profile of what was measured; what wasn't is taken from
// base, with its sources. Every parameter says how it was measured.
func (s *Study) Profile(base *profile.Host) (*profile.Host, error) {
	h := base.Clone()
	m := &s.Machine
	text := func(key, value string) error { return h.Put(key, value, profile.Origin{}) }
	about := []string{"# This machine, as jitnic calibrate measured it. What it can't measure, such as", "# the driver, is from the profile " + clean(base.Name) + "."}
	if s.Partial {
		about = append(about, "# The calibration was interrupted: the rest is from there too.")
	}
	if err := text("name", "this"); err != nil {
		return nil, err
	}
	h.From["name"] = profile.Origin{Above: about} // Put keeps the comment of the base
	if err := text("title", clean(fmt.Sprintf("%s, Linux %s, measured %s", m.CPU, m.Kernel, m.Date))); err != nil {
		return nil, err
	}
	if err := h.Put("cores", strconv.Itoa(m.CPUs), profile.Origin{Source: "CPUs of this machine"}); err != nil {
		return nil, err
	}
	for _, p := range parameters {
		f := p.figure(s)
		if f == nil {
			continue
		}
		o := profile.Origin{Source: clean(s.source(f, p.note))}
		if lo, hi, ok := s.spread(f); ok {
			o.Range = number(lo) + ".." + number(hi)
		}
		if err := h.Put(p.key, number(max(f.Value, 0)), o); err != nil {
			return nil, fmt.Errorf("%s: %w", p.key, err)
		}
	}
	return h, nil
}

// clean makes a comment of one line that has no # in it.
func clean(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "#", "")), " ")
}

// number is in whole picoseconds, which is what a profile holds, or in whole
// nanoseconds where there are hundreds of them.
func number(ns float64) string {
	if ns >= 100 {
		return strconv.FormatFloat(math.Round(ns), 'f', -1, 64)
	}
	return strconv.FormatFloat(round3(max(ns, 0)), 'f', -1, 64)
}

func (s *Study) source(f *Figure, note string) string {
	how := "BPF_PROG_TEST_RUN"
	switch f.Group {
	case "user":
		how = "bpf(2)"
	case "compile":
		how = "jitnic's runtime"
	case "live":
		how = "BPF_PROG_TEST_RUN with live frames"
	}
	m := &s.Machine
	jit := ""
	if m.JIT != "on" {
		jit = ", BPF JIT " + m.JIT
	}
	if f.Map != "" {
		note += fmt.Sprintf(" (%s", f.Map)
		if f.Entries > 0 {
			note += fmt.Sprintf(", %d entries", f.Entries)
		}
		note += ")"
	}
	if f.ofPaths() {
		return fmt.Sprintf("measured on Linux %s, %s: %s; time of a core, median of %d paths of the samples, and the middle half of them", m.Kernel, m.Date, note, f.Rounds)
	}
	return fmt.Sprintf("measured on Linux %s%s, %s: %s; %s, lower quartile, %d rounds (median %s, IQR %s)",
		m.Kernel, jit, m.Date, note, how, f.Rounds, number(f.Median), number(f.IQR()))
}

// ofPaths says whether a figure is of one path each, once.
func (f *Figure) ofPaths() bool {
	return f.Group == "compile" && (f.Name == "unit" || f.Name == "search")
}

// spread is the range of a look-up's time from the smallest map to the largest,
// of an instruction's from those that overlap to those that wait, of a unit of work by path.
func (s *Study) spread(f *Figure) (lo, hi float64, ok bool) {
	if wait := s.Find("insn", "alu"); f.Group == "insn" && wait != nil {
		return f.Value, wait.Value, wait.Value > f.Value
	}
	if f.ofPaths() {
		return f.Q1, f.Q3, f.Q3 > f.Q1
	}
	if f.Group != "type" {
		return 0, 0, false
	}
	lo, hi = f.Value, f.Value
	for i := range s.Figures {
		g := &s.Figures[i]
		if g.Group == "map" && g.Name == f.Name && g.Map == f.Map {
			lo, hi, ok = min(lo, g.Value), max(hi, g.Value), true
		}
	}
	return max(lo, 0), hi, ok && hi > lo
}

// parameters say which figure a parameter of a host profile is, in the
// profile's order.
var parameters = []struct {
	key    string
	note   string
	figure func(s *Study) *Figure
}{
	{"insn", "an instruction of a mix as parsers have it", figure("insn", "mix")},
	{"byte", "a byte more that a program reads", figure("packet", "byte")},
	{"helper", "the middle one of five helpers", func(s *Study) *Figure { return s.helper() }},
	{"call.tail", "chain of tail calls, index known", figure("call", "tail")},
	{"call.local", "call of a function that returns at once", figure("call", "local")},
	{"atomic", "lock add, uncontended", figure("atomic", "add")},
	{"map.array", "look-up and load of the value", mapFigure("type", "access", "array")},
	{"map.percpu", "look-up and load of the value", mapFigure("type", "access", "percpu_array")},
	{"map.hash", "look-up and load of the value", mapFigure("type", "access", "hash")},
	{"map.lru", "look-up and load of the value", mapFigure("type", "access", "lru_hash")},
	{"map.lpm", "look-up and load of the value", mapFigure("type", "access", "lpm_trie")},
	{"map.update", "update of a key that is there", mapFigure("type", "update", "hash")},
	{"map.redirect", "bpf_redirect_map into a device map", figure("helper", "redirect_map")},
	{"verdict.pass", "an skb built and the stack entered", figure("live", "pass")},
	{"compile.base", "a path first seen", figure("compile", "base")},
	{"compile.insn", "a path first seen", figure("compile", "insn")},
	{"compile.optimise", "superoptimized and proved", figure("compile", "optimise")},
	{"compile.unit", "a unit of tier 1's work", figure("compile", "unit")},
	{"compile.search", "a unit of tier 2's work", figure("compile", "search")},
	{"user.array", "BPF_MAP_LOOKUP_ELEM", mapFigure("user", "lookup", "array")},
	{"user.hash", "BPF_MAP_LOOKUP_ELEM", mapFigure("user", "lookup", "hash")},
	{"user.percpu", "BPF_MAP_LOOKUP_ELEM", mapFigure("user", "lookup", "percpu_hash")},
}

func figure(group, name string) func(*Study) *Figure {
	return func(s *Study) *Figure { return s.Find(group, name) }
}

func mapFigure(group, name, kind string) func(*Study) *Figure {
	return func(s *Study) *Figure { return s.FindMap(group, name, kind) }
}

// middle is the lower median by value.
func middle(xs []*Figure) *Figure {
	s := slices.SortedFunc(slices.Values(xs), func(a, b *Figure) int {
		switch {
		case a.Value < b.Value:
			return -1
		case a.Value > b.Value:
			return 1
		}
		return 0
	})
	return s[(len(s)-1)/2]
}
