package pair

import (
	"context"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/kernel"
	"jitnic/host/loader"
	"jitnic/host/maps"

	cilium "github.com/cilium/ebpf"
)

// specs are the maps of the programs below.
var specs = []*maps.Spec{
	{Name: "h", Type: cilium.Hash, KeySize: 8, ValueSize: 8, Max: 64},
	{Name: "a", Type: cilium.Array, KeySize: 4, ValueSize: 8, Max: 4},
	{Name: "q", Type: cilium.Queue, ValueSize: 8, Max: 4},
	{Name: "p", Type: cilium.PerCPUHash, KeySize: 4, ValueSize: 8, Max: 8},
}

func object(t *testing.T, text string) *loader.Object {
	t.Helper()
	code := must.Get(ebpf.Parser{MapIndex: maps.Numbers(specs)}.Code(text))(t)
	o := must.Get(loader.FromCode("test", code, specs))(t)
	return o
}

// update puts a value under a key of 8 bytes into map h.
func update(key, value string) string {
	return key + `
		*(u64 *)(r10 -16) = ` + value + `
		r1 = map[h]
		r2 = r10
		r2 += -8
		r3 = r10
		r3 += -16
		r4 = 0
		call map_update_elem
		r0 = 2
		exit`
}

// Every status, by programs of which it is known.
func TestCompare(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	const whole, padded = "*(u64 *)(r10 -8) = 7", "*(u32 *)(r10 -8) = 7"
	for _, c := range []struct {
		name, old, new string
		want           Status
		reason         string
	}{
		{"same", "r0 = 2; exit", "r0 = 2; exit", Equal, ""},
		{"verdict", "r0 = 2; exit", "r0 = 1; exit", Different, "run 0: verdict: got XDP_DROP (1), want XDP_PASS (2)"},
		{"the clock is latched", "call ktime_get_ns; exit", "r6 = 0; call ktime_get_ns; exit", Equal, ""},
		{"original", "r0 = *(u8 *)(r2 +0); exit", "r0 = 2; exit", OriginalRefused, "R2 !read_ok"},
		{"result", "r0 = 2; exit", "r0 = r5; exit", ResultRefused, "R5 !read_ok"},
		{"map value", update(whole, "1"), update(whole, "2"), Different, `map "h" after the runs: key 0700000000000000: want 0100000000000000, got 0200000000000000`},
		{"map key", update(whole, "1"), update("*(u64 *)(r10 -8) = 8", "1"), Different, `map "h" after the runs`},
		{"what nobody wrote, on both sides", update(padded, "1"), update("r6 = 7; *(u32 *)(r10 -8) = r6", "1"), Equal, ""},
		{"a function's stack", "call pc+1; exit; " + update(padded, "1"), "call pc+1; exit; r8 = 0; " + update(padded, "1"), Equal, ""},
		{"an address of the packet", update("r6 = *(u32 *)(r1 +0); *(u64 *)(r10 -8) = 7", "r6"), update("r6 = *(u32 *)(r1 +0); r7 = 7; *(u64 *)(r10 -8) = r7", "r6"), Equal, ""},
		{"what the kernel alone knows", "call get_current_task; exit", "call get_current_task; r0 += 1; exit", Different, "verdict"},
		{"queue", `*(u64 *)(r10 -8) = 1; r1 = map[q]; r2 = r10; r2 += -8; r3 = 2; call map_push_elem; r0 = 2; exit`,
			`*(u64 *)(r10 -8) = 2; r1 = map[q]; r2 = r10; r2 += -8; r3 = 2; call map_push_elem; r0 = 2; exit`, Different, `map "q" after the runs: element 0`},
	} {
		o := Compare(t.Context(), Pair{object(t, c.old), object(t, c.new), "main"}, Options{Runs: 50, Seed: 3})
		if o.Status != c.want || !strings.Contains(o.Reason, c.reason) || c.want == Equal && (o.Runs != 50 || o.Maps != 4) {
			t.Errorf("%s: %v: %+v", c.name, o, o)
		}
	}
	o := Compare(t.Context(), Pair{object(t, "r0 = 2; exit"), object(t, "r0 = 2; exit"), "main"}, Options{Runs: 5, Time: true})
	if o.Time == nil || o.Time.Rounds != rounds || o.Time.Median <= 0 || o.Time.Q1 > o.Time.Q3 {
		t.Errorf("times: %+v", o.Time)
	}
	// An address on the kernel's stack, which it may put anywhere each time.
	if o := Compare(t.Context(), Pair{object(t, "r0 = r1; exit"), object(t, "r0 = r1; exit"), "main"}, Options{Runs: 400}); o.Bad() {
		t.Errorf("an address returned: %+v", o)
	}
	// Two bits of it in a key, in a few runs: two originals often agree, and yet a
	// third needs not.
	key := "r1 = le64 r1; r1 >>= 6; r1 &= 3; *(u64 *)(r10 -8) = r1"
	for seed := range uint64(40) {
		if o := Compare(t.Context(), Pair{object(t, update(key, "1")), object(t, "r7 = 0; "+update(key, "1")), "main"}, Options{Runs: 3, Seed: seed}); o.Bad() {
			t.Errorf("an address in a key, seed %d: %+v", seed, o)
		}
	}
	gone := object(t, "r0 = 2; exit")
	gone.Programs[0].Name = "other"
	if o := Compare(t.Context(), Pair{object(t, "r0 = 2; exit"), gone, "main"}, Options{}); o.Status != ResultRefused {
		t.Errorf("a program that is gone: %v", o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if o := Compare(ctx, Pair{object(t, "r0 = 2; exit"), object(t, "r0 = 2; exit"), "main"}, Options{}); o.Status != NotChecked || o.Reason != "context canceled" {
		t.Errorf("cancelled: %v", o)
	}
}

// A program whose runs are long: how many are compared is counted, the same each time.
func TestLong(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	// 2 and 2 instructions beside the 2 of each turn: the 200th run goes over the limit.
	text := "r6 = 250000; r6 += -1; if r6 != 0 goto -2; r0 = 2; exit"
	o := Compare(t.Context(), Pair{object(t, text), object(t, text), "main"}, Options{Runs: 2000, Time: true})
	if o.Status != Equal || !o.Bounded || o.Runs != 200 || o.Time == nil || !strings.Contains(o.String(), "compared 200 runs (it loops") {
		t.Errorf("%v: %+v", o, o)
	}
}

// Programs of other types than XDP, and such as have no test run.
func TestWays(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		typ    cilium.ProgramType
		attach cilium.AttachType
		as     string
		want   Status
	}{
		{cilium.UnspecifiedProgram, 0, "XDP", Equal},
		{cilium.XDP, cilium.AttachXDPDevMap, "XDP", Equal},
		{cilium.SchedCLS, 0, "SchedCLS", Equal},
		{cilium.Kprobe, 0, "RawTracepoint", Equal},
		{cilium.CGroupSockAddr, cilium.AttachCGroupInet4Connect, "CGroupSockAddr", NotChecked},
	} {
		a, b := object(t, "r0 = 1; exit"), object(t, "r0 = 1; exit")
		for _, p := range []*loader.Program{a.Programs[0], b.Programs[0]} {
			p.Type, p.AttachType = c.typ, c.attach
		}
		o := Compare(t.Context(), Pair{a, b, "main"}, Options{Runs: 20})
		if o.Status != c.want || !o.Loaded || !strings.HasPrefix(o.As, c.as) {
			t.Errorf("%v: %v, as %q", c.typ, o, o.As)
		}
	}
}
