package fit

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/nic/profile"
	"jitnic/nic/workload"
	"jitnic/pathcond"
	"jitnic/pathcond/bv"
	"jitnic/trace"
)

// Instructions of traces.
var (
	exit   = ebpf.Insn{Op: ebpf.OpExit}
	r0zero = ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov}
)

func call(id int32) ebpf.Insn { return ebpf.Insn{Op: ebpf.OpCall, Imm: id} }

// mapFD is r1 = map m, two slots.
func mapFD(m int32) []ebpf.Insn {
	return []ebpf.Insn{{Op: ebpf.OpLDDW, Dst: 1, Src: ebpf.PseudoMapFD, Imm: m}, {}}
}

// lookup is r0 = value found in map m.
func lookup(m int32) []ebpf.Insn { return append(mapFD(m), call(ebpf.FnMapLookupElem)) }

func store(dst uint8) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeW, Dst: dst, Imm: 1}
}

func atomic(dst uint8, imm int32) ebpf.Insn {
	return ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | ebpf.SizeDW, Dst: dst, Src: 2, Imm: imm}
}

func code(parts ...any) *trace.Trace {
	t := &trace.Trace{}
	for _, p := range parts {
		switch p := p.(type) {
		case ebpf.Insn:
			t.Code = append(t.Code, p)
		case []ebpf.Insn:
			t.Code = append(t.Code, p...)
		}
	}
	t.Code = append(t.Code, r0zero, exit)
	return t
}

// work is a workload of paths, with so many packets each, and of aborts.
func work(packets []int, paths []*trace.Trace, aborts ...workload.Abort) *workload.Workload {
	w := &workload.Workload{Program: "hand", Capture: "made"}
	for i, t := range paths {
		w.Paths = append(w.Paths, workload.Path{Raw: t, Trace: t, Cond: make([]pathcond.Pred, i), Slots: uint32(t.Len() + i)})
		for range packets[i] {
			w.Packets = append(w.Packets, workload.Packet{Path: int32(i), Abort: workload.None})
		}
	}
	for i, a := range aborts {
		w.Aborts = append(w.Aborts, a)
		for range a.Packets {
			w.Packets = append(w.Packets, workload.Packet{Path: workload.None, Abort: int32(i)})
		}
	}
	return w
}

// device is the ideal NIC with the maps on it and some parameters set.
func device(t testing.TB, set ...string) *profile.NIC {
	t.Helper()
	n := must.Get(profile.Load("ideal"))(t)
	for _, s := range append([]string{"memory.model=nic"}, set...) {
		k, v, _ := strings.Cut(s, "=")
		must.OK(t, n.Set(k, v))
	}
	return n
}

// names lists blockers as "title blocks +alone".
func names(r *Report) []string {
	var out []string
	for i := range r.Blockers {
		b := &r.Blockers[i]
		out = append(out, strings.Join([]string{b.Title(), num(b.Blocks), "+" + num(b.Alone)}, " "))
	}
	return out
}

func num(n uint64) string { b, _ := json.Marshal(n); return string(b) }

// steps lists the liftings as "title and title: +gain = total".
func steps(r *Report) []string {
	var out []string
	for _, s := range r.Steps {
		var l []string
		for _, i := range s.Lift {
			l = append(l, r.Blockers[i].Title())
		}
		out = append(out, strings.Join(l, " and ")+": +"+num(s.Gain)+" = "+num(s.Total))
	}
	return out
}

var hashMap = workload.Map{Name: "flows", Type: "hash", Key: 13, Value: 8, Max: 1000} // entries of 24 B

// Two helpers, writes and an abort; every number is counted by hand.
func TestBlockers(t *testing.T) {
	w := work([]int{6, 3, 1, 5}, []*trace.Trace{
		code(call(5)),                      // ktime_get_ns: 6 packets
		code(lookup(0), store(0), call(5)), // writes a value and asks the time: 3
		code(),                             // fits: 1
		code(lookup(0), atomic(0, 0)),      // counts: 5
	}, workload.Abort{Reason: trace.ReasonHelper, Program: "p", Insn: 7, Detail: "bpf_tail", Packets: 2},
		workload.Abort{Reason: trace.ReasonHelper, Program: "p", Insn: 9, Detail: "bpf_tail", Packets: 2},
		workload.Abort{Reason: trace.ReasonTooLong, Packets: 1})
	w.Maps = []workload.Map{hashMap}
	r := Check(w, device(t, "limit.helpers=map_lookup_elem", "limit.map.writes=atomic"))
	if r.Packets != 20 || r.Traceable != 15 || r.Offloadable != 6 || r.Share != 0.3 {
		t.Errorf("%+v", r)
	}
	want := []string{"helper ktime_get_ns 9 +6", "no trace: helper: bpf_tail 4 +4", "map write flows 3 +0", "no trace: too_long 1 +1"}
	if d := cmp.Diff(want, names(r)); d != "" {
		t.Error(d)
	}
	want = []string{"helper ktime_get_ns: +6 = 12", "no trace: helper: bpf_tail: +4 = 16", "map write flows: +3 = 19", "no trace: too_long: +1 = 20"}
	if d := cmp.Diff(want, steps(r)); d != "" {
		t.Error(d)
	}
	if b := r.Blockers[0]; b.Paths != 2 || len(b.Places) != 2 || b.Places[0] != (Place{Path: 0, Slot: 0, Prog: -1, Insn: -1}) || b.Places[1].Slot != 4 || b.Limit != "limit.helpers" {
		t.Errorf("%+v", b)
	}
	if b := r.Blockers[1]; len(b.Places) != 2 || b.Places[0].String() != "p insn 7" || b.Reason != trace.ReasonHelper {
		t.Errorf("%+v", b)
	}
	if m := r.Maps[0]; m.Entry != 24 || m.Memory != 24_000 || m.Paths != 2 || m.Packets != 8 || !m.Placed {
		t.Errorf("%+v", m)
	}
	if !slices.Equal(r.Paths[1].Blockers, []int{0, 2}) || len(r.Paths[2].Blockers) != 0 {
		t.Errorf("%+v", r.Paths)
	}
	// Without writes at all, counting is out as well.
	r = Check(w, device(t, "limit.map.writes=none"))
	if d := cmp.Diff([]string{"map write flows 8 +8", "no trace: helper: bpf_tail 4 +4", "no trace: too_long 1 +1"}, names(r)); d != "" {
		t.Error(d)
	}
	// On the host the maps are nobody's limit.
	r = Check(w, device(t, "memory.model=host", "limit.map.types=array", "limit.map.entry=8 B", "limit.map.entries=1"))
	if r.Offloadable != 15 {
		t.Errorf("%+v", r.Blockers)
	}
}

// Types and sizes of maps, lengths of traces.
func TestLimits(t *testing.T) {
	w := work([]int{4, 2, 1, 3}, []*trace.Trace{code(lookup(0)), code(lookup(1)), code(lookup(0), lookup(1)), code()})
	w.Maps = []workload.Map{hashMap, {Name: "prefixes", Type: "lpm_trie", Key: 8, Value: 60, Max: 10}}
	for _, c := range []struct {
		set   string
		names []string
		steps []string
	}{
		{"limit.map.types=hash", []string{"map type lpm_trie 3 +3"}, []string{"map type lpm_trie: +3 = 10"}},
		{"limit.map.entry=64 B", []string{"map entry prefixes (72 B, limit 64 B) 3 +3"}, []string{"map entry prefixes (72 B, limit 64 B): +3 = 10"}},
		{"limit.map.entry=72 B", nil, nil},
		{"limit.map.entries=1009", []string{"Σ max_entries of maps (limit 1009, without prefixes) 3 +3"}, []string{"Σ max_entries of maps (limit 1009, without prefixes): +3 = 10"}},
		{"limit.map.entries=1010", nil, nil},
		{"limit.map.memory=24719", []string{"memory of maps (limit 24719 B, without prefixes) 3 +3"}, []string{"memory of maps (limit 24719 B, without prefixes): +3 = 10"}},
		{"limit.map.memory=24720", nil, nil},
		{"limit.map.entries=500", []string{"Σ max_entries of maps (limit 500, without flows) 5 +5"}, []string{"Σ max_entries of maps (limit 500, without flows): +5 = 10"}},
		{"limit.trace=5", []string{"traces of more than limit.trace (limit 5) 1 +1"}, []string{"traces of more than limit.trace (limit 5): +1 = 10"}},
		{"limit.trace=6", nil, nil},
		{"limit.slots=7", []string{"entries of more than limit.slots (limit 7) 1 +1"}, []string{"entries of more than limit.slots (limit 7): +1 = 10"}},
		{"limit.slots=8", nil, nil},
	} {
		r := Check(w, device(t, c.set))
		if d := cmp.Diff(c.names, names(r)); d != "" {
			t.Errorf("%s: %s", c.set, d)
		}
		if d := cmp.Diff(c.steps, steps(r)); d != "" {
			t.Errorf("%s: %s", c.set, d)
		}
	}
	// Both limits at once: neither alone gains.
	r := Check(w, device(t, "limit.map.entries=1009", "limit.map.memory=24_719"))
	want := []string{"Σ max_entries of maps (limit 1009, without prefixes) 3 +0", "memory of maps (limit 24719 B, without prefixes) 3 +0"}
	if d := cmp.Diff(want, names(r)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{want[0][:len(want[0])-5] + " and " + want[1][:len(want[1])-5] + ": +3 = 10"}, steps(r)); d != "" {
		t.Error(d)
	}
	// A helper hides that the map would not have room either.
	w.Paths[1].Trace = code(lookup(1), call(5))
	w.Paths[2].Trace = code()
	r = Check(w, device(t, "limit.map.entries=1009", "limit.helpers=map_lookup_elem"))
	want = []string{"helper ktime_get_ns 2 +0", "Σ max_entries of maps (limit 1009, without prefixes) 2 +0"}
	if d := cmp.Diff(want, names(r)); d != "" {
		t.Error(d)
	}
	if len(r.Steps) != 1 || r.Steps[0].Gain != 2 {
		t.Errorf("%+v", r.Steps)
	}
}

// Coverage, distributions and needs, by hand: paths of 70, 20, 9 and 1 packets
// with 2 instructions and 0, 1, 2, 3 predicates.
func TestCoverage(t *testing.T) {
	w := work([]int{70, 20, 9, 1}, []*trace.Trace{code(), code(), code(lookup(0)), code()})
	w.Maps = []workload.Map{hashMap}
	r := Check(w, device(t, "limit.slots=7", "limit.helpers=redirect"))
	type row struct {
		reached      bool
		paths        int
		slots, bytes uint64
	}
	rows := func(cs []Cover) (out []row) {
		for _, c := range cs {
			out = append(out, row{c.Reached, c.Paths, c.Slots, c.MapMemory})
		}
		return out
	}
	if got, want := rows(r.Coverage), []row{{true, 2, 5, 0}, {true, 3, 11, 24_000}, {true, 4, 16, 24_000}, {true, 4, 16, 24_000}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got, want := rows(r.CoverageFit), []row{{true, 2, 5, 0}, {false, 3, 10, 0}, {false, 3, 10, 0}, {false, 3, 10, 0}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if c := r.AtOnce; c.Paths != 2 || c.Slots != 5 || c.Reached || c.Packets != 90 {
		t.Errorf("%+v", c)
	}
	if c := Check(w, device(t, "limit.entries=1")).AtOnce; c.Paths != 1 || c.Packets != 70 || c.Reached {
		t.Errorf("%+v", c)
	}
	if n := Check(w, device(t)).Needs; n != (Needs{Traces: 4, Slots: 16, Trace: 4, MapEntries: 1000, MapEntry: 24, MapMemory: 24_000}) {
		t.Errorf("%+v", n)
	}
	if q := r.Slots.Paths; q != (Quantiles{N: 4, Mean: 4, Min: 2, P50: 3, P90: 6, P99: 6, Max: 6}) {
		t.Errorf("%+v", q)
	}
	if q := r.Cond.Packets; q != (Quantiles{N: 100, Mean: 0.41, Min: 0, P50: 0, P90: 1, P99: 2, Max: 3}) {
		t.Errorf("%+v", q)
	}
}

// Every class of instructions is found.
func TestClasses(t *testing.T) {
	for _, c := range []struct {
		in   ebpf.Insn
		want string
	}{
		{ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUDiv, Imm: 3}, "div"},
		{ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUMod, Imm: 3}, "mod"},
		{ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMod | ebpf.SrcX, Off: 1}, "mod sdiv div-var"},
		{ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMul, Imm: 3}, "mul64"},
		{ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUMul, Imm: 3}, ""},
		{ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Off: 8}, "sext"},
		{ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX}, ""},
		{ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEMSX | ebpf.SizeB}, "sext"},
		{ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUEnd, Imm: 16}, "bswap"},
		{ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUEnd, Imm: 16}, "le"},
		{ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUEnd | ebpf.SrcX, Imm: 16}, ""},
		{ebpf.Insn{Op: ebpf.OpLDDW, Src: ebpf.PseudoMapValue}, "map-value"},
		{ebpf.Insn{Op: ebpf.OpLDDW, Src: ebpf.PseudoMapFD}, ""},
		{atomic(0, ebpf.AtomicAdd), "atomic"},
		{atomic(0, ebpf.AtomicAdd|ebpf.AtomicFetch), "atomic atomic-other"},
		{atomic(0, ebpf.AtomicCmpXchg), "atomic atomic-other"},
		{store(0), ""}, {exit, ""}, {call(1), ""},
	} {
		if got := strings.Join(classesOf(c.in, nil), " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.in, got, c.want)
		}
	}
	reached := map[string]bool{}
	for op := range 256 {
		for _, off := range []int16{0, 1} {
			for _, imm := range []int32{0, 1} {
				for src := range uint8(3) {
					for _, cl := range classesOf(ebpf.Insn{Op: uint8(op), Src: src, Off: off, Imm: imm}, nil) {
						reached[cl] = true
					}
				}
			}
		}
	}
	for _, cl := range profile.InsnClasses {
		if !reached[cl] {
			t.Errorf("%s: no instruction", cl)
		}
	}
}

// Stores are told apart by where their address comes from.
func TestStores(t *testing.T) {
	mov := func(dst, src uint8) ebpf.Insn {
		return ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUMov | ebpf.SrcX, Dst: dst, Src: src}
	}
	add := ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUAdd, Imm: 4}
	spill := ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Src: 0, Off: -8}
	fill := ebpf.Insn{Op: ebpf.ClassLDX | ebpf.ModeMEM | ebpf.SizeDW, Dst: 3, Src: 10, Off: -8}
	global := []ebpf.Insn{{Op: ebpf.OpLDDW, Dst: 2, Src: ebpf.PseudoMapValue, Imm: 1}, {}}
	cut := ebpf.Insn{Op: ebpf.ClassALU | ebpf.ALUMov | ebpf.SrcX, Dst: 0, Src: 0}
	for _, c := range []struct {
		name string
		t    *trace.Trace
		want []int32 // maps stored to
	}{
		{"found", code(lookup(0), store(0)), []int32{0}},
		{"moved", code(lookup(0), mov(6, 0), store(6)), []int32{0}},
		{"shifted", code(lookup(0), add, store(0)), []int32{0}},
		{"spilled", code(lookup(0), spill, fill, store(3)), []int32{0}},
		{"kept over a call", code(lookup(0), mov(7, 0), call(5), store(7)), []int32{0}},
		{"lost by a call", code(lookup(0), mov(1, 0), call(5), store(1)), nil},
		{"cut to 32 bits", code(lookup(0), cut, store(0)), nil},
		{"global", code(global, store(2)), []int32{1}},
		{"stack", code(store(10)), nil},
		{"packet", code(store(1)), nil},
		{"overwritten spill", code(lookup(0), spill, ebpf.Insn{Op: ebpf.ClassST | ebpf.ModeMEM | ebpf.SizeDW, Dst: 10, Off: -8}, fill, store(3)), nil},
		{"fetched over", code(lookup(0), mov(2, 0), atomic(10, ebpf.AtomicAdd|ebpf.AtomicFetch), store(2)), nil},
		{"exchanged", code(lookup(0), atomic(0, ebpf.AtomicXchg)), []int32{0}},
		{"load-acquire", code(lookup(0), mov(2, 0), ebpf.Insn{Op: ebpf.ClassSTX | ebpf.ModeATOMIC | ebpf.SizeW, Dst: 3, Src: 2, Imm: ebpf.AtomicLoadAcq}), nil},
	} {
		var got []int32
		for _, u := range usesOf(c.t, 0) {
			if u.what == useStore {
				got = append(got, u.m)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: stores to %v, want %v", c.name, got, c.want)
		}
	}
	// Where the address is lost, the recording tells.
	tr := code(lookup(0), cut, store(0))
	tr.Meta = make([]trace.Meta, len(tr.Code))
	for i := range tr.Meta {
		tr.Meta[i].Map = -1
	}
	tr.Meta[4] = trace.Meta{Prog: 2, PC: 41, Mem: trace.MemMap, Map: 5}
	found := false
	for _, u := range usesOf(tr, 3) {
		if u.what == useStore {
			found = u.m == 5 && u.place == (Place{Path: 3, Slot: 4, Prog: 2, Insn: 41})
		}
	}
	if !found {
		t.Errorf("%+v", usesOf(tr, 3))
	}
}

// On random workloads: what doesn't fit has a blocker and only that, lifting
// all gains all, and the same again gives the same.
func TestRandom(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var traces []*trace.Trace
		var packets []int
		for range rapid.IntRange(0, 8).Draw(rt, "paths") {
			var parts []any
			for range rapid.IntRange(0, 4).Draw(rt, "parts") {
				switch rapid.IntRange(0, 4).Draw(rt, "part") {
				case 0:
					parts = append(parts, lookup(int32(rapid.IntRange(0, 4).Draw(rt, "map"))))
				case 1:
					parts = append(parts, store(0))
				case 2:
					parts = append(parts, call(int32(rapid.IntRange(1, 211).Draw(rt, "helper"))))
				case 3:
					parts = append(parts, atomic(0, rapid.SampledFrom([]int32{ebpf.AtomicAdd, ebpf.AtomicXchg}).Draw(rt, "atomic")))
				case 4:
					parts = append(parts, ebpf.Insn{Op: ebpf.ClassALU64 | ebpf.ALUDiv, Imm: 3})
				}
			}
			traces = append(traces, code(parts...))
			packets = append(packets, rapid.IntRange(0, 20).Draw(rt, "packets"))
		}
		w := work(packets, traces, workload.Abort{Reason: trace.ReasonIteration, Packets: uint64(rapid.IntRange(0, 9).Draw(rt, "aborts"))})
		for i := range 4 {
			w.Maps = append(w.Maps, workload.Map{Name: "m" + num(uint64(i)), Type: rapid.SampledFrom([]string{"hash", "array", "lpm_trie"}).Draw(rt, "type"),
				Key: 4, Value: uint32(rapid.IntRange(1, 100).Draw(rt, "value")), Max: uint32(rapid.IntRange(1, 100).Draw(rt, "max"))})
		}
		n := device(t,
			"limit.map.entries="+rapid.SampledFrom([]string{"unlimited", "50", "120"}).Draw(rt, "entries"),
			"limit.map.memory="+rapid.SampledFrom([]string{"unlimited", "1000", "5000"}).Draw(rt, "memory"),
			"limit.map.types="+rapid.SampledFrom([]string{"all", "hash, array", "hash"}).Draw(rt, "types"),
			"limit.helpers="+rapid.SampledFrom([]string{"all", "map_lookup_elem"}).Draw(rt, "helpers"),
			"limit.map.writes="+rapid.SampledFrom([]string{"any", "atomic", "none"}).Draw(rt, "writes"),
			"limit.refused="+rapid.SampledFrom([]string{"none", "div", "atomic-other"}).Draw(rt, "refused"),
			"limit.trace="+rapid.SampledFrom([]string{"unlimited", "5"}).Draw(rt, "trace"))
		r := Check(w, n)
		var fit uint64
		for i := range r.Paths {
			if r.Fits(i) {
				fit += r.Paths[i].Packets
			}
		}
		if fit != r.Offloadable || r.Offloadable > r.Traceable || r.Traceable > r.Packets {
			rt.Fatalf("%d fit, %d offloadable, %d traceable, %d packets\n%s", fit, r.Offloadable, r.Traceable, r.Packets, r.Format())
		}
		total := r.Offloadable
		for _, s := range r.Steps {
			if total += s.Gain; s.Gain == 0 || total != s.Total {
				rt.Fatalf("steps don't add up:\n%s", r.Format())
			}
		}
		if total != r.Packets {
			rt.Fatalf("all lifted, %d of %d packets\n%s", total, r.Packets, r.Format())
		}
		for _, b := range r.Blockers {
			later := b.Kind == KindMapEntries || b.Kind == KindMapMemory // may block only once others are lifted
			if b.Blocks == 0 && !later || b.Alone > b.Blocks || b.Blocks > r.Packets-r.Offloadable {
				rt.Fatalf("%+v\n%s", b, r.Format())
			}
		}
		a := must.Get(json.Marshal(r))(rt)
		if b, _ := json.Marshal(Check(w, n)); string(a) != string(b) {
			rt.Fatal("the same again differs")
		}
	})
}

// What is offloaded stays there when something hotter could come: lifting the
// helper alone gains nothing, as there is no room beside the map that is there.
func TestStays(t *testing.T) {
	w := work([]int{5, 4}, []*trace.Trace{code(lookup(0), call(5)), code(lookup(1))})
	w.Maps = []workload.Map{{Name: "a", Type: "hash", Key: 4, Value: 4, Max: 60}, {Name: "b", Type: "hash", Key: 4, Value: 4, Max: 50}}
	r := Check(w, device(t, "limit.map.entries=100", "limit.helpers=map_lookup_elem"))
	if d := cmp.Diff([]string{"helper ktime_get_ns 5 +0", "Σ max_entries of maps (limit 100, without a) 5 +0"}, names(r)); d != "" {
		t.Error(d)
	}
	if r.Offloadable != 4 || len(r.Steps) != 1 || r.Steps[0].Gain != 5 {
		t.Errorf("%s", r.Format())
	}
}

// Every kind of blocker, and each in the text.
func TestKinds(t *testing.T) {
	w := work([]int{1, 1, 1, 1, 1, 1, 1}, []*trace.Trace{
		code(call(5)), code(lookup(0), store(0)), code(lookup(1)), code(lookup(2)), code(lookup(3)), code(r0zero, r0zero, r0zero, r0zero, r0zero, r0zero), code(exit, exit, atomic(1, 1)),
	}, workload.Abort{Reason: trace.ReasonFragments, Packets: 1})
	w.Paths[6].Slots = 40
	w.Maps = []workload.Map{
		{Name: "small", Type: "hash", Key: 4, Value: 4, Max: 10}, {Name: "long", Type: "hash", Key: 4, Value: 400, Max: 1},
		{Name: "typed", Type: "lpm_trie", Key: 4, Value: 4, Max: 1}, {Name: "many", Type: "array", Key: 4, Value: 4, Max: 1000},
	}
	r := Check(w, device(t, "limit.helpers=map_lookup_elem", "limit.map.writes=none", "limit.map.types=hash, array", "limit.map.entry=32", "limit.map.entries=100",
		"limit.map.memory=200", "limit.trace=7", "limit.slots=30", "limit.refused=atomic-other"))
	seen := map[Kind]bool{}
	text := r.Format()
	for i := range r.Blockers {
		seen[r.Blockers[i].Kind] = true
		if !strings.Contains(text, r.Blockers[i].Title()) {
			t.Errorf("%s is not in the text", r.Blockers[i].Title())
		}
	}
	cut := Check(chains(), device(t, "matcher.tables=1", "limit.held=1"))
	for i := range cut.Blockers {
		seen[cut.Blockers[i].Kind] = true
	}
	for _, k := range Kinds {
		if !seen[k] {
			t.Errorf("%s: not reached:\n%s", k, text)
		}
	}
	if r.Offloadable != 0 || r.Steps[len(r.Steps)-1].Total != 8 {
		t.Error(text)
	}
}

// A condition needs the maps and helpers whose answers it reads.
func TestConditions(t *testing.T) {
	b := bv.NewBuilder()
	key := b.Input(pathcond.InIfindex, 32, bv.Fact{})
	found := b.Fun(pathcond.FunLookup|2<<16, 64, bv.Fact{}, b.ZExt(key, 64))
	pred := func(x bv.Term) pathcond.Pred { return pathcond.Pred{Term: x, Want: true, Prog: 1, PC: 30} }
	eq := func(x bv.Term) bv.Term { return b.Bin(bv.OpEq, x, b.Const(1, b.Width(x))) }
	cond := []pathcond.Pred{
		pred(eq(b.Fun(pathcond.FunLoad, 32, bv.Fact{}, found))), // the look-up inside a load
		pred(eq(found)),
		pred(b.Fun(pathcond.FunPresent|3<<16, 1, bv.Fact{}, key)),
		pred(eq(b.Fun(pathcond.FunFib, 32, bv.Fact{}, key))),
	}
	for id, helper := range map[uint64]string{pathcond.InTime: "ktime_get_ns", pathcond.InBoot: "ktime_get_boot_ns", pathcond.InCoarse: "ktime_get_coarse_ns",
		pathcond.InJiffies: "jiffies64", pathcond.InCPU: "get_smp_processor_id", pathcond.InRand + 5: "get_prandom_u32", pathcond.InTag: "bpf_xdp_metadata_rx_vlan_tag", pathcond.InLen: "", pathcond.InVersion + 1: ""} {
		us := condUses(b, []pathcond.Pred{pred(eq(b.Input(id, 64, bv.Fact{})))}, 0)
		if helper == "" && len(us) == 0 || len(us) == 1 && us[0].name == helper {
			continue
		}
		t.Errorf("input %d: %+v, want %q", id, us, helper)
	}
	for k, helper := range map[uint64]string{
		pathcond.Fun(pathcond.FunCookie, pathcond.Cookie(true, false, 20)): "tcp_raw_gen_syncookie_ipv4", pathcond.Fun(pathcond.FunCookie, pathcond.Cookie(false, true, 20)): "tcp_raw_check_syncookie_ipv6",
		pathcond.Fun(pathcond.FunText, pathcond.Text(0, 3, 0, -1)): "trace_printk", pathcond.Fun(pathcond.FunText, pathcond.Text(1, 3, 0, 8)): "snprintf",
		pathcond.Fun(pathcond.FunConn, pathcond.Conn(0, 12, 12)): "bpf_xdp_ct_lookup", pathcond.Fun(pathcond.FunQuery, 4): "ringbuf_query"} {
		if us := condUses(b, []pathcond.Pred{pred(eq(b.Fun(k, 64, bv.Fact{}, b.ZExt(key, 64))))}, 0); len(us) == 0 || us[0].name != helper {
			t.Errorf("function %#x: %+v, want %q", k, us, helper)
		}
	}
	at := Place{Path: 9, Slot: -1, Prog: 1, Insn: 30}
	want := []use{{useHelper, "map_lookup_elem", 2, at}, {useMap, "", 2, at}, {useMap, "", 3, at}, {useHelper, "fib_lookup", -1, at}}
	if got := condUses(b, cond, 9); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Nothing is a workload too.
func TestEmpty(t *testing.T) {
	r := Check(&workload.Workload{}, device(t))
	if r.Packets != 0 || r.Share != 0 || len(r.Blockers) != 0 || !strings.Contains(r.Format(), "0 of 0 packets") {
		t.Errorf("%+v", r)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err) // a NaN would not marshal
	}
}
