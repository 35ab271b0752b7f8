package calibrate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"jitnic/host/hosttest/must"
	"jitnic/nic/profile"
	"jitnic/pathcond"
	"jitnic/trace"
)

func brief() Options {
	return Options{Rounds: 3, Round: 50 * time.Microsecond, Sizes: []int{100, 1000}, CPU: -1}
}

// profileOf is a study's profile, and that of papers which it is made from.
func profileOf(t *testing.T, s *Study) (h, base *profile.Host) {
	t.Helper()
	base = must.Get(profile.LoadHost("paper"))(t)
	h = must.Get(s.Profile(base))(t)
	return h, base
}

// TestRun goes through all steps and looks at everything but the times.
func TestRun(t *testing.T) {
	need(t)
	opt := brief()
	var told []string
	opt.Progress = func(done, all int, what string) {
		if done < 0 || done >= all || what == "" {
			t.Errorf("progress %d of %d: %q", done, all, what)
		}
		told = append(told, what)
	}
	s, err := Run(t.Context(), opt)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	if s.Partial || s.Realtime || strings.Join(s.Steps, " ") != strings.Join(Steps(), " ") || s.Planned != len(Steps()) || len(told) < len(Steps()) {
		t.Errorf("partial %v, real-time %v, steps %v of %d", s.Partial, s.Realtime, s.Steps, s.Planned)
	}
	m := &s.Machine
	if m.Kernel == "" || m.CPU == "unknown" || m.JIT == "unknown" || m.Load == "" || m.CPUs < 1 {
		t.Errorf("machine %+v", m)
	}
	groups := map[string]int{}
	seen := map[string]bool{}
	for _, f := range s.Figures {
		groups[f.Group]++
		id := fmt.Sprint(f.Group, f.Name, f.Map, f.Entries, f.Keys, f.Bytes)
		if seen[id] {
			t.Errorf("%s is measured twice", id)
		}
		seen[id] = true
		if f.Rounds < 1 || f.Ops < 1 || f.Unit == "" || f.Q1 > f.Q3 {
			t.Errorf("%s: %+v", id, f)
		}
		if f.Group == "floor" && f.Value <= 0 {
			t.Errorf("%s: an empty program takes %g ns", id, f.Value)
		}
	}
	kinds, sizes := len(kinds), len(opt.Sizes)
	for group, want := range map[string]int{
		"floor": 4, "packet": 7, "call": 3, "atomic": 5, "type": 4 * kinds, "map": 4 * kinds * sizes * 2,
		"change": (2*(kinds-2) + 2) * sizes, "output": 4, "helper": 10, "insn": 12,
	} {
		if groups[group] != want {
			t.Errorf("%s: %d figures, want %d", group, groups[group], want)
		}
	}
	for group, least := range map[string]int{"user": 1 + 2*kinds, "program": 4, "compile": 3} {
		if groups[group] < least {
			t.Errorf("%s: %d figures, want %d or more", group, groups[group], least)
		}
	}

	// The profile has all of it, says from where, and reads back the same.
	h, _ := profileOf(t, s)
	text := h.Format()
	again, err := profile.ParseHost("this.host", []byte(text))
	must.OK(t, err)
	if got := again.Format(); got != text {
		t.Errorf("read back it is\n%s\nand was\n%s", got, text)
	}
	if !strings.HasPrefix(text, "# This machine, as jitnic calibrate measured it.") || strings.Contains(text, "A server as papers") {
		t.Errorf("the profile begins with its base's words:\n%.300s", text)
	}
	measured := 0
	for _, p := range parameters {
		f := p.figure(s)
		if f == nil {
			continue
		}
		measured++
		o := again.From[p.key]
		if o.Assumed || !strings.Contains(o.Source, "measured on Linux "+m.Kernel) || !strings.Contains(o.Source, "IQR") {
			t.Errorf("%s: source %q, assumed %v", p.key, o.Source, o.Assumed)
		}
	}
	if measured < len(parameters)-4 { // no optimisers were given, of three, and a kernel may have no live frames
		t.Errorf("%d parameters of %d are measured", measured, len(parameters))
	}
	if o := again.From["driver"]; !strings.Contains(o.Source, "CoNEXT'18") {
		t.Errorf("driver: source %q, want the base's", o.Source)
	}
	if len(s.Compare()) < 10 || len(s.Checks()) < 4 {
		t.Errorf("%d comparisons, %d checks", len(s.Compare()), len(s.Checks()))
	}
}

// TestInterrupt: the steps that were finished are kept, and no more is said to
// be.
func TestInterrupt(t *testing.T) {
	need(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	opt := brief()
	opt.Steps = []string{"floor", "atomic", "map"}
	opt.Progress = func(done, _ int, _ string) {
		if done == 2 {
			stop()
		}
	}
	s := must.Get(Run(ctx, opt))(t)
	if !s.Partial || strings.Join(s.Steps, " ") != "floor atomic" || s.Planned != 3 {
		t.Errorf("partial %v, steps %v of %d", s.Partial, s.Steps, s.Planned)
	}
	if s.Find("atomic", "add") == nil || s.Find("map", "access") != nil {
		t.Errorf("figures: %v", s.Figures)
	}
	h, base := profileOf(t, s)
	if h.Array != base.Array || !strings.Contains(h.From["map.array"].Source, "CoNEXT'25") || !strings.Contains(h.From["atomic"].Source, "measured") {
		t.Errorf("map.array %d %+v, atomic %+v", h.Array, h.From["map.array"], h.From["atomic"])
	}
}

func TestSteps(t *testing.T) {
	if err := CheckSteps([]string{"floor", "nope"}); err == nil || !strings.Contains(err.Error(), `step "nope"`) {
		t.Errorf("error %v", err)
	}
	if err := CheckSteps(Steps()); err != nil {
		t.Error(err)
	}
	got, err := choose([]string{"user", "floor"})
	if err != nil || len(got) != 2 || got[0].name != "floor" {
		t.Errorf("steps %v, %v: want them in their order", got, err)
	}
}

// TestChecks: what the paper says of its own figures holds, and twins that
// contradict it don't.
func TestChecks(t *testing.T) {
	at := func(array, hash, lru float64, more [6]float64) *Study {
		s := &Study{}
		for i, k := range []string{"array", "hash", "lru_hash"} {
			s.Figures = append(s.Figures, Figure{Group: "type", Name: "access", Map: k, Value: []float64{array, hash, lru}[i]},
				Figure{Group: "map", Name: "access", Map: k, Entries: 100, Keys: "uniform", Value: more[2*i]},
				Figure{Group: "map", Name: "access", Map: k, Entries: 100_000, Keys: "uniform", Value: more[2*i+1]})
		}
		s.Figures = append(s.Figures, Figure{Group: "live", Name: "live_drop", Value: 41.6})
		return s
	}
	// The paper's: what 41.6 + 3.9 ns become when throughput falls by 10.8 %.
	paper := [6]float64{3.9, 9.41, 18.8, 45.31, 19.2, 36.95}
	for _, c := range []struct {
		name string
		s    *Study
		want string // a letter a check: y or n
	}{
		{"the paper's", at(3.9, 18.8, 19.2, paper), "yyyyy"},
		{"array dearer", at(20, 18.8, 19.2, paper), "nynny"},
		{"LRU hash much cheaper", at(3.9, 18.8, 15, paper), "nnyyy"},
		{"LRU hash much dearer", at(3.9, 18.8, 38, paper), "ynyyy"},
		{"all three times as slow", at(12, 57, 58, paper), "yyyny"},
		{"arrays suffer more", at(3.9, 18.8, 19.2, [6]float64{3.9, 90, 18.8, 45, 19.2, 37}), "yyyyn"},
	} {
		got := ""
		for _, k := range c.s.Checks() {
			if k.Holds {
				got += "y"
			} else {
				got += "n"
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s: %+v", c.name, got, c.want, c.s.Checks())
		}
	}
	for _, c := range at(3.9, 18.8, 19.2, paper).Compare() {
		if r := c.Ratio(); r < 0.99 && c.Unit == "ns" || r > 1.01 {
			t.Errorf("%s: %g here, %g to %g in the paper, ratio %g", c.What, c.Here, c.Lo, c.Hi, r)
		}
	}
	if len((&Study{}).Checks()) != 0 || len((&Study{}).Compare()) != 0 {
		t.Error("nothing measured, and something compared")
	}
}

func TestCPUInfo(t *testing.T) {
	m := Machine{}.cpuinfo("processor\t: 0\nmodel name\t: Some CPU\ncpu MHz\t\t: 2596.132\nflags\t\t: fpu hypervisor avx\n\nprocessor\t: 1\nmodel name\t: Other\n")
	if m.CPU != "Some CPU" || m.MHz != 2596.132 || !m.Virtual {
		t.Errorf("%+v", m)
	}
	if m := (Machine{}).cpuinfo("flags : fpu hypervisors"); m.Virtual {
		t.Errorf("%+v", m)
	}
}

// TestOptimise: what is given is called once for each path, and an error of it
// is told.
func TestOptimise(t *testing.T) {
	need(t)
	opt := brief()
	opt.Steps, opt.OptimiseNote = []string{"optimise"}, "by hand"
	calls := 0
	opt.Optimise = func(_ context.Context, p *pathcond.Path, c *pathcond.Compiler) (*trace.Trace, error) {
		calls++
		if p.Trace == nil || c == nil {
			t.Error("a path without a trace")
		}
		return p.Trace, nil
	}
	s := must.Get(Run(t.Context(), opt))(t)
	f := s.Find("compile", "optimise")
	if f == nil || f.Rounds != calls || calls < 5 || calls > 8 || !strings.HasSuffix(f.Note, "by hand") {
		t.Errorf("%d calls, figure %+v", calls, f)
	}
	opt.Optimise = func(context.Context, *pathcond.Path, *pathcond.Compiler) (*trace.Trace, error) {
		return nil, errors.New("no solver")
	}
	if _, err := Run(t.Context(), opt); err == nil || err.Error() != "calibrate optimise: no solver" {
		t.Errorf("error %v", err)
	}
}

// TestTiers: each path is made cheaper by both tiers, tier 2 on as many of a sample
// as are asked for, and the profile has what a unit took.
func TestTiers(t *testing.T) {
	need(t)
	opt := brief()
	opt.Steps, opt.OptimisePaths = []string{"tier"}, 2
	var calls [3]int
	opt.Tiered = func(_ context.Context, p *pathcond.Path, c *pathcond.Compiler, tier int) (uint64, error) {
		if calls[tier]++; p.Trace.Len() < tierSlots || c == nil {
			t.Errorf("a trace of %d slots", p.Trace.Len())
		}
		began := busy()
		for busy() < began+int64(tier)*1000 {
		}
		return 10, nil
	}
	s := must.Get(Run(t.Context(), opt))(t)
	one, two := s.Find("compile", "unit"), s.Find("compile", "search")
	if one == nil || two == nil || one.Rounds*tier1Times != calls[1] || two.Rounds != calls[2] || calls[2] < 10 || calls[2] > 16 || one.Value < 100 || two.Value < 200 {
		t.Fatalf("%v calls, figures %+v and %+v", calls, one, two)
	}
	h, base := profileOf(t, s)
	if math.Abs(float64(h.Unit)/1000-one.Value) > 0.5 || math.Abs(float64(h.Search)/1000-two.Value) > 0.5 || h.Search == base.Search || !strings.Contains(h.From["compile.search"].Source, "paths of the samples") {
		t.Errorf("profile: unit %d ps, search %d ps, %q", h.Unit, h.Search, h.From["compile.search"].Source)
	}
	opt.Tiered = func(context.Context, *pathcond.Path, *pathcond.Compiler, int) (uint64, error) {
		return 0, errors.New("no solver")
	}
	if _, err := Run(t.Context(), opt); err == nil || err.Error() != "calibrate tier: no solver" {
		t.Errorf("error %v", err)
	}
}
