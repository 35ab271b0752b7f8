package vliw

import (
	"fmt"
	"strings"
	"testing"

	"jitnic/host/ebpf"
	"jitnic/host/hosttest/must"
	"jitnic/host/maps"
	"jitnic/trace"

	cebpf "github.com/cilium/ebpf"
)

// specs are the maps of the tests below: 0 a hash, 1 an array, 2 an LRU hash.
var specs = []*maps.Spec{
	{Name: "h", Type: cebpf.Hash, KeySize: 4, ValueSize: 8, Max: 8},
	{Name: "a", Type: cebpf.Array, KeySize: 4, ValueSize: 8, Max: 8},
	{Name: "l", Type: cebpf.LRUHash, KeySize: 4, ValueSize: 8, Max: 8},
}

func parse(t testing.TB, text string) *trace.Trace {
	t.Helper()
	code := must.Get(ebpf.Parser{MapIndex: maps.Numbers(specs)}.Code(text))(t)
	return &trace.Trace{Code: code}
}

// cycles gives the issue cycle of each op, in program order, as text.
func cycles(s *Schedule) string {
	at := make([]int, len(s.Ops))
	for c, b := range s.Bundles {
		for _, i := range b {
			at[i] = c
		}
	}
	return strings.Trim(fmt.Sprint(at), "[]")
}

// Each schedule is worked out by hand; at says in which cycle each instruction
// starts.
func TestByHand(t *testing.T) {
	slow := Machine{Lanes: 4, Mul: 3, Div: 8, Load: 2, Store: 2, MapLoad: 4, Hash: 5, Array: 3, Update: 6, LRU: 5, Atomic: 3}
	for _, tc := range []struct {
		name, code, at string
		m              Machine
	}{
		{"true dependences chain", "r0 = 1\nr0 += 2\nr0 <<= 3\nexit", "0 1 2 3", Machine{Lanes: 4}},
		{"independent ones share a bundle, exit needs r0", "r0 = 1\nr2 = 2\nr3 = 3\nexit", "0 0 0 1", Machine{Lanes: 4}},
		{"lanes are few", "r2 = 2\nr3 = 3\nr0 = 1\nexit", "0 1 0 1", Machine{Lanes: 2}},
		{"an anti-dependence shares the bundle", "r2 = r1\nr1 = 5\nr0 = r2\nexit", "0 0 1 2", Machine{Lanes: 4}},
		{"an output dependence doesn't", "r2 = 7\nr2 = 8\nr0 = r2\nexit", "0 1 2 3", Machine{Lanes: 4}},
		{"a long result lands before a short one of the same register", "r2 = 7\nr2 *= 9\nr2 = 8\nr0 = r2\nexit", "0 1 4 5 6", slow},
		{"latency of mul", "r0 = 2\nr0 *= 3\nr0 += 1\nexit", "0 1 4 5", slow},
		{"latency of div", "r0 = 200\nr0 /= 3\nexit", "0 1 9", slow},
		{"load of the context, of the packet", "r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +12)\nexit", "0 2 4", slow},
		{"the exit waits until a store is done", "*(u64 *)(r10 -8) = 1\nr0 = 1\nexit", "0 0 1", slow},
		{"stack bytes apart", "*(u64 *)(r10 -8) = 1\nr0 = *(u64 *)(r10 -16)\nexit", "0 0 2", slow},
		{"stack bytes the same", "*(u64 *)(r10 -8) = 1\nr0 = *(u32 *)(r10 -4)\nexit", "0 2 4", slow},
		{"a load and a later store share a bundle", "r0 = *(u64 *)(r10 -8)\n*(u64 *)(r10 -8) = 1\nexit", "0 0 2", slow},
		{"stack by way of another register", "r3 = r10\nr3 += -16\n*(u64 *)(r3 +8) = 1\nr0 = *(u32 *)(r10 -8)\nexit", "0 1 2 4 6", slow},
		{"two offsets of one packet pointer", "r2 = *(u32 *)(r1 +0)\nr3 = r2\nr3 += 14\n*(u16 *)(r3 +0) = 1\nr0 = *(u16 *)(r2 +16)\nexit", "0 2 3 4 2 5", slow},
		{"an unknown offset of it", "r2 = *(u32 *)(r1 +0)\nr3 = *(u8 *)(r2 +14)\nr3 += r2\n*(u16 *)(r3 +0) = 1\nr0 = *(u16 *)(r2 +16)\nexit", "0 2 4 5 7 9", slow},
		{"the same, the pointer on the left", "r2 = *(u32 *)(r1 +0)\nr3 = *(u8 *)(r2 +14)\nr4 = r2\nr4 += r3\n*(u16 *)(r4 +0) = 1\nr0 = *(u16 *)(r2 +16)\nexit", "0 2 2 4 5 7 9", slow},
		{"a spilled pointer comes back as what it was", "*(u64 *)(r10 -8) = r1\nr5 = *(u64 *)(r10 -8)\n*(u64 *)(r10 -16) = r5\nr0 = *(u32 *)(r5 +12)\nexit", "0 2 4 4 6", slow},
		{"but not from under a call that wrote there", "r6 = r1\n*(u64 *)(r10 -8) = r1\nr2 = 0\nr3 = r10\nr3 += -8\nr4 = 8\ncall xdp_load_bytes#189\nr5 = *(u64 *)(r10 -8)\n*(u64 *)(r10 -16) = r5\nr0 = *(u32 *)(r5 +12)\nexit",
			"1 0 0 0 1 0 2 3 5 7 9", slow},
		{"nor from under a store", "*(u64 *)(r10 -8) = r1\n*(u8 *)(r10 -4) = 1\nr5 = *(u64 *)(r10 -8)\n*(u64 *)(r10 -16) = r5\nr0 = *(u32 *)(r5 +12)\nexit",
			"0 1 3 5 7 9", slow},
		{"packet and stack", "r2 = *(u32 *)(r1 +0)\nr3 = *(u8 *)(r2 +14)\nr3 += r2\n*(u16 *)(r3 +0) = 1\nr0 = *(u64 *)(r10 -8)\nexit", "0 2 4 5 0 6", slow},
		{"two helper calls, one a cycle", "call ktime_get_ns#5\nr6 = r0\ncall get_smp_processor_id#8\nexit", "0 1 1 2", Machine{Lanes: 4, Helpers: 1}},
		{"a call takes its key as it finds it", "*(u32 *)(r10 -4) = 1\nr1 = map[h]\nr2 = r10\nr2 += -4\ncall map_lookup_elem#1\n*(u32 *)(r10 -4) = 2\nr0 = 1\nexit",
			"0 0 0 1 2 2 7 8", Machine{Lanes: 4, Hash: 5}},
		{"values of two maps", "r1 = map[a] +0\nr2 = map[l] +0\nr3 = *(u64 *)(r1 +0)\n*(u64 *)(r2 +0) = r3\nr0 = *(u64 *)(r1 +0)\nexit", "0 0 1 5 1 6", slow},
		{"values of one map at different offsets", "r1 = map[a] +0\n*(u64 *)(r1 +0) = 1\nr2 = map[a] +8\nr0 = *(u64 *)(r2 +0)\nexit", "0 1 0 1 5", slow},
		{"values of one map at the same", "r1 = map[a] +0\n*(u64 *)(r1 +8) = 1\nr2 = map[a] +8\nr0 = *(u64 *)(r2 +0)\nexit", "0 1 0 3 7", slow},
		{"a result is in its own lane first", "r2 = 1\nr3 = 2\nr0 = r2\nr0 += r3\nexit", "0 0 1 2 3", Machine{Lanes: 2, CrossLane: 1}},
		{"two results of two lanes wait", "r2 = 1\nr3 = 2\nr2 += r3\nr0 = r2\nexit", "0 0 2 3 4", Machine{Lanes: 2, CrossLane: 1}},
		{"unless they are forwarded", "r2 = 1\nr3 = 2\nr2 += r3\nr0 = r2\nexit", "0 0 1 2 3", Machine{Lanes: 2}},
		{"two readers of one result", "r2 = 1\nr3 = r2\nr4 = r2\nr0 = 1\nexit", "0 1 2 0 2", Machine{Lanes: 2, CrossLane: 1}},
		{"a map port", "r1 = map[a] +0\nr0 = *(u64 *)(r1 +0)\nr2 = *(u64 *)(r1 +8)\nexit", "0 1 2 2", Machine{Lanes: 4, MapPorts: 1}},
		{"a memory port", "r2 = *(u64 *)(r10 -8)\nr3 = *(u64 *)(r10 -16)\nr0 = 0\nexit", "0 1 0 1", Machine{Lanes: 4, MemPorts: 1}},
	} {
		s, err := New(parse(t, tc.code), tc.m.For(specs))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if got := cycles(s); got != tc.at {
			t.Errorf("%s: cycles %s, want %s\n%s", tc.name, got, tc.at, s.Format(nil))
		}
		if s.Cycles < s.Bound || s.Bound < s.Critical {
			t.Errorf("%s: %d cycles, bound %d, critical path %d", tc.name, s.Cycles, s.Bound, s.Critical)
		}
	}
}
