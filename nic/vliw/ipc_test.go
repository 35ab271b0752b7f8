package vliw_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/nic/vliw"
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
	plain.Branches = 1
	motion := vliw.HXDP()
	motion.NoBounds, motion.NoZeroing = false, false
	var out strings.Builder
	fmt.Fprintf(&out, "%-13s %-34s %-44s\n%-13s %5s %7s %7s %7s %7s %9s %9s %9s %10s %9s\n", "", "program", "traces", "", "insns",
		"basic", "chains", "hxdp", "insns/t", "plain", "hxdp", "bound", "scalar", "of bound")
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
		fmt.Fprintf(&out, "%-13s %5d %7.2f %7.2f %7.2f %7.1f %9.2f %9.2f %9.2f %10.1f %8.0f%%\n", s.Name, static[0].Source,
			static[0].IPC(), static[1].IPC(), static[2].IPC(), float64(p.source)/float64(n), p.ipc(), x.ipc(),
			float64(x.insns)/float64(x.bound), float64(p.scalar)/float64(n), 100*float64(x.cycles)/float64(x.bound))
		lo, hi = min(lo, static[2].IPC()), max(hi, static[2].IPC())
		if x.ipc() <= static[2].IPC() {
			t.Logf("%s: traces reach %.2f, the program %.2f", s.Name, x.ipc(), static[2].IPC())
		}
		t.Logf("%s", static[2].Header())
	}
	t.Logf("\n%s", out.String())
	t.Logf("programs %.2f to %.2f", lo, hi)
}
