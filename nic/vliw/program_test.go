package vliw_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"jitnic/host/diff"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/hosttest/progen"
	"jitnic/host/loader"
	"jitnic/host/programs"
	"jitnic/host/vm"
	"jitnic/nic/vliw"
)

// whole runs packets through the interpreter and through a program's schedule.
type whole struct {
	a, b  *vm.State
	it    *vm.Interp
	x     *vliw.Executor
	p     *vliw.ProgramSchedule
	check *diff.Checker
	rec   vm.Recording
	ran   int
}

func newWhole(obj *loader.Object, entry *loader.Program, prepare func(*vm.State) error, m *vliw.Machine) (*whole, error) {
	w := &whole{}
	for _, s := range []**vm.State{&w.a, &w.b} {
		var err error
		if *s, err = vm.NewState(obj, vm.Options{Track: true}); err != nil {
			return nil, err
		}
		if prepare != nil {
			if err := prepare(*s); err != nil {
				return nil, err
			}
		}
	}
	var err error
	if w.it, err = vm.NewInterp(w.a, obj, entry); err != nil {
		return nil, err
	}
	w.x, w.check = vliw.NewExecutor(w.b), diff.NewChecker(w.a, w.b, 0)
	w.p, err = vliw.Program(obj, entry, m)
	return w, err
}

func (w *whole) close() { w.a.Close(); w.b.Close() }

var errOther = errors.New("calls a callback")

func (w *whole) packet(in *vm.Input) error {
	var want, got vm.Output
	w.it.RunRecorded(in, &want, &w.rec)
	if want.Err != nil {
		return nil
	}
	if err := w.b.Begin(in); err != nil {
		return err
	}
	v, cycles, err := w.x.RunProgram(w.p, 1_000_000)
	if err != nil {
		if strings.Contains(err.Error(), "with a callback") {
			return errOther
		}
		return fmt.Errorf("packet %d: %w\n%s", in.Packet, err, w.p.Format(nil))
	}
	w.b.End(uint32(v), &got)
	if d := w.check.Packet(&want, &got); d != nil {
		return fmt.Errorf("packet %d: %w\n%s", in.Packet, d, w.p.Format(nil))
	}
	if c := w.p.Cycles(w.rec.Steps); int(c) != cycles {
		return fmt.Errorf("packet %d: Cycles says %d, the core took %d\n%s", in.Packet, c, cycles, w.p.Format(nil))
	}
	w.ran++
	return nil
}

// programMachines are cores that do what the program says, bounds and all.
func programMachines() []*vliw.Machine {
	hxdp := *vliw.HXDP()
	hxdp.NoBounds = false
	slow := *machines()[1]
	chained := slow
	chained.Name, chained.Branches, chained.Speculate, chained.ExitImm, chained.NoZeroing = "slow, chained", 2, true, true, true
	return []*vliw.Machine{&hxdp, &slow, &chained, {Name: "one lane", Lanes: 1}, {Name: "wide", Lanes: 16, Speculate: true}}
}

// Whole programs do on each core what the interpreter does, and take as many
// cycles as Cycles says of the recording.
func TestProgramsOnSamples(t *testing.T) {
	limit := uint64(60)
	if os.Getenv("JITNIC_LONG") != "" {
		limit = 0
	}
	files := captures(t)
	for _, s := range programs.All() {
		t.Run(s.Name, func(t *testing.T) {
			obj, entry, prepare := sample(t, s)
			for _, m := range programMachines() {
				ran, other := 0, 0
				for _, f := range files {
					w := must.Get(newWhole(obj, entry, prepare, m))(t)
					for in := range hosttest.Packets(t, f, limit) {
						if err := w.packet(in); errors.Is(err, errOther) {
							other++
							break // the two states have parted
						} else if err != nil {
							t.Fatalf("machine %q: %v", m.Name, err)
						}
					}
					ran += w.ran
					w.close()
				}
				if ran == 0 && other == 0 {
					t.Error("no packet ran")
				}
				if other > 0 {
					t.Logf("machine %q: %d captures left at a callback, %d packets ran", m.Name, other, ran)
				}
			}
		})
	}
}

// So do random programs.
func TestProgramsAtRandom(t *testing.T) {
	n := uint64(60)
	if os.Getenv("JITNIC_LONG") != "" {
		n = 3000
	}
	ran := 0
	for seed := range n {
		c := progen.Generate(seed, progen.Options{V4: seed%2 == 0})
		for _, m := range programMachines() {
			w, err := newWhole(c.Object, c.Entry, nil, m)
			must.OKf(t, err, "seed %d", seed)
			for i, p := range c.Packets(20, seed) {
				if err := w.packet(&vm.Input{Data: p, Packet: uint64(i), TimeNS: uint64(i) * 1000}); errors.Is(err, errOther) {
					break
				} else if err != nil {
					t.Fatalf("seed %d, machine %q: %v", seed, m.Name, err)
				}
			}
			ran += w.ran
			w.close()
		}
	}
	t.Logf("%d runs", ran)
}
