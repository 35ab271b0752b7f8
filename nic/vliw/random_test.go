package vliw_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest"
	"jitnic/host/hosttest/must"
	"jitnic/host/hosttest/progen"
	"jitnic/host/loader"
	"jitnic/host/programs"
	"jitnic/host/run/jit"
	"jitnic/host/vm"
	"jitnic/nic/vliw"
	"jitnic/superopt"
	"jitnic/superopt/z3"
	"jitnic/trace"
)

// Traces of random programs do on each core what the interpreter does.
func TestTracesAtRandom(t *testing.T) {
	n := uint64(60)
	if os.Getenv("JITNIC_LONG") != "" {
		n = 3000
	}
	ran, paths := 0, 0
	for seed := range n {
		c := progen.Generate(seed, progen.Options{V4: seed%2 == 0, Latched: seed%3 == 0})
		b, err := newBench(c.Object, c.Entry, nil, int(seed%2)*32, machines())
		must.OKf(t, err, "seed %d", seed)
		for i, p := range c.Packets(24, seed) {
			// Twice, so that every path is run as a schedule after its discovery too.
			must.OKf(t, b.packet(&vm.Input{Data: p, Packet: uint64(i), TimeNS: uint64(i) * 1000}), "seed %d", seed)
		}
		ran += b.twins[0].ran
		paths += len(b.r.Paths())
		b.close()
	}
	t.Logf("%d packets run as schedules, %d paths", ran, paths)
	if ran == 0 {
		t.Error("no packet ran as a schedule")
	}
}

// Traces that the superoptimizer rewrote, which come without Meta, do so too.
func TestOptimised(t *testing.T) {
	if err := z3.Open(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	limit, most := uint64(100), 60
	if os.Getenv("JITNIC_LONG") != "" {
		limit, most = 1000, 400
	}
	file := captures(t)[0]
	for _, s := range programs.All() {
		t.Run(s.Name, func(t *testing.T) {
			obj, entry, prepare := sample(t, s)
			b := must.Get(newBench(obj, entry, prepare, 0, []*vliw.Machine{vliw.HXDP(), machines()[1]}))(t)
			defer b.close()
			better := 0
			done := map[*jit.PathInfo]*trace.Trace{}
			rewrite := func(p *jit.PathInfo) (*trace.Trace, error) {
				if o := done[p]; o != nil {
					return o, nil
				}
				if p.Path.Trace.Len() > most {
					return p.Path.Trace, nil // takes too long to prove for this test
				}
				o, _, err := superopt.OptimizeTrace(context.Background(), p.Path, b.r.Comp, &superopt.Options{Layers: "pr", Proposals: -1, Workers: 1, RLimit: 300_000}, false)
				if err != nil {
					return nil, err
				}
				if !slices.Equal(o.Code, p.Path.Trace.Code) {
					better++
				}
				done[p] = o
				return o, nil
			}
			for _, tw := range b.twins {
				tw.rewrite = rewrite
			}
			for in := range hosttest.Packets(t, file, limit) {
				must.OK(t, b.packet(in))
			}
			raw, opt := 0, 0
			for p, o := range done {
				raw += int(vliw.Cycles(p.Path.Trace, b.twins[0].m))
				opt += int(vliw.Cycles(o, b.twins[0].m))
			}
			t.Logf("%d of %d traces rewritten, %d cycles -> %d", better, len(b.r.Paths()), raw, opt)
		})
	}
}

// The same trace gives the same schedule, byte for byte, whatever was scheduled
// before.
func TestDeterministic(t *testing.T) {
	m := vliw.HXDP()
	used := vliw.NewScheduler(m)
	for seed := range uint64(20) {
		tr := randomTrace(t, seed)
		if tr == nil {
			continue
		}
		a := must.Get(vliw.New(tr, m))(t)
		b := must.Get(used.Schedule(tr))(t)
		if a.Format(nil) != b.Format(nil) {
			t.Fatalf("seed %d: two schedules\n%s\n%s", seed, a.Format(nil), b.Format(nil))
		}
		if c := vliw.Cost(m)(tr.Code); tr.Meta == nil && c != a.Cycles {
			t.Errorf("seed %d: cost %d, %d cycles", seed, c, a.Cycles)
		}
	}
}

// randomTrace is that of a random program's first packet that has one.
func randomTrace(t testing.TB, seed uint64) *trace.Trace {
	t.Helper()
	c := progen.Generate(seed, progen.Options{})
	r := must.Get(jit.New(c.Object, c.Entry, jit.Options{}))(t)
	defer r.Close()
	var out vm.Output
	for _, p := range c.Packets(8, seed) {
		must.Get(r.Process(&vm.Input{Data: p}, &out))(t)
	}
	var best *trace.Trace
	for _, p := range r.Paths() {
		if best == nil || p.Path.Trace.Len() > best.Len() {
			best = p.Path.Trace
		}
	}
	if best == nil {
		return nil
	}
	bare := *best
	bare.Meta = nil
	return &bare
}

// What isn't a trace is refused with the place.
func TestRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"r0 = 1":                                "vliw: the trace does not end in exit",
		"if r1 == 0 goto +0\nr0 = 1\nexit":      "vliw: insn 0: a jump in a trace",
		"r0 = 1\nexit\nexit":                    "vliw: insn 1: exit before the end",
		"r1 = 5\ncall tail_call#12\nr0=1\nexit": "vliw: insn 1: a jump in a trace",
	} {
		code := must.Get(ebpf.Parser{}.Code(text))(t)
		if _, err := vliw.New(&trace.Trace{Code: code}, vliw.HXDP()); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if n := vliw.Cycles(&trace.Trace{Code: code}, vliw.HXDP()); n != 0 {
			t.Errorf("%q: %d cycles", text, n)
		}
		if n := vliw.Cost(vliw.HXDP())(code); n <= 0 {
			t.Errorf("%q: cost %d", text, n)
		}
	}
	for _, code := range [][]ebpf.Insn{nil, {{Op: ebpf.OpLDDW}}, {{Op: ebpf.OpExit, Dst: 15}}} {
		if _, err := vliw.New(&trace.Trace{Code: code}, vliw.HXDP()); err == nil {
			t.Errorf("%v: no error", code)
		}
	}
}

// Scheduling for the price alone allocates nothing.
func TestCostAllocs(t *testing.T) {
	tr := longTrace(t)
	cost := vliw.Cost(vliw.HXDP())
	cost(tr.Code)
	if n := testing.AllocsPerRun(20, func() { cost(tr.Code) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// longTrace is one of some 60 instructions.
func longTrace(t testing.TB) *trace.Trace {
	for seed := uint64(0); seed < 200; seed++ {
		if tr := randomTrace(t, seed); tr != nil && tr.Len() >= 55 && tr.Len() <= 65 {
			return tr
		}
	}
	t.Fatal("no trace of some 60 instructions")
	return nil
}

// BenchmarkCost prices a trace of some 60 instructions.
func BenchmarkCost(b *testing.B) {
	tr := longTrace(b)
	for _, m := range []*vliw.Machine{vliw.HXDP().Plain(), vliw.HXDP()} {
		name := "plain"
		if m.Rename {
			name = "hxdp"
		}
		b.Run(name, func(b *testing.B) {
			cost := vliw.Cost(m)
			b.ReportAllocs()
			b.ReportMetric(float64(tr.Len()), "insns")
			for b.Loop() {
				cost(tr.Code)
			}
		})
	}
}

// Whatever the input, there is a schedule or an error, never a panic.
func TestAnyInput(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 11))
	cost := vliw.Cost(vliw.HXDP())
	scheduled, whole := 0, 0
	for range 4000 {
		code := make([]ebpf.Insn, rng.IntN(24))
		for i := range code {
			code[i] = ebpf.Insn{Op: uint8(rng.Uint32()), Dst: uint8(rng.IntN(12)), Src: uint8(rng.IntN(12)), Off: int16(rng.IntN(16) - 8), Imm: int32(rng.IntN(400) - 100)}
		}
		code = append(code, ebpf.Insn{Op: ebpf.OpExit})
		for _, m := range machines() {
			if s, err := vliw.New(&trace.Trace{Code: code}, m); err == nil {
				scheduled++
				if s.Cycles < s.Bound {
					t.Fatalf("%d cycles, below the bound of %d\n%s", s.Cycles, s.Bound, s.Format(nil))
				}
			}
			p := &loader.Program{Name: "p", Insns: code}
			if _, err := vliw.Program(&loader.Object{Programs: []*loader.Program{p}}, p, m); err == nil {
				whole++
			}
		}
		if n := cost(code); n <= 0 {
			t.Fatalf("cost %d", n)
		}
	}
	t.Logf("%d schedules, %d programs", scheduled, whole)
}

// BenchmarkCycles times a recorded run of a sample program.
func BenchmarkCycles(b *testing.B) {
	s := must.Get(programs.Get("conntrack"))(b)
	obj, entry, prepare := sample(b, s)
	w := must.Get(newWhole(obj, entry, prepare, vliw.HXDP()))(b)
	defer w.close()
	var steps []vm.Step
	for in := range hosttest.Packets(b, captures(b)[0], 50) {
		var out vm.Output
		w.it.RunRecorded(in, &out, &w.rec)
		if len(w.rec.Steps) > len(steps) {
			steps = slices.Clone(w.rec.Steps)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		w.p.Cycles(steps)
	}
	b.ReportMetric(float64(len(steps)), "steps")
}
