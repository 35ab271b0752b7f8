package price

import (
	"math"
	"slices"
	"strings"
	"testing"

	"jitnic/cache/stream"
	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/nic/device"
	"jitnic/nic/match"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
	"jitnic/pathcond"
	"jitnic/trace"

	"github.com/google/go-cmp/cmp"
)

// parse makes a trace of a path that executed so many instructions.
func parse(t testing.TB, executed int, text string) *trace.Trace {
	t.Helper()
	code := must.Get(ebpf.Parser{}.Code(text))(t)
	return &trace.Trace{Code: code, Raw: executed}
}

// two is a workload of two paths and four packets, one of which has no path. Of
// its maps, "flows" is a hash, "stats" has values by CPU, and "routes" is a trie.
func two(t testing.TB) *workload.Workload {
	var a, b, c workload.Shape
	a.Insns, a.Ops[workload.OpHash], a.Ops[workload.OpPerCPU], a.Ops[workload.OpAtomic] = 10, 1, 1, 1
	b.Insns, b.Ops[workload.OpUpdate] = 20, 1
	c.Insns, c.Ops[workload.OpLPM], c.Ops[workload.OpHelper] = 30, 2, 3
	return &workload.Workload{
		Program: "two", Capture: "by hand",
		Paths: []workload.Path{
			{Raw: parse(t, 10, "r0 = 1\nr0 += 1\nexit"), Trace: parse(t, 10, "r0 = 2\nexit"), Cond: make([]pathcond.Pred, 3), Packets: 2, Optimised: true},
			{Raw: parse(t, 20, "r2 = 7\nr3 = 3\nr0 = 1\nexit"), Trace: parse(t, 20, "r2 = 7\nr3 = 3\nr0 = 1\nexit"), Cond: make([]pathcond.Pred, 1), Packets: 1},
		},
		Shapes: []workload.Shape{a, b, c},
		Aborts: []workload.Abort{{Detail: "why"}},
		Maps:   []workload.Map{{Name: "flows"}, {Name: "stats", PerCPU: true}, {Name: "routes"}},
		// Entries: a flow, a counter, a route, another flow.
		Entries: 4, EntryMap: []uint16{0, 1, 2, 0},
		Accesses: []workload.Access{
			{Entry: 0}, {Entry: 1}, {Entry: 1, Write: true}, {Entry: 2}, // packet 0
			{Entry: 3, Write: true}, // packet 1
			{Entry: 2}, {Entry: 0},  // packet 2
			{Entry: 3}, {Entry: 2}, // packet 3
		},
		Packets: []workload.Packet{
			{Path: 0, Abort: workload.None, Shape: 0, Flow: 5, First: 0, N: 4, Len: 100, OutLen: 104, Queue: 1, Fate: workload.Tx},
			{Path: 1, Abort: workload.None, Shape: 1, Flow: 6, First: 4, N: 1, Len: 60, OutLen: 60, Queue: 2, Fate: workload.Drop},
			{Path: workload.None, Abort: 0, Shape: 2, Flow: 7, First: 5, N: 2, Len: 1500, OutLen: 1500, Queue: 3, Fate: workload.Pass},
			{Path: 0, Abort: workload.None, Shape: 0, Flow: 5, First: 7, N: 2, Len: 64, OutLen: 64, Queue: 1, Fate: workload.Redirect},
		},
		Time:          []int64{0, 1, 2, 3},
		Invalidations: []stream.Invalidation{{At: 3, ID: 1}},
	}
}

func hand() (*profile.NIC, *profile.Host, *match.Costs) {
	n := &profile.NIC{Name: "hand", Executor: profile.ExecVLIW, Lanes: 4, LatALU: 1, Dispatch: 6, InstallBase: 2000, InstallSlot: 100}
	h := &profile.Host{Name: "hand", Insn: 300, Byte: 10, Helper: 5000, Atomic: 7000, Array: 3000, PerCPU: 4000, Hash: 19_000, LRU: 20_000, LPM: 60_000,
		Update: 61_000, Redir: 15_000, Tail: 6000, Call: 1000, Tx: 40_000, Redirect: 80_000, Pass: 273_000,
		CompileBase: 20_000_000, CompileInsn: 500_000, Optimise: 1_000_000_000}
	m := &match.Costs{Paths: []match.PathCost{{Match: 7, Miss: 9}, {Match: 8, Miss: 11}}, Miss: 10}
	return n, h, m
}

// Every number of the device's input, by hand.
// Where tiers count their work, that is the optimiser's time: so much for a unit of
// the tier.
func TestOptimise(t *testing.T) {
	h := must.Get(profile.LoadHost("paper"))(t)
	p := &workload.Path{Raw: parse(t, 10, "r0 = 1\nr0 += 1\nexit")}
	if got := Optimise(p, 2, h); got != 3*1_000_000_000 {
		t.Errorf("all layers: %d ps", got)
	}
	p.Units = 700
	if one, two := Optimise(p, 1, h), Optimise(p, 2, h); one != 700*h.Unit || two != 700*h.Search || one <= two || two == 0 {
		t.Errorf("700 units: %d ps at tier 1, %d at tier 2", one, two)
	}
}

func TestBuild(t *testing.T) {
	w := two(t)
	n, h, m := hand()
	got := must.Get(Build(w, n, h, Parts{Match: m, Placed: []bool{true, true, false}}))(t)
	want := &device.Input{
		Entries: 4, Invalidations: w.Invalidations,
		Paths: []device.Path{
			{
				Match: 7,
				Exec:  2 + 6, // r0, then exit; dispatch
				Reads: 1,     // the flow; counters are each side's own, routes aren't there
				Slots: 2 + 3, // instructions and predicates
				Cost:  10,    // instructions of the path
				// 20 us, 10 instructions of 0.5 us, and 3 to optimise of 1 ms each
				Compile:  20_000_000 + 10*500_000 + 3*1_000_000_000,
				Optimise: 3 * 1_000_000_000,
				Install:  (2000 + 5*100) * 1000, // ns
				Bytes:    5 * 8,
			},
			{
				Match:  8,
				Exec:   2 + 6, // three share a bundle, then exit
				Writes: 1, Slots: 4 + 1, Cost: 20,
				Compile: 20_000_000 + 20*500_000, // it was not optimised
				Install: 2_500_000, Bytes: 40,
			},
		},
		Accesses: []device.Access{{Entry: 0}, {Entry: 3, Write: true}, {Entry: 0}, {Entry: 3}},
		Packets: []device.Packet{
			// 10 instructions, 100 bytes, a hash, a counter, an atomic, sent out
			{Path: 0, Flow: 5, First: 0, N: 1, Queue: 1, Len: 100, OutLen: 104, Fate: device.Wire, Miss: 9,
				Host: 10*300 + 100*10 + 19_000 + 4000 + 7000 + 40_000},
			// 20 instructions, 60 bytes, an update; a drop costs nothing more
			{Path: 1, Flow: 6, First: 1, N: 1, Queue: 2, Len: 60, OutLen: 60, Fate: device.Drop, Miss: 11, Host: 20*300 + 60*10 + 61_000},
			// no path: the mean miss; 30 instructions, 1500 bytes, two walks of a trie, three helpers, to the stack
			{Path: -1, Flow: 7, First: 2, N: 1, Queue: 3, Len: 1500, OutLen: 1500, Fate: device.Up, Miss: 10,
				Host: 30*300 + 1500*10 + 2*60_000 + 3*5000 + 273_000},
			// a redirect leaves by the wire too
			{Path: 0, Flow: 5, First: 3, N: 1, Queue: 1, Len: 64, OutLen: 64, Fate: device.Wire, Miss: 9,
				Host: 10*300 + 64*10 + 19_000 + 4000 + 7000 + 80_000},
		},
	}
	if d := cmp.Diff(want, got.In); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if !slices.Equal(got.Cycles, []uint32{2, 2}) || !slices.Equal(got.Insns, []uint32{2, 4}) {
		t.Errorf("cycles %d, instructions %d", got.Cycles, got.Insns)
	}
	if err := got.In.Check(); err != nil {
		t.Error(err)
	}

	// On a scalar core an instruction a cycle.
	s := *n
	s.Executor = profile.ExecScalar
	got = must.Get(Build(w, &s, h, Parts{Match: m}))(t)
	if !slices.Equal(got.Cycles, []uint32{2, 4}) || got.In.Paths[1].Exec != 4+6 || !slices.Equal(Scalar(w, n, false), got.Cycles) {
		t.Errorf("scalar: cycles %d", got.Cycles)
	}
	// All maps placed: the routes count too, the counters do not.
	if p := got.In.Paths[0]; p.Reads != 2 || p.Writes != 0 || got.In.Packets[0].N != 2 || got.In.Packets[2].N != 2 {
		t.Errorf("all maps on the device: %+v", got.In)
	}

	// As they were before optimisation: three instructions in three cycles, and
	// no time to optimise.
	raw := must.Get(Build(w, n, h, Parts{Match: m, Raw: true, Refused: []bool{false, true}}))(t)
	if p := raw.In.Paths[0]; p.Exec != 3+6 || p.Slots != 3+3 || p.Compile != 25_000_000 || p.Install != 2_600_000 || p.Bytes != 48 || p.Refused {
		t.Errorf("raw: %+v", p)
	}
	if !raw.In.Paths[1].Refused {
		t.Error("a path that does not fit is not refused")
	}
	// What the matcher can't hold is refused as well; given cycles are taken.
	m.Paths[0].Refused = "too wide"
	ref := must.Get(Build(w, n, h, Parts{Match: m, Cycles: []uint32{100, 200}}))(t)
	if p := ref.In.Paths; !p[0].Refused || p[1].Refused || p[0].Exec != 106 || p[1].Exec != 206 {
		t.Errorf("refused by the matcher: %+v", p)
	}

	// Without a compiler's maps and entries, all accesses are of both sides.
	w.EntryMap = nil
	all := must.Get(Build(w, n, h, Parts{Match: m, Placed: []bool{true, true, false}}))(t)
	if len(all.In.Accesses) != len(w.Accesses) {
		t.Errorf("%d of %d accesses", len(all.In.Accesses), len(w.Accesses))
	}
}

// Nothing overflows: what is longer than a field holds is as long as it holds.
func TestSaturates(t *testing.T) {
	w := two(t)
	n, h, m := hand()
	h.Pass, n.Dispatch, n.InstallSlot, h.CompileInsn = 1<<40, 1<<40, 1e10, 1e14 // ns, ps
	got := must.Get(Build(w, n, h, Parts{Match: m}))(t)
	if got.In.Packets[2].Host != math.MaxUint32 || got.In.Paths[0].Exec != math.MaxUint32 {
		t.Errorf("%+v %+v", got.In.Packets[2], got.In.Paths[0])
	}
	if p := got.In.Paths[1]; p.Compile != 1e15 || p.Install != 5e13+2e6 {
		t.Errorf("%+v", p)
	}
	if err := got.In.Check(); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	w := two(t)
	n, h, m := hand()
	m.Paths = m.Paths[:1]
	if _, err := Build(w, n, h, Parts{Match: m}); err == nil || err.Error() != "price: match costs of 1 paths for a workload of 2" {
		t.Error(err)
	}
	_, _, m = hand()
	w.Paths[1].Trace = parse(t, 1, "if r1 == 0 goto +1\nr0 = 1\nexit")
	if _, err := Build(w, n, h, Parts{Match: m}); err == nil || !strings.HasPrefix(err.Error(), "path 1: ") {
		t.Error(err)
	}
}

// Each operation has its own price, and each verdict.
func TestHost(t *testing.T) {
	_, h, _ := hand()
	want := [workload.Ops]uint64{
		workload.OpArray: 3000, workload.OpPerCPU: 4000, workload.OpHash: 19_000, workload.OpLRU: 20_000, workload.OpLPM: 60_000,
		workload.OpUpdate: 61_000, workload.OpRedirect: 15_000, workload.OpAtomic: 7000, workload.OpTail: 6000, workload.OpCall: 1000, workload.OpHelper: 5000,
	}
	for op, ps := range want {
		s := workload.Shape{Insns: 7}
		s.Ops[op] = 3
		if got := Shape(&s, h); got != 7*300+3*ps {
			t.Errorf("%v: %d ps, want %d", workload.Op(op), got, 7*300+3*ps)
		}
	}
	for f, ps := range map[workload.Fate]uint64{workload.Drop: 0, workload.Tx: 40_000, workload.Redirect: 80_000, workload.Pass: 273_000} {
		if got := Verdict(f, h); got != ps {
			t.Errorf("%v: %d ps, want %d", f, got, ps)
		}
	}
}
