package vliw_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"jitnic/cache"
	"jitnic/host/diff"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/loader"
	"jitnic/host/maps"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/nic"
	"jitnic/nic/vliw"
	"jitnic/trace"
)

// machines are the cores the schedules are held against the interpreter on:
// one with all latencies apart, hXDP's, one lane, and a wide one.
func machines() []*vliw.Machine {
	slow := &vliw.Machine{Name: "slow", Lanes: 4, Helpers: 1, MemPorts: 2, MapPorts: 1, ALU: 1, Mul: 3, Div: 9, Load: 2, MapLoad: 4,
		Store: 3, Atomic: 5, Array: 3, Hash: 6, LRU: 7, LPM: 8, Update: 4, Helper: 5}
	renamed := *slow
	renamed.Name, renamed.Rename, renamed.ThreeOperand, renamed.SixBytes, renamed.ExitImm = "slow, extended", true, true, true, true
	one := *slow.Plain()
	one.Name, one.Lanes = "one lane", 1
	return []*vliw.Machine{vliw.HXDP(), slow, &renamed, &one, {Name: "wide", Lanes: 16, Rename: true, ThreeOperand: true}}
}

// captures are our own and the shared ones where they are.
func captures(t testing.TB) []string {
	own, _ := filepath.Glob(filepath.Join(hosttest.Root(t), "pcaps/samples/*.pcap*"))
	shared := hosttest.Shared(t)
	if len(shared) == 0 {
		t.Logf("no captures in ../shared/corpus: only our own are replayed")
	}
	return append(own, shared...)
}

// sample loads a sample program; prepare fills its maps.
func sample(t testing.TB, s programs.Sample) (obj *loader.Object, entry *loader.Program, prepare func(*vm.State) error) {
	t.Helper()
	p := hosttest.Sample(t, s.Name)
	return p.Obj, p.Entry, p.Prepare
}

// bench runs packets through a runtime, which gives traces and the
// interpreter's outcome, and the same packets through schedules on twins.
type bench struct {
	r     *jit.Runtime
	twins []*twin
	want  vm.Output
}

type twin struct {
	m       *vliw.Machine
	s       *vm.State
	x       *vliw.Executor
	check   *diff.Checker
	it      *vm.Interp
	sched   []*vliw.Schedule // by path
	ran     int
	rewrite func(p *jit.PathInfo) (*trace.Trace, error)
}

func newBench(obj *loader.Object, entry *loader.Program, prepare func(*vm.State) error, predicate int, ms []*vliw.Machine) (*bench, error) {
	r, err := jit.New(obj, entry, jit.Options{Prepare: prepare, Remedies: jit.Remedies{Predicate: predicate}, VM: vm.Options{Track: true}, Cache: cache.Config{Policy: "lru", Entries: 4096}})
	if err != nil {
		return nil, err
	}
	b := &bench{r: r}
	for _, m := range ms {
		for _, meta := range []bool{true, false} {
			s, err := vm.NewState(obj, vm.Options{Track: true})
			if err != nil {
				return nil, err
			}
			if prepare != nil {
				if err := prepare(s); err != nil {
					return nil, err
				}
			}
			it, err := vm.NewInterp(s, obj, entry)
			if err != nil {
				return nil, err
			}
			var specs []*maps.Spec
			for _, mp := range s.Maps {
				specs = append(specs, mp.Spec())
			}
			tw := &twin{m: m.For(specs), s: s, x: vliw.NewExecutor(s), check: diff.NewChecker(r.S, s, 0), it: it}
			if !meta {
				tw.rewrite = func(p *jit.PathInfo) (*trace.Trace, error) {
					bare := *p.Path.Trace
					bare.Meta = nil
					return &bare, nil
				}
			}
			b.twins = append(b.twins, tw)
		}
	}
	return b, nil
}

func (b *bench) close() {
	b.r.Close()
	for _, t := range b.twins {
		t.s.Close()
	}
}

// packet runs one packet everywhere.
func (b *bench) packet(in *vm.Input) error {
	res, err := b.r.Process(in, &b.want)
	if err != nil {
		return err
	}
	for _, t := range b.twins {
		if err := t.packet(b, in, res.Path); err != nil {
			return fmt.Errorf("machine %q: packet %d: path %d: %w", t.m.Name, in.Packet, res.Path, err)
		}
	}
	return nil
}

func (t *twin) packet(b *bench, in *vm.Input, p nic.Path) error {
	var out vm.Output
	var sched *vliw.Schedule
	if p < 0 || b.want.Err != nil {
		t.it.Run(in, &out)
	} else {
		for int(p) >= len(t.sched) {
			t.sched = append(t.sched, nil)
		}
		if sched = t.sched[p]; sched == nil {
			tr := b.r.Paths()[p].Path.Trace
			if t.rewrite != nil {
				var err error
				if tr, err = t.rewrite(b.r.Paths()[p]); err != nil {
					return err
				}
			}
			var err error
			if sched, err = vliw.New(tr, t.m); err != nil {
				return err
			}
			if sched.Cycles < sched.Bound {
				return fmt.Errorf("%d cycles, below the bound of %d\n%s", sched.Cycles, sched.Bound, sched.Format(nil))
			}
			t.sched[p] = sched
		}
		if err := t.s.Begin(in); err != nil {
			return err
		}
		v, err := t.x.Run(sched)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, sched.Format(nil))
		}
		t.s.End(uint32(v), &out)
		t.ran++
	}
	if d := t.check.Packet(&b.want, &out); d != nil {
		if sched != nil {
			return fmt.Errorf("%w\n%s", d, sched.Format(nil))
		}
		return d
	}
	return nil
}

// Every trace of every sample program does on every core what the interpreter
// does, packet by packet: verdict, bytes, length, redirect and maps, with what
// the recording saw of memory and without.
func TestSamples(t *testing.T) {
	limit := uint64(60)
	if os.Getenv("JITNIC_LONG") != "" {
		limit = 0
	}
	files := captures(t)
	for _, s := range programs.All() {
		t.Run(s.Name, func(t *testing.T) {
			obj, entry, prepare := sample(t, s)
			ran, paths := 0, 0
			for i, f := range files {
				b := must.Get(newBench(obj, entry, prepare, i%2*32, machines()))(t)
				for in := range hosttest.Packets(t, f, limit) {
					if err := b.packet(in); err != nil {
						t.Fatalf("%s: %v", filepath.Base(f), err)
					}
				}
				ran += b.twins[0].ran
				paths += len(b.r.Paths())
				b.close()
			}
			t.Logf("%d packets run as schedules, %d paths", ran, paths)
			if ran == 0 {
				t.Error("no packet ran as a schedule")
			}
		})
	}
}
