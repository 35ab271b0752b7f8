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

	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/nic/vliw"
	"jitnic/superopt"
	kernelsamples "jitnic/superopt/bench"
	"jitnic/superopt/z3"

	cebpf "github.com/cilium/ebpf"
)

// rate is instructions over cycles, summed.
type rate struct{ insns, source, cycles, bound int }

func (r *rate) add(s *vliw.Schedule) {
	r.insns += s.Insns
	r.source += s.Source
	r.cycles += len(s.Bundles)
	r.bound += s.Bound
}

func (r rate) ipc() float64 { return float64(r.source) / float64(r.cycles) }

// conditions are the cores of the table in doc.go.
func conditions() []*vliw.Machine {
	forwarding := vliw.HXDP()
	forwarding.CrossLane = 0
	basic := forwarding.Plain()
	return []*vliw.Machine{basic, forwarding, vliw.HXDP()}
}

// The figures of doc.go: static IPC of the sample programs and of their traces
// under hXDP's conditions, and the cycles a packet takes either way. It fails
// where the traces of a program that computes don't beat the program.
func TestIPC(t *testing.T) {
	files := captures(t)
	ms := conditions()
	var out strings.Builder
	fmt.Fprintf(&out, "%-13s %-40s %-40s %s\n", "", "program, static IPC", "traces, static IPC", "cycles a packet")
	fmt.Fprintf(&out, "%-13s %6s %7s %10s %10s   %7s %7s %10s %10s   %8s %8s %8s\n", "", "insns", "basic", "extended", "hxdp",
		"insns", "basic", "extended", "hxdp", "program", "traces", "scalar")
	for _, s := range programs.All() {
		obj, entry, prepare := sample(t, s)
		var static []*vliw.ProgramSchedule
		for _, m := range ms {
			p := must.Get(vliw.Program(obj, entry, m))(t)
			static = append(static, p)
		}
		rates := make([]rate, len(ms))
		n := 0
		var packets, whole, traced, scalar float64
		for _, f := range files {
			b := must.Get(newBench(obj, entry, prepare, 0, nil))(t)
			w := must.Get(newWhole(obj, entry, prepare, ms[2]))(t)
			last := ms[2].For(obj.Maps)
			cycles := map[int32][2]float64{}
			for in := range hosttest.Packets(t, f, 300) {
				res, err := b.r.Process(in, &b.want)
				if err != nil {
					t.Fatalf("%s: %v", filepath.Base(f), err)
				}
				var o vm.Output
				w.it.RunRecorded(in, &o, &w.rec)
				p := res.Path
				if p < 0 || o.Err != nil {
					continue
				}
				c, ok := cycles[p]
				if !ok {
					tr := b.r.Paths()[p].Path.Trace
					c = [2]float64{float64(vliw.Cycles(tr, last)), float64(vliw.ScalarCycles(tr, last))}
					cycles[p] = c
				}
				packets++
				whole += float64(static[2].Cycles(w.rec.Steps))
				traced += c[0]
				scalar += c[1]
			}
			w.close()
			for _, i := range b.r.Paths() {
				n++
				for k, m := range ms {
					sc := must.Get(vliw.New(i.Path.Trace, m.For(obj.Maps)))(t)
					rates[k].add(sc)
				}
			}
			b.close()
		}
		opt := ""
		if os.Getenv("JITNIC_LONG") != "" {
			opt = optimisedIPC(t, s, files)
		}
		fmt.Fprintf(&out, "%-13s %6d %7.2f %10.2f %10.2f   %7.1f %7.2f %10.2f %10.2f   %8.1f %8.1f %8.1f %s\n", s.Name, static[0].Source,
			static[0].IPC(), static[1].IPC(), static[2].IPC(), float64(rates[0].source)/float64(n), rates[0].ipc(), rates[1].ipc(),
			rates[2].ipc(), whole/packets, traced/packets, scalar/packets, opt)
		for k := range ms {
			// A trace that only says a verdict is two instructions, the second of
			// which needs the first.
			if float64(rates[k].source)/float64(n) > 3 && rates[k].ipc() <= static[k].IPC() {
				t.Errorf("%s: traces reach %.2f, the program %.2f", s.Name, rates[k].ipc(), static[k].IPC())
			}
		}
		if traced > whole {
			t.Errorf("%s: traces take %.1f cycles a packet, the program %.1f", s.Name, traced/packets, whole/packets)
		}
		t.Logf("%s, %.2f of the core a bundle; traces at %.0f%% and %.0f%% of the bound", static[2].Header(), static[2].Packed(),
			100*float64(rates[1].cycles)/float64(rates[1].bound), 100*float64(rates[2].cycles)/float64(rates[2].bound))
	}
	t.Logf("\n%s", out.String())
}

// The programs hXDP was measured on, as far as today's kernel sources have
// them and clang here compiles them. What the paper compiled was older source
// and an older clang, so the figures are logged, not held.
func TestKernelSamples(t *testing.T) {
	if os.Getenv("JITNIC_LONG") == "" {
		t.Skip("skipped: compiles the kernel's samples, which takes a while; JITNIC_LONG=1 does")
	}
	dir := t.TempDir()
	if err := kernelsamples.Build(t.Context(), dir); err != nil {
		t.Skipf("skipped: %v", err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.o"))
	for _, f := range files {
		obj, err := loader.Load(f, loader.Options{})
		if err != nil {
			t.Logf("%s: %v", filepath.Base(f), err)
			continue
		}
		for _, e := range obj.Programs {
			if e.Type != cebpf.XDP {
				continue
			}
			line := fmt.Sprintf("%-28s %-28s", filepath.Base(f), e.Name)
			for _, m := range conditions() {
				p := must.Get(vliw.Program(obj, e, m))(t)
				line += fmt.Sprintf(" %4d/%-4d %.2f (%.2f)", p.Insns, p.Bundles, p.IPC(), p.Packed())
			}
			t.Log(line)
		}
	}
}

// optimisedIPC optimises the traces most packets of the captures take, twelve
// of them at most and none longer than 250, and says what that does to their
// schedules.
func optimisedIPC(t *testing.T, s programs.Sample, files []string) string {
	if z3.Open() != nil {
		return "-"
	}
	obj, entry, prepare := sample(t, s)
	b := must.Get(newBench(obj, entry, prepare, 0, nil))(t)
	defer b.close()
	for _, f := range files {
		for in := range hosttest.Packets(t, f, 300) {
			must.Get(b.r.Process(in, &b.want))(t)
		}
	}
	paths := slices.Clone(b.r.Paths())
	slices.SortStableFunc(paths, func(x, y *jit.PathInfo) int { return cmp.Compare(y.Packets, x.Packets) })
	m := vliw.HXDP().For(obj.Maps)
	var raw, opt rate
	n := 0
	for _, p := range paths {
		if p.Path.Trace.Len() > 250 || n == 12 {
			continue
		}
		n++
		o, _, err := superopt.OptimizeTrace(context.Background(), p.Path, b.r.Comp, &superopt.Options{Layers: "pr", Proposals: -1, Workers: 1, RLimit: 200_000}, false)
		must.OK(t, err)
		a, err := vliw.New(p.Path.Trace, m)
		must.OK(t, err)
		c, err := vliw.New(o, m)
		must.OK(t, err)
		raw.add(a)
		opt.add(c)
	}
	return fmt.Sprintf("%d traces: %d -> %d insns, %d -> %d cycles, IPC %.2f -> %.2f", n, raw.source, opt.source, raw.cycles, opt.cycles, raw.ipc(), opt.ipc())
}
