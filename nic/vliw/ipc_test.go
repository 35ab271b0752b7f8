package vliw_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"jitnic/host"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/nic/vliw"
	"jitnic/superopt"
	"jitnic/superopt/z3"
)

// rate is instructions over cycles, summed.
type rate struct{ insns, source, cycles, scalar, bound int }

func (r *rate) add(s *vliw.Schedule, scalar uint32) {
	r.insns += s.Insns
	r.source += s.Source
	r.cycles += s.Cycles
	r.bound += s.Bound
	r.scalar += int(scalar)
}

func (r rate) ipc() float64 { return float64(r.insns) / float64(r.cycles) }

// The figures of doc.go: static IPC of the sample programs and of their traces
// under hXDP's conditions, with its extensions and without. It fails where
// traces don't beat the programs they come from.
func TestIPC(t *testing.T) {
	files := captures(t)
	hxdp, plain := vliw.HXDP(), vliw.HXDP().Plain()
	motion := vliw.HXDP()
	motion.NoBounds, motion.NoZeroing = false, false
	var out strings.Builder
	fmt.Fprintf(&out, "%-13s %-34s %-44s\n%-13s %5s %7s %7s %7s %7s %9s %9s %9s %10s %9s  %s\n", "", "program", "traces", "", "insns",
		"basic", "chains", "hxdp", "insns/t", "plain", "hxdp", "bound", "scalar", "of bound", "superoptimised")
	var lo, hi float64 = 99, 0
	for _, s := range programs.All() {
		obj, entry, prepare := sample(t, s)
		var static [3]*vliw.ProgramSchedule
		for i, m := range []*vliw.Machine{plain, motion, hxdp} {
			p, err := vliw.Program(obj, entry, m)
			if err != nil {
				t.Fatal(err)
			}
			static[i] = p
		}
		var p, x rate
		n := 0
		for _, f := range files {
			b, err := newBench(obj, entry, prepare, nil)
			if err != nil {
				t.Fatal(err)
			}
			each(t, f, 300, func(in *vm.Input) {
				if _, err := b.r.Process(in, &b.want); err != nil {
					t.Fatalf("%s: %v", filepath.Base(f), err)
				}
			})
			for _, i := range b.r.Paths() {
				n++
				for _, k := range []struct {
					r *rate
					m *vliw.Machine
				}{{&p, plain}, {&x, hxdp}} {
					sc, err := vliw.New(i.Path.Trace, k.m.For(obj.Maps))
					if err != nil {
						t.Fatal(err)
					}
					k.r.add(sc, vliw.ScalarCycles(i.Path.Trace, k.m.For(obj.Maps)))
				}
			}
			b.close()
		}
		opt := "-"
		if os.Getenv("JITNIC_LONG") != "" {
			opt = optimisedIPC(t, s, files)
		}
		fmt.Fprintf(&out, "%-13s %5d %7.2f %7.2f %7.2f %7.1f %9.2f %9.2f %9.2f %10.1f %8.0f%%  %s\n", s.Name, static[0].Source,
			static[0].IPC(), static[1].IPC(), static[2].IPC(), float64(p.source)/float64(n), p.ipc(), x.ipc(),
			float64(x.insns)/float64(x.bound), float64(p.scalar)/float64(n), 100*float64(x.cycles)/float64(x.bound), opt)
		lo, hi = min(lo, static[2].IPC()), max(hi, static[2].IPC())
		if x.ipc() <= static[2].IPC() {
			t.Logf("%s: traces reach %.2f, the program %.2f", s.Name, x.ipc(), static[2].IPC())
		}
		t.Logf("%s", static[2].Header())
	}
	t.Logf("\n%s", out.String())
	t.Logf("programs %.2f to %.2f", lo, hi)
}

// optimisedIPC optimises the traces most packets of the captures take, twelve
// of them at most and none longer than 250, and says what that does to their
// schedules.
func optimisedIPC(t *testing.T, s programs.Sample, files []string) string {
	if z3.Open() != nil {
		return "-"
	}
	obj, entry, prepare := sample(t, s)
	b, err := newBench(obj, entry, prepare, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	for _, f := range files {
		each(t, f, 300, func(in *vm.Input) {
			if _, err := b.r.Process(in, &b.want); err != nil {
				t.Fatal(err)
			}
		})
	}
	paths := slices.Clone(b.r.Paths())
	slices.SortStableFunc(paths, func(x, y *host.PathInfo) int { return cmp.Compare(y.Packets, x.Packets) })
	m := vliw.HXDP().For(obj.Maps)
	var raw, opt rate
	n := 0
	for _, p := range paths {
		if p.Path.Trace.Len() > 250 || n == 12 {
			continue
		}
		n++
		o, _, err := superopt.OptimizeTrace(context.Background(), p.Path, b.r.Comp, &superopt.Options{Layers: "pr", Proposals: -1, Workers: 1, RLimit: 200_000}, false)
		if err != nil {
			t.Fatal(err)
		}
		a, err := vliw.New(p.Path.Trace, m)
		if err != nil {
			t.Fatal(err)
		}
		c, err := vliw.New(o, m)
		if err != nil {
			t.Fatal(err)
		}
		raw.add(a, 0)
		opt.add(c, 0)
	}
	return fmt.Sprintf("%d traces: %d -> %d insns, %d -> %d cycles, IPC %.2f -> %.2f", n, raw.source, opt.source, raw.cycles, opt.cycles, raw.ipc(), opt.ipc())
}
