package calibrate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"jitnic/cache"
	"jitnic/host/loader"
	"jitnic/host/mapfile"
	"jitnic/host/programs"
	"jitnic/host/run/explore"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/pathcond"
	"jitnic/pcaps"
	"jitnic/pcaps/gen"
	"jitnic/trace"
)

// An Optimiser makes the trace of a path cheaper. It is timed.
type Optimiser func(ctx context.Context, p *pathcond.Path, c *pathcond.Compiler) (*trace.Trace, error)

// How many paths of each sample program are looked for, and in how many tries.
const (
	pathsWanted = 64
	pathTries   = 20_000
)

// A sample is a sample program with packets that take a path of its own each.
type sample struct {
	name    string
	obj     *loader.Object
	entry   *loader.Program
	maps    *mapfile.File
	packets [][]byte
}

func (s *sample) prepare(st *vm.State) error {
	_, err := s.maps.Fill(st, s.obj)
	return err
}

// samples loads the sample programs with their maps, and looks for paths.
func samples(ctx context.Context, paths int, seed uint64) ([]*sample, error) {
	g, err := gen.New(gen.Spec{Seed: seed, Packets: 256, Flows: 5000, Replies: 0.45, IPv6: 0.3, VLAN: 0.15, QinQ: 0.05, UDP: 0.3, ICMP: 0.03})
	if err != nil {
		return nil, err
	}
	var seeds [][]byte
	for {
		var p pcaps.Packet
		if err := g.Next(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		seeds = append(seeds, slices.Clone(p.Data))
	}
	var out []*sample
	for _, p := range programs.All() {
		s := &sample{name: p.Name}
		if s.obj, err = loader.LoadBytes("sample:"+p.Name, p.Object, loader.Options{}); err != nil {
			return nil, err
		}
		if s.entry, err = s.obj.Entry(p.Entry); err != nil {
			return nil, err
		}
		if s.maps, err = mapfile.Read(p.Name, bytes.NewReader(p.Maps)); err != nil {
			return nil, err
		}
		o := explore.Options()
		o.Prepare = s.prepare
		r, err := jit.New(s.obj, s.entry, o)
		if err != nil {
			return nil, err
		}
		s.packets, err = explore.Packets(ctx, r, seeds, paths, pathTries, seed)
		r.Close()
		if err != nil {
			return nil, err
		}
		s.packets = s.packets[:min(len(s.packets), paths)] // the seeds alone may take more
		out = append(out, s)
	}
	return out, nil
}

// compiles times what a path costs when it is first seen: the run recorded, the
// condition and the trace made, put into the guard tree, bound and installed.
// Of the sample programs' paths, each in several fresh runtimes; the lower
// quartile of a path's times counts, and the line through them by the number of
// executed instructions gives a base and a share for each instruction.
func compiles(b *bench) error {
	all, err := samples(b.ctx, pathsWanted, b.opt.Seed)
	if err != nil {
		return err
	}
	reps := max(3, min(9, b.rounds/3))
	var x, y []float64
	for _, s := range all {
		b.progress("recording and compiling: " + s.name)
		insns, times, err := b.firsts(s, reps)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		var per []float64
		for i := range insns {
			x, y = append(x, insns[i]), append(y, times[i])
			per = append(per, times[i])
		}
		f := of(per)
		f.Group, f.Name, f.Map, f.Ops = "compile", "path", "", len(per)
		f.Name = "path_" + s.name
		f.Note = fmt.Sprintf("a new path of the sample: median over %d paths of %.0f executed instructions (median)", len(per), quantile(insns, 0.5))
		b.note(f)
	}
	base, slope := theilSen(x, y)
	for _, v := range []struct {
		name string
		x    float64
		note string
	}{
		{"base", base, "record, condition, trace, guard tree, bind, install: of an empty path"},
		{"insn", slope, "and for each instruction that the path executed"},
	} {
		b.note(Figure{Group: "compile", Name: v.name, Value: round3(v.x), Unit: "ns", Median: round3(v.x), Q1: round3(v.x), Q3: round3(v.x), Rounds: reps, Ops: len(x),
			Note: v.note + fmt.Sprintf(" (Theil–Sen line through %d paths of the samples)", len(x))})
	}
	return nil
}

// of describes a sample of numbers.
func of(xs []float64) Figure {
	m := round3(quantile(xs, 0.5))
	return Figure{Value: m, Unit: "ns", Median: m, Q1: round3(quantile(xs, 0.25)), Q3: round3(quantile(xs, 0.75)), Rounds: len(xs)}
}

// firsts gives, by path, the executed instructions and the time in ns of the
// first packet.
func (b *bench) firsts(s *sample, reps int) (insns, times []float64, err error) {
	all := make([][]float64, len(s.packets))
	insns = make([]float64, len(s.packets))
	for range reps {
		if err := b.ctx.Err(); err != nil {
			return nil, nil, err
		}
		o := jit.Options{Cache: cache.Config{Policy: "lru", Entries: 1 << 16}, Prepare: s.prepare}
		r, err := jit.New(s.obj, s.entry, o)
		if err != nil {
			return nil, nil, err
		}
		var out vm.Output
		for i, p := range s.packets {
			known := len(r.Paths())
			in := vm.Input{Data: p, TimeNS: uint64(i) * 1000, IfIndex: 1, Packet: uint64(i)}
			began := time.Now()
			_, err := r.Process(&in, &out)
			t := time.Since(began)
			if err != nil {
				r.Close()
				return nil, nil, err
			}
			if ps := r.Paths(); len(ps) > known { // no abort, and not known by way of another's changes
				insns[i] = float64(ps[known].Path.Trace.Raw)
				all[i] = append(all[i], float64(t.Nanoseconds()))
			}
		}
		r.Close()
	}
	k := 0
	for i, t := range all {
		if len(t) == reps {
			insns[k] = insns[i]
			times = append(times, quantile(t, 0.25))
			k++
		}
	}
	return insns[:k], times, nil
}

// theilSen is the line through points that a quarter of them being anywhere
// doesn't move: the median of all slopes, and of the intercepts (Theil 1950,
// Sen 1968). The base isn't taken below 0.
func theilSen(x, y []float64) (base, slope float64) {
	var slopes []float64
	for i := range x {
		for j := range i {
			if x[i] != x[j] {
				slopes = append(slopes, (y[i]-y[j])/(x[i]-x[j]))
			}
		}
	}
	if len(slopes) == 0 {
		return 0, 0
	}
	slope = quantile(slopes, 0.5)
	rest := make([]float64, len(x))
	for i := range x {
		rest[i] = y[i] - slope*x[i]
	}
	return math.Max(0, quantile(rest, 0.5)), slope
}

// Limits of optimises, in time: what takes longer is cut off and said to be.
const (
	optimiseAll = 40 * time.Second
	optimiseOne = 10 * time.Second
)

// optimises times the optimiser on paths of the samples, and gives ns for each
// executed instruction. It isn't run where none was given.
func optimises(b *bench) error {
	if b.opt.Optimise == nil {
		return nil
	}
	all, err := samples(b.ctx, max(1, b.opt.OptimisePaths), b.opt.Seed)
	if err != nil {
		return err
	}
	began := time.Now()
	var per []float64
	cut, left := 0, 0
	for _, s := range all {
		r, err := runtimeOf(s)
		if err != nil {
			return err
		}
		for i, p := range r.Paths() {
			if time.Since(began) > optimiseAll {
				left++
				continue
			}
			b.progress(fmt.Sprintf("superoptimizing: %s, path %d", s.name, i))
			ctx, stop := context.WithTimeout(b.ctx, optimiseOne)
			start := time.Now()
			_, err := b.opt.Optimise(ctx, p.Path, r.Comp)
			t := time.Since(start)
			late := ctx.Err() != nil
			stop()
			switch {
			case b.ctx.Err() != nil:
				r.Close()
				return b.ctx.Err()
			case late:
				cut++
			case err != nil:
				r.Close()
				return err
			}
			per = append(per, float64(t.Nanoseconds())/float64(p.Path.Trace.Raw))
		}
		r.Close()
	}
	if len(per) == 0 {
		return nil
	}
	f := of(per)
	f.Group, f.Name, f.Ops = "compile", "optimise", 1
	f.Note = fmt.Sprintf("superoptimizing and proving, for each instruction the path executed: median over %d paths of the samples", len(per))
	if cut > 0 {
		f.Note += fmt.Sprintf(", %d of them cut off at %v", cut, optimiseOne)
	}
	if left > 0 {
		f.Note += fmt.Sprintf(", %d more not begun after %v", left, optimiseAll)
	}
	if b.opt.OptimiseNote != "" {
		f.Note += "; " + b.opt.OptimiseNote
	}
	b.note(f)
	return nil
}

// runtimeOf makes a runtime that knows the paths of a sample's packets.
func runtimeOf(s *sample) (*jit.Runtime, error) {
	o := explore.Options()
	o.Prepare = s.prepare
	r, err := jit.New(s.obj, s.entry, o)
	if err != nil {
		return nil, err
	}
	var out vm.Output
	for i, p := range s.packets {
		if _, err := r.Process(&vm.Input{Data: p, TimeNS: uint64(i) * 1000, IfIndex: 1, Packet: uint64(i)}, &out); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}
